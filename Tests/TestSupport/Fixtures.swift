// Finds and reads the files of Tests/Fixtures, which Scripts/make-fixtures.py made with PyTorch.

package import Files

/// The fixtures: numbers that PyTorch computed.
package enum Fixtures {
  /// The folder Tests/Fixtures of the source tree.
  package static var folder: String {
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
    return parts.joined(separator: "/") + "/Fixtures"
  }

  /// The path of the fixture `name`, given without its extension.
  package static func path(_ name: String) -> String { "\(folder)/\(name).safetensors" }

  /// Reads the fixture `name`, given without its extension.
  ///
  /// - Throws: `FileError` when it is missing or damaged.
  package static func read(_ name: String) throws(FileError) -> SafetensorsFile {
    try SafetensorsFile.read(path(name))
  }
}

extension SafetensorsFile {
  /// The tensor `name` of shape H x W x C as an image; H x W counts as one channel.
  ///
  /// - Throws: `FileError` when there is no such tensor.
  package func image(_ name: String) throws(FileError) -> ReferenceImage {
    let values = try floats(of: name)
    let shape = shape(of: name) ?? []
    return ReferenceImage(
      height: shape.first ?? 1, width: shape.dropFirst().first ?? 1,
      channels: shape.dropFirst(2).first ?? 1, values: values)
  }
}
