// The file of class names beside the images.

package import Files
import Foundation

/// The names that a `classes.json` gives to mask values.
///
///     {"classes": [{"value": 0, "name": "background"}, {"value": [255, 0, 0], "name": "nucleus"}]}
///
/// A value is a grey value or a list of red, green and blue. Beside `classes`, `"ignore": 255` names the value of
/// pixels that are of no class. Other keys are passed over.
struct ClassNames: Sendable {
  private struct File: Decodable {
    struct Entry: Decodable {
      let value: MaskValue
      let name: String
    }
    let classes: [Entry]
    let ignore: MaskValue?
  }

  /// The greatest accepted size in bytes: a thousand bytes a class.
  private static let sizeLimit = 1 << 18

  /// The name of each value that the file mentions.
  let names: [MaskValue: String]
  /// The value that is of no class, where the file names one.
  let ignored: MaskValue?

  /// Names that no file gives.
  init(names: [MaskValue: String]) { (self.names, ignored) = (names, nil) }

  /// The names in the file at `path`.
  ///
  /// - Throws: `FileError` naming the file when it is unreadable, no such JSON, or names a value
  ///   twice.
  init(path: String) throws(FileError) {
    let file: File
    let bytes = try InputFile.contents(of: path, limit: Self.sizeLimit)
    do {
      file = try JSONDecoder().decode(File.self, from: Data(bytes))
    } catch {
      throw Self.invalid(path, found: JSONFault.found(error))
    }
    var names: [MaskValue: String] = [:]
    for entry in file.classes where names.updateValue(entry.name, forKey: entry.value) != nil {
      throw Self.invalid(path, found: "the value \(entry.value) twice")
    }
    if let ignored = file.ignore, names[ignored] != nil {
      throw Self.invalid(path, found: "the value \(ignored) as a class and under \"ignore\"")
    }
    (self.names, ignored) = (names, file.ignore)
  }

  private static func invalid(_ path: String, found: String) -> FileError {
    FileError(
      .invalidClassNames, path: path,
      expected: #"{"classes": [{"value": 0, "name": "background"}, ...]}"#, found: found,
      hint: "correct the file or remove it (classes are then called by their values)")
  }
}

/// Where a set says what it calls the values of its masks; nothing is read until names are asked for.
package enum ClassNameSource: Sendable, Equatable {
  /// A `classes.json`.
  case file(String)
  /// The layout of the set.
  case given([MaskValue: String])

  /// The `classes.json` in a folder, or no names where there is none.
  init(in folder: String) {
    let path = Paths.join(folder, "classes.json")
    self = Paths.exists(path) ? .file(path) : .given([:])
  }

  /// The names.
  ///
  /// - Throws: `FileError` for a file that is none of names.
  package func read() throws(FileError) -> [MaskValue: String] { try contents().names }

  /// The names, and the value of pixels that are of no class, where a file names one.
  ///
  /// - Throws: as `read()`.
  func contents() throws(FileError) -> ClassNames {
    switch self {
    case .file(let path): try ClassNames(path: path)
    case .given(let names): ClassNames(names: names)
    }
  }
}
