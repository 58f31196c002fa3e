// Finds how the intensities of an image become inputs, from its rows in one pass after another.

package import Files
package import Imaging

/// Finds the ``IntensityTransform`` of an image from its parts, so that it need never be whole in memory.
///
///     var fit = IntensityFit(normalization, channels: 3, path: path)
///     while fit.needsPass {
///       for part in parts { try fit.add(part) }
///       fit.endPass()
///     }
///     let inputs = fit.transform.inputs(of: part)
///
/// Parts are bands of whole rows, from the first row to the last, the same in every pass. Sums are taken
/// in Double from the first pixel to the last, so that the division into bands changes no bit. Samples of one byte
/// are counted by their values instead, and one pass is enough.
package struct IntensityFit {
  /// The sums of a channel over the pixels that are measured.
  package struct Sums: Codable, Equatable, Sendable {
    var count = 0.0
    var first = 0.0
    var second = 0.0

    mutating func add(_ other: Sums) {
      count += other.count
      first += other.first
      second += other.second
    }
  }

  private enum Pass {
    /// A digit of the percentiles' values.
    case digit(Int)
    case mean
    case deviation
  }

  private let normalization: IntensityNormalization
  private let path: String
  private var passes: [Pass]
  private var percentiles: [PercentileSearch] = []
  private var isChecked = false
  /// The stored value whose intensity is 1.
  private var unit = 1.0
  /// The sums of each channel, after intensities were brought to the percentiles.
  private(set) var sums: [Sums]
  private var squares: [Double]
  /// Of an image of one-byte samples: how often each channel has which value, where it is measured.
  private var histograms: [[Int]] = []

  /// A fit of an image of so many channels; `path` stands for it in errors.
  ///
  /// - Throws: `FileError` where the set that was trained on had other channels.
  package init(
    _ normalization: IntensityNormalization, channels: Int, path: String
  ) throws(FileError) {
    if let expected = normalization.setStatistics?.count {
      try IntensityNormalization.check(channels: channels, are: expected, path: path)
    }
    self.normalization = normalization
    self.path = path
    sums = [Sums](repeating: Sums(), count: channels)
    squares = [Double](repeating: 0, count: channels)
    switch normalization.rule {
    case .standardized: passes = [.mean, .deviation]
    case .percentiles:
      passes = PercentileSearch.digits.map { .digit($0) } + [.mean, .deviation]
      let bounds = normalization.bounds ?? IntensityNormalization.usualPercentiles
      percentiles = [PercentileSearch](
        repeating: PercentileSearch([bounds?.low ?? 0, bounds?.high ?? 100]), count: channels)
    case .set, .unchanged: passes = [.mean]
    }
  }

  /// Whether the image has to be seen once more.
  package var needsPass: Bool { !passes.isEmpty }
  /// How often the image has to be seen from its beginning; known when the first part was added.
  var passCount: Int { histograms.isEmpty ? passes.count : 1 }

  /// Adds the next rows of the image.
  ///
  /// - Throws: `FileError` for a sample that is infinite and measured.
  /// - Precondition: the image needs a pass, and the part has its channels.
  package mutating func add(_ part: Image) throws(FileError) {
    precondition(part.channels == sums.count, "\(part.channels) channels")
    guard let pass = passes.first else { preconditionFailure("no pass is needed") }
    unit = Double(part.unit)
    let missing = part.missingPixels(normalization.missingValue)
    if case .uint8(let samples) = part.samples { return count(samples, missing) }
    var values = part.intensities()
    if !isChecked { try check(values, missing) }
    let channels = sums.count
    if case .digit = pass {} else { clip(&values) }
    for channel in 0..<channels {
      func forEach(_ body: (Float) -> Void) {
        var index = channel
        for pixel in 0..<values.count / channels {
          if missing?[pixel] != true { body(values[index]) }
          index += channels
        }
      }
      switch pass {
      case .digit:
        var search = percentiles[channel]
        forEach { search.add($0) }
        percentiles[channel] = search
      case .mean:
        var own = sums[channel]
        forEach { value in
          let value = Double(value)
          own.count += 1
          own.first += value
          own.second += value * value
        }
        sums[channel] = own
      case .deviation:
        let mean = mean(channel)
        var sum = squares[channel]
        forEach { value in
          let difference = Double(value) - mean
          sum += difference * difference
        }
        squares[channel] = sum
      }
    }
  }

  /// Counts the values of samples of one byte, of which there are few.
  private mutating func count(_ samples: [UInt8], _ missing: [Bool]?) {
    let channels = sums.count
    if histograms.isEmpty {
      histograms = [[Int]](repeating: [Int](repeating: 0, count: 256), count: channels)
    }
    for channel in 0..<channels {
      // Neighbours are often equal, and one addition has to wait for another at the same place: so four in turn.
      var counts = [Int](repeating: 0, count: 4 * 256)
      counts.withUnsafeMutableBufferPointer { counts in
        samples.withUnsafeBufferPointer { samples in
          var place = channel
          for pixel in 0..<samples.count / channels {
            if missing?[pixel] != true {
              counts[pixel % 4 * 256 + Int(samples[place])] += 1
            }
            place += channels
          }
        }
      }
      for value in 0..<256 {
        histograms[channel][value] += (0..<4).reduce(0) { $0 + counts[$1 * 256 + value] }
      }
    }
  }

  /// Finds everything from counts, in one pass.
  private mutating func finishHistograms() {
    for channel in histograms.indices {
      let counts = histograms[channel]
      var values = (0..<256).map { Float($0) / Float(unit) }
      if normalization.rule == .percentiles {
        var search = percentiles[channel]
        for _ in PercentileSearch.digits {
          for (value, count) in zip(values, counts) where count > 0 {
            search.add(value, count: count)
          }
          search.endDigit()
        }
        percentiles[channel] = search
      }
      if let bounds = bounds(channel) {
        values = values.map { max(bounds.low, min(bounds.high, $0)) }
      }
      var own = Sums()
      for (value, count) in zip(values.map(Double.init), counts.map(Double.init)) {
        own.count += count
        own.first += count * value
        own.second += count * value * value
      }
      sums[channel] = own
      let mean = mean(channel)
      squares[channel] = zip(values, counts).reduce(0) { sum, entry in
        let difference = Double(entry.0) - mean
        return sum + Double(entry.1) * difference * difference
      }
    }
    passes = []
  }

  /// Ends a pass: all rows have been added.
  package mutating func endPass() {
    guard histograms.isEmpty else { return finishHistograms() }
    if case .digit = passes.first {
      for channel in percentiles.indices { percentiles[channel].endDigit() }
    }
    isChecked = true
    passes.removeFirst()
  }

  private func check(_ values: [Float], _ missing: [Bool]?) throws(FileError) {
    let isFinite = values.indices.allSatisfy {
      values[$0].isFinite || missing?[$0 / sums.count] == true
    }
    guard isFinite else {
      throw FileError(
        .nonFiniteSamples, path: path, expected: "finite samples", found: "infinite ones",
        hint: "replace them before training, by NaN where there is no measurement")
    }
  }

  /// Brings intensities beyond the percentiles of their channels to them.
  private func clip(_ values: inout [Float]) {
    for channel in sums.indices {
      guard let bounds = bounds(channel) else { continue }
      for index in stride(from: channel, to: values.count, by: sums.count) {
        values[index] = max(bounds.low, min(bounds.high, values[index]))
      }
    }
  }

  private func bounds(_ channel: Int) -> (low: Float, high: Float)? {
    guard normalization.rule == .percentiles else { return nil }
    let found = percentiles[channel].values
    return found.isEmpty ? nil : (found[0], found[1])
  }

  private func mean(_ channel: Int) -> Double { sums[channel].first / max(1, sums[channel].count) }

  /// The transform of the image.
  ///
  /// - Precondition: no pass is needed.
  package var transform: IntensityTransform {
    precondition(!needsPass, "the image has not been seen \(passes.count) times more")
    return IntensityTransform(
      channels: sums.indices.map { transform(of: $0) }, missingValue: normalization.missingValue)
  }

  private func transform(of channel: Int) -> IntensityTransform.Channel {
    var result = IntensityTransform.Channel()
    switch normalization.rule {
    case .standardized, .percentiles:
      let variance = squares[channel] / max(1, sums[channel].count)
      result = normalization.standardization(
        IntensityNormalization.Statistics(mean: mean(channel), deviation: variance.squareRoot()))
      (result.low, result.high) = bounds(channel).map { ($0.low, $0.high) } ?? (nil, nil)
    case .set:
      if let statistics = normalization.setStatistics?[channel] {
        result = normalization.standardization(statistics)
      }
    case .unchanged:
      if let bounds = normalization.bounds {
        (result.unit, result.offset, result.range) = (unit, bounds.low, bounds.high - bounds.low)
      }
      result.missing = Float((mean(channel) * result.unit - result.offset) / result.range)
    }
    return result
  }
}

/// Finds percentiles of numbers that are seen several times over: a digit of them in each pass.
///
/// Numbers are compared as 32-bit keys of the same order; each pass counts the values of the next digit
/// among the keys that begin with the digits found so far. Between two ranks it is linear.
private struct PercentileSearch {
  /// Bits of each digit.
  static let digits = [11, 11, 10]

  /// A rank whose number is sought: the leading digits of its key, and its rank among those keys.
  private struct Target {
    var prefix: UInt32 = 0
    var rank = 0
  }

  private let percents: [Double]
  private var targets: [Target]
  private var digit = 0
  /// Bits that follow the digits found.
  private var shift = 32
  /// The leading digits that targets have, and how often each next digit follows them.
  private var prefixes: [UInt32] = [0]
  private var counts: [Int]
  private var parts: [Double] = []

  init(_ percents: [Double]) {
    self.percents = percents
    targets = [Target](repeating: Target(), count: 2 * percents.count)
    counts = [Int](repeating: 0, count: 1 << Self.digits[0])
  }

  private static func key(_ value: Float) -> UInt32 {
    let bits = value.bitPattern
    return bits >> 31 == 1 ? ~bits : bits | (1 << 31)
  }

  mutating func add(_ value: Float, count: Int = 1) {
    let key = Self.key(value)
    let bits = Self.digits[digit]
    // Of 32 bits Swift's shift leaves none.
    let prefix = key >> UInt32(shift)
    let value = Int(key >> UInt32(shift - bits) & ((1 << UInt32(bits)) - 1))
    for (index, known) in prefixes.enumerated() where known == prefix {
      counts[(index << bits) + value] += count
    }
  }

  mutating func endDigit() {
    if digit == 0 { setRanks(count: counts.reduce(0, +)) }
    let bits = Self.digits[digit]
    for index in targets.indices {
      let start = (prefixes.firstIndex(of: targets[index].prefix) ?? 0) << bits
      var value = 0
      while value + 1 < 1 << bits && targets[index].rank >= counts[start + value] {
        targets[index].rank -= counts[start + value]
        value += 1
      }
      targets[index].prefix = targets[index].prefix << UInt32(bits) | UInt32(value)
    }
    shift -= bits
    digit += 1
    prefixes = Set(targets.map(\.prefix)).sorted()
    counts =
      digit < Self.digits.count
      ? [Int](repeating: 0, count: prefixes.count << Self.digits[digit]) : []
  }

  private mutating func setRanks(count: Int) {
    guard count > 0 else { return }
    for (index, percent) in percents.enumerated() {
      let rank = percent / 100 * Double(count - 1)
      let below = Int(rank)
      targets[2 * index].rank = below
      targets[2 * index + 1].rank = min(below + 1, count - 1)
      parts.append(rank - Double(below))
    }
  }

  /// The percentiles; none of no numbers.
  var values: [Float] {
    let found = targets.map { target in
      Double(
        Float(bitPattern: target.prefix >> 31 == 1 ? target.prefix ^ (1 << 31) : ~target.prefix))
    }
    return parts.enumerated().map { index, part in
      Float(found[2 * index] * (1 - part) + found[2 * index + 1] * part)
    }
  }
}
