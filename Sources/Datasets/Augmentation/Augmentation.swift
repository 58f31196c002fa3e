// Random training tiles: where they lie in an image, and how they are varied.

package import Randomness
import Tensors

/// Cuts random tiles out of training images and varies them.
///
/// The position of the output window is always random where the image is larger than the output;
/// a smaller image stands in the middle of the window and continues mirrored, with its labels. The
/// steps on top of that (`AugmentationStep.Kind`) are applied in the order of the table, whatever
/// order they are given in. Steps of geometry are composed into one map from the tile to the image: a
/// tile that is only moved, turned by quarters or flipped is copied, others are resampled once.
/// Then steps of intensity change the tile.
///
/// Every step draws from its own part of a tile's random stream, so switching one on or off leaves the
/// others' choices as they were.
package struct Augmentation: Sendable, Equatable {
  /// The steps in use, in the order of `AugmentationStep.Kind.allCases`.
  package let steps: [AugmentationStep]

  /// The part of the tiles that are placed about a pixel of another class than `background`.
  package let foregroundShare: Double
  /// The label that is no foreground.
  package let background: UInt8

  /// Position, quarter turns and flips: tiles that are copied.
  package static let copying = Augmentation([.shift, .rotate90, .flip].map { .init($0) })
  /// All steps.
  package static let all = Augmentation(AugmentationStep.Kind.allCases.map { .init($0) })
  /// Random positions only.
  package static let none = Augmentation([])

  /// The steps in this list, whatever its order; the last one of a kind counts.
  package init(
    _ steps: [AugmentationStep], foregroundShare: Double = 0, background: UInt8 = 0
  ) {
    self.foregroundShare = foregroundShare
    self.background = background
    self.steps = AugmentationStep.Kind.allCases.compactMap { kind in
      steps.last { $0.kind == kind }
    }
  }

  /// The random stream of one draw in one epoch.
  package static func stream(seed: UInt64, epoch: Int, draw: Int) -> RandomStream {
    RandomStream(seed: seed, purpose: .augmentation, epoch: epoch, sample: draw)
  }

  /// Fills a buffer with a random tile of an image and the labels of its centre.
  ///
  /// Image (inputSide x inputSide x channels) and labels (outputSide x outputSide) are overwritten;
  /// the labels belong to the tile without its margins.
  ///
  /// - Precondition: image and buffer have the same channels.
  package func fill<Source: TileSource>(
    _ buffer: SampleBuffer, from image: Source, stream: RandomStream
  ) throws(Source.PartFailure) {
    precondition(
      image.channels == buffer.channels,
      "\(image.channels) channels for a buffer of \(buffer.channels)")
    precondition(
      image.isWeighted == (buffer.weights != nil), "weights in one of image and buffer")
    let placement = placement(
      width: image.width, height: image.height, outputSide: buffer.tile.outputSide,
      about: foreground(of: image, stream: stream), stream: stream)
    if let deformation = deformation(stream: stream) {
      try Self.resample(image, placement, deformation, into: buffer)
    } else {
      try Self.copy(image, placement, into: buffer)
    }
    intensities(stream: stream)?.apply(
      to: UnsafeMutableBufferPointer(start: buffer.image, count: buffer.imageCount),
      side: buffer.tile.inputSide, channels: buffer.channels)
    buffer.sample = image.id
    buffer.name = image.name
  }

  private static func copy<Source: TileSource>(
    _ image: Source, _ placement: Placement, into buffer: SampleBuffer
  ) throws(Source.PartFailure) {
    let margin = buffer.tile.margin
    let whole = placement.tileCopy(
      side: buffer.tile.inputSide, margin: margin, width: image.width, height: image.height)
    let part = try image.part(rows: whole.rows.extent, columns: whole.columns.extent)
    let tile = whole.moved(up: part.rows.lowerBound, left: part.columns.lowerBound)
    // The output is the same window without its margins, so its indices are the middle ones.
    let middle = margin..<margin + buffer.tile.outputSide
    let centre = TileCopy(
      rows: Array(tile.rows[middle]), columns: Array(tile.columns[middle]),
      isTransposed: tile.isTransposed)
    let width = part.columns.count
    part.withBases { pixels, labels, weights in
      tile.copy(from: pixels, width: width, channels: image.channels, to: buffer.image)
      centre.copy(from: labels, width: width, channels: 1, to: buffer.labels)
      if let weights, let target = buffer.weights {
        centre.copy(from: weights, width: width, channels: 1, to: target)
      }
    }
  }

  private static func resample<Source: TileSource>(
    _ image: Source, _ placement: Placement, _ deformation: Deformation, into buffer: SampleBuffer
  ) throws(Source.PartFailure) {
    let tile = buffer.tile
    let map = deformation.map(
      placement, side: tile.inputSide, outputSide: tile.outputSide, width: image.width,
      height: image.height)
    let box = map.box()
    let part = try image.part(rows: box.rows, columns: box.columns)
    part.withBases { pixels, labels, weights in
      map.resample(pixels, of: part, channels: image.channels, into: buffer.image)
      map.resampleNearest(labels, of: part, outputSide: tile.outputSide, into: buffer.labels)
      if let weights, let target = buffer.weights {
        map.resampleNearest(weights, of: part, outputSide: tile.outputSide, into: target)
      }
    }
  }
}

extension [Int] {
  /// The smallest range with all of these numbers.
  fileprivate var extent: Range<Int> { (self.min() ?? 0)..<(self.max() ?? -1) + 1 }
}

extension ImagePart {
  fileprivate func withBases(
    _ body: (
      _ pixels: UnsafePointer<Float>, _ labels: UnsafePointer<UInt8>,
      _ weights: UnsafePointer<Float>?
    ) -> Void
  ) {
    pixels.withUnsafeBufferPointer { pixels in
      labels.withUnsafeBufferPointer { labels in
        guard let pixels = pixels.baseAddress, let labels = labels.baseAddress else {
          preconditionFailure("an image without pixels")
        }
        guard let weights else { return body(pixels, labels, nil) }
        weights.withUnsafeBufferPointer { body(pixels, labels, $0.baseAddress) }
      }
    }
  }
}

// MARK: - Draws

extension Augmentation {
  private func step(_ kind: AugmentationStep.Kind) -> AugmentationStep? {
    steps.first { $0.kind == kind }
  }

  /// A step that a tile has, with its strengths and what is left of its part of the stream.
  private struct DrawnStep {
    let strengths: [Double]
    var stream: RandomStream

    /// A uniform value between strengths number `index` and the next.
    mutating func between(_ index: Int) -> Double {
      strengths[index] + Double(stream.uniform()) * (strengths[index + 1] - strengths[index])
    }

    /// A uniform value from minus strength number `index` to plus.
    mutating func around(_ index: Int) -> Double {
      strengths[index] * (2 * Double(stream.uniform()) - 1)
    }
  }

  /// The step of `kind` where it is in use and its probability has drawn it.
  private func drawn(_ kind: AugmentationStep.Kind, _ stream: RandomStream) -> DrawnStep? {
    guard let step = step(kind), let probability = step.strengths.last else { return nil }
    var stream = stream.starting(atBlock: kind.firstBlock)
    guard Double(stream.uniform()) < probability else { return nil }
    return DrawnStep(strengths: step.strengths, stream: stream)
  }

  /// Draws the placement of one tile: position, shift, quarter turns and flips, whether in use or not.
  ///
  /// With a `pixel` the window lies about it, before it is shifted.
  package func placement(
    width: Int, height: Int, outputSide: Int, about pixel: (row: Int, column: Int)? = nil,
    stream: RandomStream
  ) -> Placement {
    var stream = stream
    var placement = Placement(
      row: Self.origin(
        length: height, outputSide: outputSide, about: pixel?.row, stream: &stream),
      column: Self.origin(
        length: width, outputSide: outputSide, about: pixel?.column, stream: &stream))
    let shift = step(.shift)
    let part = shift?.strengths[0] ?? 0
    let reach = Int(Double(outputSide) * part)
    let down = stream.integer(below: 2 * reach + 1) - reach
    let right = stream.integer(below: 2 * reach + 1) - reach
    placement.row += down
    placement.column += right
    let turns = stream.integer(below: 4)
    if step(.rotate90) != nil { placement.quarterTurns = turns }
    let (horizontally, vertically) = (stream.coin(), stream.coin())
    if step(.flip) != nil {
      placement.isFlippedHorizontally = horizontally
      placement.isFlippedVertically = vertically
    }
    return placement
  }

  /// The first row or column of a window inside an image, or around a smaller one; with a `place` in
  /// it, where the image has room.
  private static func origin(
    length: Int, outputSide: Int, about place: Int?, stream: inout RandomStream
  ) -> Int {
    let room = length - outputSide
    guard room >= 0, let place else {
      let drawn = stream.integer(below: max(room, 0) + 1)
      return room >= 0 ? drawn : -((outputSide - length) / 2)
    }
    let first = max(0, place - outputSide + 1)
    return first + stream.integer(below: min(place, room) - first + 1)
  }

  /// Draws a pixel of another class than the background, each class of the image with the same
  /// probability and then each of its pixels; nil for the rest of the tiles, and where there is none.
  func foreground(of image: some TileSource, stream: RandomStream) -> (row: Int, column: Int)? {
    guard foregroundShare > 0 else { return nil }
    var stream = stream.starting(atBlock: AugmentationStep.Kind.foregroundBlock)
    guard Double(stream.uniform()) < foregroundShare else { return nil }
    let counts = image.labelCounts()
    let present = (0..<Int(ignoredLabel)).filter { counts[$0] > 0 && $0 != Int(background) }
    guard !present.isEmpty else { return nil }
    let label = present[stream.integer(below: present.count)]
    let place = image.place(of: UInt8(label), index: stream.integer(below: counts[label]))
    return (place / image.width, place % image.width)
  }

  /// Draws rotation, scale and elastic displacement; nil where the tile has none of them.
  func deformation(stream: RandomStream) -> Deformation? {
    var deformation = Deformation()
    var isDeformed = false
    if var rotate = drawn(.rotate, stream) {
      deformation.angle = rotate.around(0) * .pi / 180
      isDeformed = true
    }
    if var scale = drawn(.scale, stream) {
      deformation.enlargement = scale.between(0)
      isDeformed = true
    }
    if let elastic = drawn(.elastic, stream) {
      deformation.field = ElasticField(
        points: Int(elastic.strengths[1]), deviation: elastic.strengths[0],
        stream: elastic.stream)
      isDeformed = true
    }
    return isDeformed ? deformation : nil
  }

  /// Draws the steps of intensity; nil where the tile has none.
  func intensities(stream: RandomStream) -> IntensityVariation? {
    var variation = IntensityVariation()
    var isVaried = false
    func draw(_ kind: AugmentationStep.Kind, _ body: (inout DrawnStep) -> Void) {
      guard var step = drawn(kind, stream) else { return }
      body(&step)
      isVaried = true
    }
    draw(.brightness) { variation.brightness = $0.around(0) }
    draw(.contrast) { variation.contrast = $0.between(0) }
    draw(.gamma) { variation.gamma = $0.between(0) }
    draw(.saturation) {
      let factor = $0.between(0)
      variation.saturation = (factor, hue: $0.around(2) * .pi / 180)
    }
    draw(.noise) {
      let deviation = $0.strengths[0] * Double($0.stream.uniform())
      variation.noise = IntensityVariation.Noise(
        deviation: deviation, stream: stream, firstBlock: AugmentationStep.Kind.noise.firstBlock + 1
      )
    }
    draw(.blur) { variation.blur = $0.between(0) }
    return isVaried ? variation : nil
  }
}
