// The images of a set by their names, which masks are called after.

import Files

/// Images by their names: the stems of their files, or what the files of their channels share.
struct NamedImages {
  /// The files of each image, one, or one for each of its channels.
  let files: [String: [String]]
  /// The names that are alike but for case.
  private let alike: [String: [String]]

  /// Images of a file each.
  ///
  /// - Throws: `FileError` for two of one name.
  init(_ images: [String]) throws(FileError) {
    var files: [String: [String]] = [:]
    for image in images.sorted(by: Paths.precedes) {
      let name = Paths.stem(image)
      if let other = files.updateValue([image], forKey: name) {
        throw FileError(
          .duplicateName, path: image, expected: "one image called \(name)",
          found: "\(other[0]) too", hint: "rename or remove one of them")
      }
    }
    self.init(files: files)
  }

  /// Images with their files.
  init(files: [String: [String]]) {
    self.files = files
    alike = Dictionary(grouping: files.keys) { $0.lowercased() }
  }

  /// The names, by their bytes.
  var names: [String] { files.keys.sorted(by: Paths.precedes) }

  /// The first of `candidates` that is the name of an image; where none is, the first that is one but for case.
  func name(of candidates: [String]) -> String? {
    candidates.first { files[$0] != nil }
      ?? candidates.lazy.compactMap { candidate in
        let names = alike[candidate.lowercased()] ?? []
        return names.count == 1 ? names[0] : nil
      }.first
  }

  /// What is found in the place of an image that has one of the names, for messages.
  func found(insteadOf candidates: [String]) -> String {
    let names = candidates.lazy.compactMap { self.alike[$0.lowercased()] }.first { $0.count > 1 }
    guard let names else { return "none" }
    return names.sorted(by: Paths.precedes).joined(separator: " and ")
      + ", which differ by case alone"
  }
}
