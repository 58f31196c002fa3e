// JSON in which numbers need not be finite.

package import Foundation

// JSON has no number for what is infinite or none: it stands there as a text.
extension JSONEncoder {
  /// An encoder that writes such numbers as `"inf"`, `"-inf"` and `"nan"`.
  package static var ofAnyNumbers: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return encoder
  }
}

extension JSONDecoder {
  /// A decoder of what ``JSONEncoder/ofAnyNumbers`` writes.
  package static var ofAnyNumbers: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return decoder
  }
}
