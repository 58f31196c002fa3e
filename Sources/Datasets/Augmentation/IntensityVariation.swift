// Changes of a tile's intensities: brightness, contrast, gamma, colours, noise and blur.

package import Randomness

/// What is done to the intensities of one tile; steps that were not drawn are nil.
package struct IntensityVariation {
  /// The standard deviation of the Gaussian, in pixels.
  package var blur: Double?
  /// Added, in standard deviations of the tile.
  package var brightness: Double?
  /// The factor of differences from the mean.
  package var contrast: Double?
  /// The exponent.
  package var gamma: Double?
  /// The factor of differences from grey, and radians of hue.
  package var saturation: (factor: Double, hue: Double)?
  /// Normal noise.
  package var noise: Noise?

  /// Normal noise from a random stream.
  package struct Noise {
    /// In standard deviations of the tile.
    let deviation: Double
    let stream: RandomStream
    let firstBlock: Int

    package init(deviation: Double, stream: RandomStream, firstBlock: Int) {
      self.deviation = deviation
      self.stream = stream
      self.firstBlock = firstBlock
    }
  }

  /// The variation that changes nothing.
  package init() {}

  /// Changes tile [side, side, channels] in place.
  package func apply(to tile: UnsafeMutableBufferPointer<Float>, side: Int, channels: Int) {
    if let blur { Self.blur(tile, side: side, channels: channels, deviation: blur) }
    if let saturation, channels == 3 {
      Self.turnColours(tile, factor: saturation.factor, hue: saturation.hue)
    }
    guard contrast != nil || brightness != nil || gamma != nil || noise != nil else { return }
    for channel in 0..<channels {
      if channels == 1 {
        vary(tile, channel: channel, channels: channels)
      } else {
        // Side by side, so that sixteen are changed at a time.
        var values = [Float](unsafeUninitializedCapacity: tile.count / channels) { values, count in
          for pixel in values.indices { values[pixel] = tile[pixel * channels + channel] }
          count = values.count
        }
        values.withUnsafeMutableBufferPointer { vary($0, channel: channel, channels: channels) }
        for pixel in values.indices { tile[pixel * channels + channel] = values[pixel] }
      }
    }
  }

  /// Changes the values of one channel of so many.
  private func vary(_ values: UnsafeMutableBufferPointer<Float>, channel: Int, channels: Int) {
    if let gamma { Self.raise(values, to: gamma) }
    let (mean, deviation) = Self.moments(values)
    if contrast != nil || brightness != nil {
      let factor = Float(contrast ?? 1)
      let offset = Float(mean) * (1 - factor) + Float((brightness ?? 0) * deviation)
      for index in values.indices { values[index] = values[index] * factor + offset }
    }
    if let noise {
      // A block gives two pairs, hence four values; each channel has blocks of its own.
      let blocks = (values.count + 3) / 4
      var stream = noise.stream.starting(atBlock: noise.firstBlock + channel * blocks)
      let scale = Float(noise.deviation * deviation)
      var next: Float?
      for index in values.indices {
        if let value = next {
          values[index] += value * scale
          next = nil
        } else {
          let (first, second) = stream.normalPair()
          values[index] += first * scale
          next = second
        }
      }
    }
  }

  /// Mean and standard deviation, summed in Double: eight sums of every eighth value, then these.
  private static func moments(
    _ values: UnsafeMutableBufferPointer<Float>
  ) -> (mean: Double, deviation: Double) {
    var (sums, squares) = (SIMD8<Double>(repeating: 0), SIMD8<Double>(repeating: 0))
    let rest = forEachEight(values) { eight in
      let value = SIMD8<Double>(eight)
      sums += value
      squares += value * value
    }
    var (sum, square) = (sums.sum(), squares.sum())
    for index in rest {
      let value = Double(values[index])
      sum += value
      square += value * value
    }
    let mean = sum / Double(values.count)
    return (mean, max(0, square / Double(values.count) - mean * mean).squareRoot())
  }

  /// value := smallest + range * ((value - smallest) / range)^gamma.
  private static func raise(_ values: UnsafeMutableBufferPointer<Float>, to gamma: Double) {
    let (smallest, largest) = extremes(values)
    let range = largest - smallest
    guard range > 0, range.isFinite else { return }
    PowerTable(exponent: Float(gamma)).raise(values, from: smallest, over: range)
  }

  /// The smallest and the largest value.
  private static func extremes(
    _ values: UnsafeMutableBufferPointer<Float>
  ) -> (smallest: Float, largest: Float) {
    var least = SIMD8<Float>(repeating: .infinity)
    var most = SIMD8<Float>(repeating: -.infinity)
    let rest = forEachEight(values) { eight in
      least = pointwiseMin(least, eight)
      most = pointwiseMax(most, eight)
    }
    var (smallest, largest) = (least.min(), most.max())
    for index in rest {
      smallest = min(smallest, values[index])
      largest = max(largest, values[index])
    }
    return (smallest, largest)
  }

  /// Calls `body` with eight values at a time, and returns where those lie that are left.
  @inline(__always)
  private static func forEachEight(
    _ values: UnsafeMutableBufferPointer<Float>, _ body: (SIMD8<Float>) -> Void
  ) -> Range<Int> {
    let bytes = UnsafeRawBufferPointer(values)
    let end = values.count / 8 * 8
    for index in stride(from: 0, to: end, by: 8) {
      body(
        bytes.loadUnaligned(
          fromByteOffset: index * MemoryLayout<Float>.stride, as: SIMD8<Float>.self))
    }
    return end..<values.count
  }

  /// Differences from grey times `factor`, turned about the axis of greys by `hue` (Rodrigues).
  private static func turnColours(
    _ tile: UnsafeMutableBufferPointer<Float>, factor: Double, hue: Double
  ) {
    let (c, s) = (
      Float(Trigonometry.cosine(hue) * factor),
      Float(Trigonometry.sine(hue) * factor / (3.0).squareRoot())
    )
    for pixel in stride(from: 0, to: tile.count, by: 3) {
      let (r, g, b) = (tile[pixel], tile[pixel + 1], tile[pixel + 2])
      let grey = (r + g + b) / 3
      // The cross product with the axis (1, 1, 1) / sqrt(3), whose 1 / sqrt(3) is in s.
      tile[pixel] = grey + c * (r - grey) + s * (b - g)
      tile[pixel + 1] = grey + c * (g - grey) + s * (r - b)
      tile[pixel + 2] = grey + c * (b - grey) + s * (g - r)
    }
  }

  /// A separable Gaussian of three deviations to each side, the border value repeated.
  private static func blur(
    _ tile: UnsafeMutableBufferPointer<Float>, side: Int, channels: Int, deviation: Double
  ) {
    let radius = max(1, Int((3 * deviation).rounded(.up)))
    var taps = (-radius...radius).map { offset in
      Powers.exponential(-Float(offset * offset) / Float(2 * deviation * deviation))
    }
    let sum = taps.reduce(0, +)
    taps = taps.map { $0 / sum }
    let length = side * channels
    let copy = [Float](tile)
    // Down the columns from the copy, then along the rows of a line that was set aside.
    for row in 0..<side {
      for index in 0..<length { tile[row * length + index] = 0 }
      for (tap, factor) in taps.enumerated() {
        let source = min(max(row + tap - radius, 0), side - 1) * length
        for index in 0..<length { tile[row * length + index] += factor * copy[source + index] }
      }
    }
    var line = [Float](repeating: 0, count: length)
    for row in 0..<side {
      for index in 0..<length { line[index] = tile[row * length + index] }
      for pixel in 0..<side {
        for channel in 0..<channels {
          var value: Float = 0
          for (tap, factor) in taps.enumerated() {
            let source = min(max(pixel + tap - radius, 0), side - 1)
            value += factor * line[source * channels + channel]
          }
          tile[row * length + pixel * channels + channel] = value
        }
      }
    }
  }
}
