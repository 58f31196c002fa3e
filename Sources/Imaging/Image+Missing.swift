// Pixels that hold no measurement.

extension Image {
  /// Which pixels hold no measurement in one of their channels, or nil where all hold one: samples of
  /// `value` or of the file's own value for that, and floating point samples that are not a number.
  package func missingPixels(_ value: Double?) -> [Bool]? {
    let values = [value, missingValue].compactMap(\.self)
    func places<Sample: BinaryInteger>(_ samples: [Sample]) -> [Bool]? {
      let wanted = values.compactMap { Sample(exactly: $0) }
      return pixels(of: samples.count) { wanted.contains(samples[$0]) }
    }
    switch samples {
    case .float32(let samples):
      let wanted = values.map { Float($0) }
      return pixels(of: samples.count) { samples[$0].isNaN || wanted.contains(samples[$0]) }
    case .uint8(let samples): return values.isEmpty ? nil : places(samples)
    case .uint16(let samples): return values.isEmpty ? nil : places(samples)
    case .uint32(let samples): return values.isEmpty ? nil : places(samples)
    case .int8(let samples): return values.isEmpty ? nil : places(samples)
    case .int16(let samples): return values.isEmpty ? nil : places(samples)
    case .int32(let samples): return values.isEmpty ? nil : places(samples)
    }
  }

  private func pixels(of count: Int, isMissing: (Int) -> Bool) -> [Bool]? {
    var places: [Bool]?
    for index in 0..<count where isMissing(index) {
      if places == nil { places = [Bool](repeating: false, count: width * height) }
      places?[index / channels] = true
    }
    return places
  }
}
