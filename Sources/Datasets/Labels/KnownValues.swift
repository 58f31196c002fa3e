// The values that masks may have, where a set says so itself.

import Files

/// The values that the masks of a set have by what it says itself.
package struct KnownValues: Sendable, Equatable {
  /// The file that says so.
  let path: String
  var values: Set<MaskValue> = []
  /// What those are called that are classes.
  var names: [MaskValue: String] = [:]

  /// Refuses a mask of other values; `ignored` is of no class whatever the set says.
  ///
  /// - Throws: `FileError` naming the mask at `path`.
  func check(
    _ summary: MaskSummary, path: String, ignoring ignored: MaskValue?
  ) throws(FileError) {
    let stranger = summary.values.first {
      let value = MaskValue(packed: $0.value)
      return !values.contains(value) && value != ignored
    }
    guard let stranger else { return }
    let value = MaskValue(packed: stranger.value)
    throw FileError(
      .unknownValue, path: path,
      expected: "the values of \(self.path): "
        + values.sorted().map(\.description).joined(separator: ", "),
      found: "\(value) in \(stranger.pixels) \(stranger.pixels == 1 ? "pixel" : "pixels")",
      hint: "add it to the labels there, correct the mask, or keep it out with --ignore \(value)")
  }

  /// A line on classes that no mask has.
  func missing(among found: some Sequence<MaskValue>) -> String? {
    let missing = names.keys.filter { !found.contains($0) }.sorted()
    guard !missing.isEmpty else { return nil }
    let list = missing.map { "\(names[$0] ?? "") (\($0))" }.joined(separator: ", ")
    return "labels of \(path) that no mask has, hence no classes: \(list)"
  }
}
