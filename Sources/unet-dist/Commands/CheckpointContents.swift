// The contents of a checkpoint that `inspect` shows.

import Checkpoints
import Configuration
import Files
import Foundation
import Network
import Tensors

/// The metadata and the tensors of a safetensors file, as a person wants to see them.
struct CheckpointContents {
  private let file: SafetensorsFile

  /// The contents of a file.
  init(_ file: SafetensorsFile) { self.file = file }

  /// The architecture that the file names, or nil for a file of another program.
  ///
  /// - Throws: `ConfigurationError` when it is there but cannot be understood.
  func network() throws -> UNetConfiguration? {
    guard let text = file.metadata["configuration.network"] else { return nil }
    do {
      return try JSONDecoder().decode(UNetConfiguration.self, from: Data(text.utf8))
    } catch {
      throw ConfigurationError(
        option: nil, expected: "an architecture under configuration.network",
        found: text.printable, hint: "another version of this program may have written the file",
        origin: .init(file: file.path, holdsOptions: false))
    }
  }

  /// The side of the training tile, where the file names it.
  var tile: Int? { file.metadata["tile"].flatMap { Int($0) } }

  /// The parameters of `network` that the file lacks or has in another shape.
  func missingParameters(of network: UNet) -> [String] {
    network.layout.parameters.filter { file.shape(of: $0.name) != $0.shape }.map(\.name)
  }

  /// The file as JSON.
  var json: JSONValue {
    [
      "path": .text(file.path),
      "metadata": .object(sortedMetadata.map { ($0.key, .text($0.value)) }),
      "tensors": .list(
        file.names.map { name in
          [
            "name": .text(name),
            "shape": .list((file.shape(of: name) ?? []).map { .integer($0) }),
          ]
        }),
    ]
  }

  /// The file as text.
  var text: String {
    var lines = "\(file.path)\n\n"
    let width = sortedMetadata.map(\.key.count).max() ?? 0
    for (key, stored) in sortedMetadata {
      let value = key == Checkpoint.Verification.key ? verification ?? stored : stored
      // Of a value of several lines, such as the options of the run, each stands below the first.
      var column = key + String(repeating: " ", count: width - key.count)
      for line in value.split(separator: "\n", omittingEmptySubsequences: false) {
        if line.isEmpty && column.allSatisfy({ $0 == " " }) { continue }
        lines += "\(column)  \(String(line).printable)\n"
        column = String(repeating: " ", count: width)
      }
    }
    var tensors = TextTable(["tensor", "shape", "values"])
    for name in file.names {
      let shape = file.shape(of: name) ?? []
      tensors.add([
        name, shape.map(String.init).joined(separator: " x "), shape.reduce(1, *).grouped,
      ])
    }
    return lines + "\n" + tensors.text
  }

  /// How the contents were verified, in words.
  private var verification: String? {
    file.metadata[Checkpoint.Verification.key].flatMap {
      try? JSONDecoder().decode(Checkpoint.Verification.self, from: Data($0.utf8)).description
    }
  }

  private var sortedMetadata: [(key: String, value: String)] {
    file.metadata.sorted { $0.key < $1.key }
  }
}
