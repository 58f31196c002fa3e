// Images in Double and their convolution by plain sums.

import Network
import Tensors
import Threading

/// An image of rows x columns x channels in Double.
struct DoubleImage {
  let shape: ImageShape
  private(set) var values: [Double]

  private var rowCount: Int { shape.width * shape.channels }

  /// An image whose pixel (y, x) is what `source` finds: an image with a pixel's place, or zeros.
  private init(_ shape: ImageShape, _ source: (_ y: Int, _ x: Int) -> (DoubleImage, Int, Int)?) {
    self.shape = shape
    values = []
    values.reserveCapacity(shape.count)
    for y in 0..<shape.height {
      for x in 0..<shape.width {
        if let (image, row, column) = source(y, x) {
          let start = row * image.rowCount + column * shape.channels
          values += image.values[start..<start + shape.channels]
        } else {
          values += repeatElement(0, count: shape.channels)
        }
      }
    }
  }

  init(_ view: TensorView) {
    shape = view.shape
    values = []
    for y in 0..<shape.height {
      for x in 0..<shape.width {
        for channel in 0..<shape.channels { values.append(Double(view.pixel(y, x)[channel])) }
      }
    }
  }

  /// The image whose pixel (2 y + i, 2 x + j) is pixel (y, x) of phase 2 i + j.
  init(phases: [DoubleImage]) {
    var shape = phases[0].shape
    (shape.height, shape.width) = (2 * shape.height, 2 * shape.width)
    self.init(shape) { y, x in (phases[y % 2 * 2 + x % 2], y / 2, x / 2) }
  }

  func padded(before: Int, after: Int, _ border: BorderRule) -> DoubleImage {
    var shape = shape
    shape.height += before + after
    shape.width += before + after
    let (height, width) = (self.shape.height, self.shape.width)
    return DoubleImage(shape) { y, x in
      guard let row = border.source(y - before, count: height),
        let column = border.source(x - before, count: width)
      else { return nil }
      return (self, row, column)
    }
  }

  /// Every pixel as 2x2 pixels.
  func doubled() -> DoubleImage { DoubleImage(phases: [self, self, self, self]) }

  /// The largest of 2x2 pixels.
  func pooled() -> DoubleImage {
    var half = shape
    (half.height, half.width) = (shape.height / 2, shape.width / 2)
    var result = DoubleImage(half) { y, x in (self, 2 * y, 2 * x) }
    for (y, x) in [(0, 1), (1, 0), (1, 1)] {
      let other = DoubleImage(half) { (self, 2 * $0 + y, 2 * $1 + x) }
      for place in result.values.indices {
        result.values[place] = max(result.values[place], other.values[place])
      }
    }
    return result
  }

  /// The centre of this image with the channels of `other` behind its own.
  func centreJoined(to other: DoubleImage) -> DoubleImage {
    let (top, left) = (
      (shape.height - other.shape.height) / 2, (shape.width - other.shape.width) / 2
    )
    var joined = other.shape
    joined.channels = shape.channels + other.shape.channels
    var result = DoubleImage(joined, values: [])
    result.values.reserveCapacity(joined.count)
    for y in 0..<joined.height {
      for x in 0..<joined.width {
        let own = (y + top) * rowCount + (x + left) * shape.channels
        let others = y * other.rowCount + x * other.shape.channels
        result.values += values[own..<own + shape.channels]
        result.values += other.values[others..<others + other.shape.channels]
      }
    }
    return result
  }

  private init(_ shape: ImageShape, values: [Double]) {
    self.shape = shape
    self.values = values
  }
}

// MARK: - The convolution

extension DoubleImage {
  /// A convolution by a unit's parameters, beginning at those of `tap` of its kernel.
  func convolved(
    _ unit: ConvolutionUnit, kernel: Int, tap: Int = 0, _ parameters: UnsafePointer<Float>,
    on team: ThreadTeam
  ) -> DoubleImage {
    convolved(
      weights: parameters + unit.weight.offset + tap * unit.inputChannels * unit.outputChannels,
      bias: parameters + unit.bias.offset, kernel: kernel, outputChannels: unit.outputChannels,
      appliesReLU: unit.appliesReLU && unit.normalization == nil, on: team)
  }

  /// Normalizes by a unit's parameters, by means and variances of their definition or the running
  /// ones from `statistics` on, and rectifies; nothing for a unit without a normalization.
  mutating func normalize(
    _ unit: ConvolutionUnit, _ parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>
  ) {
    guard let stage = unit.normalization else { return }
    for group in stride(from: 0, to: shape.channels, by: stage.groupSize) {
      let places = (0..<shape.pixels).flatMap { pixel in
        (group..<group + stage.groupSize).map { pixel * shape.channels + $0 }
      }
      let count = Double(places.count)
      var mean = places.reduce(0) { $0 + values[$1] } / count
      var variance = places.reduce(0) { $0 + (values[$1] - mean) * (values[$1] - mean) } / count
      if let running = stage.running {
        mean = Double(statistics[running.mean.offset + group])
        variance = Double(statistics[running.variance.offset + group])
      }
      let deviation = (variance + 1e-5).squareRoot()
      for place in places {
        let channel = place % shape.channels
        let scale = Double(parameters[stage.scale.offset + channel])
        let shift = Double(parameters[stage.shift.offset + channel])
        values[place] = max(0, (values[place] - mean) / deviation * scale + shift)
      }
    }
  }

  /// output(y, x, o) = bias(o) + sum over i, j, c of input(y + i, x + j, c) * weight(i, j, c, o),
  /// rectified if asked for; weights are [k, k, in, out].
  ///
  /// Each thread takes rows. Six pixels by sixteen output channels are summed in registers, over
  /// taps and input channels in order; the weights of sixteen output channels lie together, and are
  /// read again from the cache for each six pixels of the row.
  func convolved(
    weights: UnsafePointer<Float>, bias: UnsafePointer<Float>, kernel: Int, outputChannels: Int,
    appliesReLU: Bool, on team: ThreadTeam
  ) -> DoubleImage {
    let output = ImageShape(
      height: shape.height - kernel + 1, width: shape.width - kernel + 1,
      channels: outputChannels)
    let packed = PackedWeights(
      weights, bias: bias, taps: kernel * kernel, inputChannels: shape.channels,
      outputChannels: outputChannels)
    let results = [Double](unsafeUninitializedCapacity: output.count) { results, count in
      count = output.count
      guard let results = results.baseAddress else { return }
      values.withUnsafeBufferPointer { values in
        guard let values = values.baseAddress else { return }
        team.forEach(output.height, packed) { packed, y, _ in
          for group in 0..<packed.groupCount {
            for x in stride(from: 0, to: output.width, by: PackedWeights.pixels) {
              packed.sum(
                group: group, input: values + y * rowCount, inputRow: rowCount, kernel: kernel,
                x: x, width: output.width, appliesReLU: appliesReLU,
                into: results + y * output.width * outputChannels)
            }
          }
        }
      }
    }
    return DoubleImage(output, values: results)
  }
}

/// The weights of a convolution in groups of sixteen output channels, with zeros up to sixteen.
private final class PackedWeights {
  /// Output pixels that are summed together.
  static let pixels = 6
  /// Output channels that are summed together.
  private static let lanes = 16

  let groupCount: Int
  private let taps: Int
  private let inputChannels: Int
  private let outputChannels: Int
  /// By group: a vector pair of biases, then for each tap and input channel one of weights.
  private let vectors: UnsafeMutablePointer<SIMD8<Double>>

  init(
    _ weights: UnsafePointer<Float>, bias: UnsafePointer<Float>, taps: Int, inputChannels: Int,
    outputChannels: Int
  ) {
    self.taps = taps
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    groupCount = (outputChannels + Self.lanes - 1) / Self.lanes
    let pairs = 1 + taps * inputChannels
    vectors = .allocate(capacity: 2 * groupCount * pairs)
    vectors.initialize(repeating: .zero, count: 2 * groupCount * pairs)
    for output in 0..<outputChannels {
      let (group, half, lane) = (output / 16, output / 8 % 2, output % 8)
      let start = 2 * group * pairs + half
      vectors[start][lane] = Double(bias[output])
      for row in 0..<taps * inputChannels {
        vectors[start + 2 * (1 + row)][lane] = Double(weights[row * outputChannels + output])
      }
    }
  }

  deinit { vectors.deallocate() }

  /// Sums the pixels of one row from column `x` on; of pixels beyond the row's end the last one is
  /// summed again, and not stored.
  @inline(__always)
  func sum(
    group: Int, input: UnsafePointer<Double>, inputRow: Int, kernel: Int, x: Int, width: Int,
    appliesReLU: Bool, into output: UnsafeMutablePointer<Double>
  ) {
    var next = UnsafePointer(vectors) + 2 * group * (1 + taps * inputChannels)
    var low = InlineArray<6, SIMD8<Double>>(repeating: next[0])
    var high = InlineArray<6, SIMD8<Double>>(repeating: next[1])
    next += 2
    let offsets = InlineArray<6, Int> { min(x + $0, width - 1) * inputChannels }
    for i in 0..<kernel {
      for j in 0..<kernel {
        let corner = input + i * inputRow + j * inputChannels
        for channel in 0..<inputChannels {
          let (first, second) = (next[0], next[1])
          next += 2
          for pixel in 0..<6 {
            let value = SIMD8<Double>(repeating: corner[offsets[pixel] + channel])
            low[pixel].addProduct(first, value)
            high[pixel].addProduct(second, value)
          }
        }
      }
    }
    let channels = min(Self.lanes, outputChannels - group * Self.lanes)
    for pixel in 0..<min(Self.pixels, width - x) {
      let target = output + (x + pixel) * outputChannels + group * Self.lanes
      for channel in 0..<channels {
        let sum = channel < 8 ? low[pixel][channel] : high[pixel][channel - 8]
        target[channel] = appliesReLU ? max(sum, 0) : sum
      }
    }
  }
}
