// The objects in an image of labels, and how large those of a set are.

import Morphology
import Tensors

/// The objects of an image of labels.
///
/// They are those that are numbered, else the 8-connected components of the pixels of any class but the
/// first. What is ignored is no object.
struct LabelledObjects {
  /// The object of each pixel, from 1; 0 for none.
  let numbers: [Int32]
  /// The box of each object; that of object n stands at n - 1.
  let boxes: [PixelBox]

  /// The objects of an image, height x width, by `instances` where there are some.
  init(labels: [UInt8], instances: [Int32]?, width: Int, height: Int) {
    func known(_ place: Int, _ value: Int32) -> Int32 {
      labels[place] == ignoredLabel ? 0 : value
    }
    if let instances {
      let objects = NumberedObjects(
        of: labels.indices.map { known($0, instances[$0]) }, width: width)
      (numbers, boxes) = (objects.labels, objects.boxes)
    } else {
      let objects = ConnectedComponents(
        of: labels.indices.map { known($0, Int32(labels[$0])) }, width: width, height: height,
        connectivity: .eight)
      (numbers, boxes) = (objects.labels, objects.boxes)
    }
  }

  /// The pixels of each object.
  var areas: [Int] {
    var areas = [Int](repeating: 0, count: boxes.count)
    for number in numbers where number > 0 { areas[Int(number) - 1] += 1 }
    return areas
  }
}

extension Dataset {
  /// Images, and pixels of them, that the size of a set's objects is taken from at most.
  private static let measured = (images: 64, pixels: 8 << 20)
  /// The side of a square of about so many pixels.
  private static let measuredSide = 2896

  /// The diameter, in pixels, up to which objects hold half of the pixels of all objects; nil where
  /// there is no object.
  ///
  /// An object's diameter is that of a circle of its area, 2 sqrt(A / pi). Of large sets a few images
  /// are taken, evenly spaced, and of large images the middle.
  ///
  /// - Throws: as `TileSource.part` and `instances`.
  package func objectDiameter(of ids: [Int]) throws -> Int? {
    let pixels = ids.reduce(0) { $0 + size($1).width * size($1).height }
    let most = max(1, Self.measured.pixels * ids.count / max(1, pixels))
    let count = min(ids.count, Self.measured.images, most)
    var areas: [Int] = []
    for index in 0..<count {
      let id = ids[index * ids.count / count]
      let image = source(id)
      // A band across the middle, or a square in it.
      let width = min(image.width, max(Self.measured.pixels / image.height, Self.measuredSide))
      let height = min(image.height, Self.measured.pixels / width)
      func middle(_ count: Int, of length: Int) -> Range<Int> {
        (length - count) / 2..<(length - count) / 2 + count
      }
      let part = try image.part(
        rows: middle(height, of: image.height), columns: middle(width, of: image.width))
      areas +=
        LabelledObjects(
          labels: part.labels,
          instances: try instances(id, rows: part.rows, columns: part.columns),
          width: part.columns.count, height: part.rows.count
        ).areas
    }
    areas.sort()
    var left = (areas.reduce(0, +) + 1) / 2
    for area in areas {
      left -= area
      if left <= 0 { return Int((2 * (Double(area) / .pi).squareRoot()).rounded()) }
    }
    return nil
  }
}
