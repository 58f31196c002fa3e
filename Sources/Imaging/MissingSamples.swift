// Which samples of an image are no measurement, as its files say.

/// What says which samples of an image are no measurement, beside those that are not a number.
///
/// An image has one or several parts, whose channels lie one behind the other: each file or page that its
/// channels were read from. A part may name a value for what is no measurement.
package struct MissingSamples: Codable, Equatable, Sendable {
  /// The channels of one file or page.
  struct Part: Codable, Equatable, Sendable {
    /// How many they are.
    var channels: Int
    /// Whether they are a colour, which is missing where all of its channels have the value.
    ///
    /// Pure red has a green of 0. Of other channels each is a measurement of its own.
    var isColour: Bool
    /// The value that the file names, where it names one.
    var value: Double?
  }

  private(set) var parts: [Part]
  /// Whether all samples that are no measurement are NaN, so that no value stands for them any more.
  private var areMarked = false

  /// Those of one file that names no value.
  init(channels: Int, isColour: Bool) {
    parts = [Part(channels: channels, isColour: isColour)]
  }

  /// The value that the first part's file names; setting it, the value of all of them.
  package var value: Double? {
    get { parts.first?.value }
    set { for index in parts.indices { parts[index].value = newValue } }
  }

  /// Those of images whose channels are joined.
  static func joined(_ all: [MissingSamples]) -> MissingSamples? {
    guard var result = all.first else { return nil }
    result.parts = all.flatMap(\.parts)
    return result
  }

  /// The same after all that is missing has become NaN.
  var marked: MissingSamples {
    var result = self
    result.areMarked = true
    return result
  }

  /// Those of an image that has its first channel so many times.
  func repeatingFirst(_ channels: Int) -> MissingSamples {
    var result = self
    result.parts = [Part(channels: channels, isColour: channels == 3, value: value)]
    return result
  }

  /// The channels of each part with the values that stand there for what is no measurement, of which `asked`
  /// is one in every part; only parts that have some.
  func rules(asked: Double?) -> [(channels: Range<Int>, isColour: Bool, values: [Double])] {
    guard !areMarked else { return [] }
    var first = 0
    return parts.compactMap { part in
      defer { first += part.channels }
      let values = [asked, part.value].compactMap(\.self)
      return values.isEmpty ? nil : (first..<first + part.channels, part.isColour, values)
    }
  }

  /// Whether there can be such parts in an image of so many channels, for what was read from elsewhere.
  package func isPlausible(channels: Int) -> Bool {
    parts.allSatisfy { (1...channels).contains($0.channels) }
      && parts.count <= channels && parts.reduce(0) { $0 + $1.channels } == channels
  }
}

extension Image {
  /// Which pixels hold no measurement, or nil where all hold one.
  ///
  /// They are those where a sample is not a number, or has `value` or what its file names for that. Of a
  /// colour all three samples have to have the value.
  package func missingPixels(_ value: Double?) -> [Bool]? {
    let rules = missing.rules(asked: value)
    var places: [Bool]?
    func mark(_ pixel: Int) {
      if places == nil { places = [Bool](repeating: false, count: width * height) }
      places?[pixel] = true
    }
    func find<Sample: Equatable>(_ samples: [Sample], _ stored: (Double) -> Sample?) {
      for rule in rules {
        let wanted = rule.values.compactMap(stored)
        guard !wanted.isEmpty else { continue }
        for pixel in 0..<width * height {
          let start = pixel * channels
          let isMissing =
            rule.isColour
            ? wanted.contains { value in rule.channels.allSatisfy { samples[start + $0] == value } }
            : rule.channels.contains { wanted.contains(samples[start + $0]) }
          if isMissing { mark(pixel) }
        }
      }
    }
    func find<Sample: BinaryInteger>(_ samples: [Sample]) {
      find(samples) { Sample(exactly: $0) }
    }
    switch samples {
    case .float32(let samples):
      for index in samples.indices where samples[index].isNaN { mark(index / channels) }
      find(samples) { Float($0) }
    case .uint8(let samples): find(samples)
    case .uint16(let samples): find(samples)
    case .uint32(let samples): find(samples)
    case .int8(let samples): find(samples)
    case .int16(let samples): find(samples)
    case .int32(let samples): find(samples)
    }
    return places
  }

  /// The same image with its ``intensities()`` for samples, of which those of pixels without a measurement,
  /// by `value` or by what the file names, are NaN: as fractions the value has become another number.
  package func asFractions(missing value: Double?) -> Image {
    var fractions = intensities()
    if let places = missingPixels(value) {
      for index in fractions.indices where places[index / channels] { fractions[index] = .nan }
    }
    var image = Image(
      width: width, height: height, channels: channels, bitsPerSample: 32,
      samples: .float32(fractions))
    (image.hasLostAlpha, image.missing) = (hasLostAlpha, missing.marked)
    return image
  }
}
