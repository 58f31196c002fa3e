// Resampled tiles against the definition in Double, pixel by pixel.

import Datasets
import Foundation
import Randomness
import Tensors
import Testing

@Suite struct DeformationTests {
  private static let tile = (side: 24, outputSide: 14)

  private static func picture(width: Int, height: Int, channels: Int) -> [Float] {
    var stream = RandomStream(seed: 3, purpose: .synthesis)
    return (0..<width * height * channels).map { _ in stream.uniform() }
  }

  private static func placements() -> [Augmentation.Placement] {
    (0..<16).map { index in
      var placement = Augmentation.Placement(row: 3, column: -2)
      placement.quarterTurns = index % 4
      placement.isFlippedHorizontally = index / 4 % 2 == 1
      placement.isFlippedVertically = index / 8 == 1
      return placement
    }
  }

  private static func resampled(
    _ map: PlaceMap, _ image: [Float], width: Int, height: Int, channels: Int
  ) -> [Float] {
    let part = ImagePart(
      rows: 0..<height, columns: 0..<width, pixels: image,
      labels: [UInt8](repeating: 0, count: width * height), weights: nil)
    return [Float](unsafeUninitializedCapacity: tile.side * tile.side * channels) { target, count in
      image.withUnsafeBufferPointer { image in
        guard let image = image.baseAddress, let target = target.baseAddress else { return }
        map.resample(image, of: part, channels: channels, into: target)
      }
      count = tile.side * tile.side * channels
    }
  }

  /// The value between pixels, bilinear, mirrored beyond the image.
  private static func value(
    _ image: [Float], width: Int, height: Int, channels: Int, _ y: Double, _ x: Double, _ c: Int
  ) -> Double {
    let (top, left) = (y.rounded(.down), x.rounded(.down))
    func pixel(_ row: Double, _ column: Double) -> Double {
      let r = BorderRule.mirrored(Int(row), count: height)
      let k = BorderRule.mirrored(Int(column), count: width)
      return Double(image[(r * width + k) * channels + c])
    }
    let (v, u) = (y - top, x - left)
    return (1 - v) * ((1 - u) * pixel(top, left) + u * pixel(top, left + 1))
      + v * ((1 - u) * pixel(top + 1, left) + u * pixel(top + 1, left + 1))
  }

  /// Without deformation the map is the copy, for all turns and flips.
  @Test func withoutDeformationItIsTheCopy() {
    let (width, height) = (30, 22)
    let image = DatasetImage(
      id: 0, name: "", width: width, height: height, channels: 1,
      pixels: (0..<width * height).map { Float($0) },
      labels: (0..<width * height).map { UInt8($0 % 251) })
    let still = Augmentation([.rotate90, .flip, .shift].map { .init($0) })
    let turned = Augmentation(still.steps + [AugmentationStep(.rotate, [0, 1])].compactMap(\.self))
    #expect(turned.steps.count == 4)
    let shape = TileShape(inputSide: 24, outputSide: 14)
    let (copied, resampled) = (
      SampleBuffer(tile: shape, channels: 1), SampleBuffer(tile: shape, channels: 1)
    )
    for draw in 0..<64 {
      let stream = Augmentation.stream(seed: 1, epoch: 0, draw: draw)
      still.fill(copied, from: image, stream: stream)
      turned.fill(resampled, from: image, stream: stream)
      #expect((0..<copied.imageCount).allSatisfy { copied.image[$0] == resampled.image[$0] })
      #expect((0..<copied.labelCount).allSatisfy { copied.labels[$0] == resampled.labels[$0] })
    }
  }

  /// A turn by 90 degrees is a quarter turn counter-clockwise.
  @Test func ninetyDegreesAreAQuarterTurn() {
    let image = Self.picture(width: 40, height: 40, channels: 1)
    var turned = Augmentation.Placement(row: 10, column: 12)
    func map(_ placement: Augmentation.Placement, _ angle: Double) -> [Float] {
      var deformation = Deformation()
      deformation.angle = angle
      return Self.resampled(
        deformation.map(
          placement, side: Self.tile.side, outputSide: Self.tile.outputSide, width: 40,
          height: 40), image,
        width: 40, height: 40, channels: 1)
    }
    let byAngle = map(turned, .pi / 2)
    turned.quarterTurns = 1
    let byTurn = map(turned, 0)
    #expect(zip(byAngle, byTurn).allSatisfy { abs($0 - $1) < 1e-4 })
  }

  /// Rotation, scale and field together, by the definition.
  @Test(arguments: 0..<16, [1, 3])
  func tilesAreThoseOfTheDefinition(_ index: Int, _ channels: Int) {
    let (width, height) = (33, 27)
    let image = Self.picture(width: width, height: height, channels: channels)
    let placement = Self.placements()[index]
    let points = 3 + index % 3
    var deformation = Deformation()
    deformation.angle = Double(index) * 0.37 - 2.9
    deformation.enlargement = 0.7 + 0.05 * Double(index)
    let field = ElasticField(
      points: points, deviation: 2, stream: RandomStream(seed: 9, purpose: .augmentation))
    deformation.field = field
    let side = Self.tile.side
    let map = deformation.map(
      placement, side: side, outputSide: Self.tile.outputSide, width: width, height: height)
    let found = Self.resampled(map, image, width: width, height: height, channels: channels)

    func displacement(_ values: [Float], _ i: Int, _ j: Int) -> Double {
      let step = Double(points - 1) / Double(side - 1)
      let (wy, wx) = (Self.keys(Double(i) * step, points), Self.keys(Double(j) * step, points))
      return (0..<points).reduce(0) { sum, p in
        sum + (0..<points).reduce(0) { $0 + wy[p] * wx[$1] * Double(values[p * points + $1]) }
      }
    }
    let half = Double(Self.tile.outputSide - 1) / 2
    for i in 0..<side {
      for j in 0..<side {
        // Undo flips, then quarter turns: out(i, j) = in(j, side - 1 - i) each.
        var (v, u) = (Double(i) - Double(side - 1) / 2, Double(j) - Double(side - 1) / 2)
        if placement.isFlippedVertically { v = -v }
        if placement.isFlippedHorizontally { u = -u }
        for _ in 0..<placement.quarterTurns { (v, u) = (u, -v) }
        let (c, s) = (cos(deformation.angle), sin(deformation.angle))
        let scale = 1 / deformation.enlargement
        let y =
          Double(placement.row) + half + scale * (c * v + s * u) + displacement(field.rows, i, j)
        let x =
          Double(placement.column) + half + scale * (c * u - s * v)
          + displacement(field.columns, i, j)
        for channel in 0..<channels {
          let expected = Self.value(
            image, width: width, height: height, channels: channels, y, x, channel)
          let value = Double(found[(i * side + j) * channels + channel])
          #expect(abs(value - expected) < 2e-4, "(\(i), \(j))")
        }
      }
    }
  }

  /// Keys' cubic convolution by its definition.
  private static func keys(_ position: Double, _ points: Int) -> [Double] {
    let first = min(Int(position), points - 2)
    var weights = [Double](repeating: 0, count: points)
    for offset in -1...2 {
      let distance = abs(position - Double(first + offset))
      let weight =
        distance < 1
        ? 1.5 * distance * distance * distance - 2.5 * distance * distance + 1
        : distance < 2
          ? -0.5 * distance * distance * distance + 2.5 * distance * distance - 4 * distance + 2
          : 0
      weights[min(max(first + offset, 0), points - 1)] += weight
    }
    return weights
  }

  /// Labels follow the image: where both show one thing, a label is the nearest pixel's.
  @Test func labelsAreTheNearest() {
    let (width, height) = (60, 50)
    // Half planes of two classes, far from each other in intensity.
    let labels = (0..<width * height).map { UInt8($0 % width > 30 ? 1 : 0) }
    let image = DatasetImage(
      id: 0, name: "", width: width, height: height, channels: 1, pixels: labels.map { Float($0) },
      labels: labels)
    let buffer = SampleBuffer(tile: TileShape(inputSide: 40, outputSide: 28), channels: 1)
    let steps = ["rotate=180:1", "scale=0.7:1.4:1", "elastic=3:3:1"].compactMap {
      AugmentationStep(text: $0)
    }
    var boundaries = 0
    for draw in 0..<40 {
      Augmentation(steps).fill(
        buffer, from: image, stream: Augmentation.stream(seed: 2, epoch: 0, draw: draw))
      for row in 0..<28 {
        for column in 0..<28 {
          let value = buffer.image[(row + 6) * 40 + column + 6]
          let label = buffer.labels[row * 28 + column]
          if abs(value - 0.5) > 1e-3 {
            #expect(label == (value > 0.5 ? 1 : 0), "\(value)")
          }
          if value > 0 && value < 1 { boundaries += 1 }
        }
      }
    }
    #expect(boundaries > 500)
  }

  /// A source that has no pixel but those that it is asked for.
  private struct Window: TileSource {
    let image: DatasetImage
    var id: Int { image.id }
    var name: String { image.name }
    var width: Int { image.width }
    var height: Int { image.height }
    var channels: Int { image.channels }
    var isWeighted: Bool { image.isWeighted }

    func part(rows: Range<Int>, columns: Range<Int>) -> ImagePart {
      func cut<Value>(_ values: [Value], _ depth: Int) -> [Value] {
        rows.flatMap { row in
          values[
            (row * width + columns.lowerBound) * depth..<(row * width + columns.upperBound) * depth]
        }
      }
      return ImagePart(
        rows: rows, columns: columns, pixels: cut(image.pixels, channels),
        labels: cut(image.labels, 1), weights: image.weights.map { cut($0, 1) })
    }

    func labelCounts() -> [Int] { image.labelCounts() }
    func place(of label: UInt8, index: Int) -> Int { image.place(of: label, index: index) }
  }

  /// Large tiles of small images too, whose places are mirrored more than once.
  @Test(arguments: [(90, 70), (300, 41), (17, 23)])
  func aTileIsTheSameFromThePartThatItShows(_ width: Int, _ height: Int) {
    let count = width * height
    let image = DatasetImage(
      id: 3, name: "i", width: width, height: height, channels: 2,
      pixels: (0..<2 * count).map { Float($0 * 7919 % 1_009) },
      labels: (0..<count).map { UInt8($0 * 31 % 3) }, weights: (0..<count).map { Float($0) })
    let tile = TileShape(inputSide: 40, outputSide: 28)
    let (whole, part) = (
      SampleBuffer(tile: tile, channels: 2, isWeighted: true),
      SampleBuffer(tile: tile, channels: 2, isWeighted: true)
    )
    for augmentation in [Augmentation.all, .copying, .none] {
      let augmentation = Augmentation(augmentation.steps, foregroundShare: 0.5)
      for draw in 0..<60 {
        let stream = Augmentation.stream(seed: 5, epoch: 1, draw: draw)
        augmentation.fill(whole, from: image, stream: stream)
        augmentation.fill(part, from: Window(image: image), stream: stream)
        #expect((0..<whole.imageCount).allSatisfy { whole.image[$0] == part.image[$0] })
        #expect(
          (0..<whole.labelCount).allSatisfy {
            whole.labels[$0] == part.labels[$0] && whole.weights?[$0] == part.weights?[$0]
          })
      }
    }
  }

  @Test func displacementsHaveTheirDeviation() {
    let fields = (0..<200).map {
      ElasticField(
        points: 3, deviation: 10,
        stream: RandomStream(seed: 1, purpose: .augmentation, sample: $0))
    }
    let values = fields.flatMap { $0.rows + $0.columns }.map { Double($0) }
    let mean = values.reduce(0, +) / Double(values.count)
    let deviation = (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
    #expect(abs(mean) < 0.5 && abs(deviation - 10) < 0.4)
  }

  @Test func sinesAreThoseOfTheLibrary() {
    for index in -1000...1000 {
      let angle = Double(index) / 1000 * .pi
      #expect(abs(Trigonometry.sine(angle) - sin(angle)) < 1e-12)
      #expect(abs(Trigonometry.cosine(angle) - cos(angle)) < 1e-12)
    }
  }
}
