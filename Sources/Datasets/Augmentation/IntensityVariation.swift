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
      if let gamma { Self.raise(tile, channel: channel, channels: channels, to: gamma) }
      let (mean, deviation) = Self.moments(tile, channel: channel, channels: channels)
      if contrast != nil || brightness != nil {
        let factor = Float(contrast ?? 1)
        let offset = Float(mean) * (1 - factor) + Float((brightness ?? 0) * deviation)
        for index in stride(from: channel, to: tile.count, by: channels) {
          tile[index] = tile[index] * factor + offset
        }
      }
      if let noise {
        // A block gives two pairs, hence four values; each channel has blocks of its own.
        let blocks = (tile.count / channels + 3) / 4
        var stream = noise.stream.starting(atBlock: noise.firstBlock + channel * blocks)
        let scale = Float(noise.deviation * deviation)
        var next: Float?
        for index in stride(from: channel, to: tile.count, by: channels) {
          if let value = next {
            tile[index] += value * scale
            next = nil
          } else {
            let (first, second) = stream.normalPair()
            tile[index] += first * scale
            next = second
          }
        }
      }
    }
  }

  /// Mean and standard deviation of a channel, summed in Double in the order of pixels.
  private static func moments(
    _ tile: UnsafeMutableBufferPointer<Float>, channel: Int, channels: Int
  ) -> (mean: Double, deviation: Double) {
    let count = Double(tile.count / channels)
    var (sum, squares) = (0.0, 0.0)
    for index in stride(from: channel, to: tile.count, by: channels) {
      let value = Double(tile[index])
      sum += value
      squares += value * value
    }
    let mean = sum / count
    return (mean, max(0, squares / count - mean * mean).squareRoot())
  }

  /// value := smallest + range * ((value - smallest) / range)^gamma, over a channel.
  private static func raise(
    _ tile: UnsafeMutableBufferPointer<Float>, channel: Int, channels: Int, to gamma: Double
  ) {
    var (smallest, largest) = (Float.infinity, -Float.infinity)
    for index in stride(from: channel, to: tile.count, by: channels) {
      smallest = min(smallest, tile[index])
      largest = max(largest, tile[index])
    }
    let range = largest - smallest
    guard range > 0, range.isFinite else { return }
    let (scale, exponent) = (1 / range, Float(gamma))
    for index in stride(from: channel, to: tile.count, by: channels) {
      let part = (tile[index] - smallest) * scale
      tile[index] = smallest + range * Powers.power(part, exponent)
    }
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

/// Powers by basic operations alone, so that no C library decides the bits of a tile.
package enum Powers {
  /// base^exponent for a base in 0...1, within 1e-5 of it; 0 for a base of 0.
  @inline(__always)
  package static func power(_ base: Float, _ exponent: Float) -> Float {
    base > 0 ? exponential2(exponent * logarithm2(base)) : 0
  }

  /// e^x for x <= 0.
  static func exponential(_ x: Float) -> Float { exponential2(x * 1.442_695_04) }

  /// log2 of a positive number: its exponent, and the series of artanh for its fraction.
  @inline(__always)
  static func logarithm2(_ x: Float) -> Float {
    let bits = max(x, .leastNormalMagnitude).bitPattern
    let exponent = Float(Int32(bits >> 23) - 127)
    let fraction = Float(bitPattern: bits & 0x7F_FFFF | 0x3F80_0000)
    let r = (fraction - 1) / (fraction + 1)
    let square = r * r
    let series =
      1 + square
      * (1 / 3 + square * (1 / 5 + square * (1 / 7 + square * (1 / 9 + square * (1 / 11 as Float)))))
    return exponent + r * series * 2.885_390_08
  }

  /// 2^x for -126 <= x <= 0, 0 below: whole powers by the exponent, the rest by Taylor's series.
  @inline(__always)
  static func exponential2(_ x: Float) -> Float {
    guard x >= -126 else { return 0 }
    let whole = x.rounded(.down)
    let t = (x - whole) * 0.693_147_18
    let series =
      1 + t
      * (1 + t
        * (1 / 2 + t
          * (1 / 6 + t * (1 / 24 + t * (1 / 120 + t * (1 / 720 + t * (1 / 5040 as Float)))))))
    return series * Float(bitPattern: UInt32(Int32(whole) + 127) << 23)
  }
}
