// What is wrong with a JSON file, in a few words.

/// What a decoder did not like, as messages say it after "found".
package enum JSONFault {
  package static func found(_ error: any Error) -> String {
    switch error as? DecodingError {
    case .keyNotFound(let key, let context):
      "no \"\(key.stringValue)\"" + (place(context).map { " in \($0)" } ?? "")
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      "another type" + (place(context).map { " at \($0)" } ?? "")
    case .dataCorrupted(let context) where !context.codingPath.isEmpty:
      context.debugDescription + (place(context).map { " at \($0)" } ?? "")
    default: "text that is not JSON"
    }
  }

  /// Where it is, such as `images[2].width`; nil at the top.
  private static func place(_ context: DecodingError.Context) -> String? {
    var text = ""
    for key in context.codingPath {
      if let place = key.intValue {
        text += "[\(place)]"
      } else {
        text += (text.isEmpty ? "" : ".") + key.stringValue
      }
    }
    return text.isEmpty ? nil : text
  }
}
