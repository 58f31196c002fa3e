// Objects that touch, parted where they are narrow.

import Datasets
import Morphology
import Tensors

/// Objects are the hills of the distance to what is outside their class.
///
/// In each class but `backgrounds` every pixel has its Euclidean distance to the nearest pixel of another class,
/// smoothed by the binomial kernel 1 4 6 4 1 along both axes, of deviation 1 pixel, so that steps of a rim
/// make no peaks. Peaks that stand out by `dynamics` pixels are markers, and a watershed parts the class
/// between them: round objects that touch are parted where they are narrow.
package struct WatershedObjects: ObjectSegmentation {
  /// How far a peak has to stand out, in pixels: it decides little from 0.02 to 0.2 on nuclei.
  private static let dynamics: Float = 0.1

  /// The labels of what is no object.
  private let backgrounds: Set<UInt8>

  /// Objects of all classes but these.
  package init(backgrounds: Set<UInt8>) { self.backgrounds = backgrounds }

  /// Objects of all classes but this one.
  package init(background: UInt8) { self.init(backgrounds: [background]) }

  /// The parted objects, 1...n in the order of their first pixels in rows from the top.
  package func objects(of map: ProbabilityMap, labels: [UInt8]) -> [Int32] {
    objects(labels: labels, width: map.width, height: map.height)
  }

  /// The parted objects of these labels; what is ignored is no object.
  package func objects(labels: [UInt8], width: Int, height: Int) -> [Int32] {
    var numbers = [Int32](repeating: 0, count: labels.count)
    var last: Int32 = 0
    for label in Set(labels).sorted() where !backgrounds.contains(label) {
      guard label != ignoredLabel else { continue }
      let mask = labels.map { $0 == label }
      let hills = Self.smoothed(
        Self.distances(mask, width: width, height: height), width: width, height: height)
      // Peaks are told apart over corners too, else a slanting ridge has several; but each component, which
      // the flood does not leave, has one.
      let components = ConnectedComponents(
        of: mask.map { $0 ? 1 : 0 }, width: width, height: height, connectivity: .four)
      let markers = Peaks.markers(
        of: hills, regions: components.labels, dynamics: Self.dynamics, width: width,
        height: height, connectivity: .eight)
      let segments = Watershed.segments(
        relief: hills.map { -$0 }, markers: markers, mask: mask, width: width, height: height,
        lines: false)
      for (place, segment) in segments.enumerated() where segment != 0 {
        numbers[place] = last + segment
      }
      last += markers.max() ?? 0
    }
    return NumberedObjects(of: numbers, width: width).labels
  }

  /// The distance of each pixel to the nearest one where `mask` is false, 0 there.
  private static func distances(_ mask: [Bool], width: Int, height: Int) -> [Float] {
    let squares = SquaredDistances(in: PixelBox(rows: 0..<height, columns: 0..<width)) {
      row, column in !mask[row * width + column]
    }
    return mask.indices.map { place in
      Float(squares.value(place / width, place % width).squareRoot())
    }
  }

  /// The values after the binomial kernel of five, along rows and along columns; the border's is repeated.
  private static func smoothed(_ values: [Float], width: Int, height: Int) -> [Float] {
    func along(_ values: [Float], step: Int, length: Int, _ position: (Int) -> Int) -> [Float] {
      values.indices.map { place in
        let own = position(place)
        func value(_ offset: Int) -> Float {
          values[place + (min(max(own + offset, 0), length - 1) - own) * step]
        }
        return (value(-2) + value(2) + 4 * (value(-1) + value(1)) + 6 * value(0)) / 16
      }
    }
    let rows = along(values, step: 1, length: width) { $0 % width }
    return along(rows, step: width, length: height) { $0 / width }
  }
}
