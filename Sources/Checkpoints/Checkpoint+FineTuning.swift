// Weights of another run or program, as far as they fit a network.

package import Files
import Foundation
import Kernels
package import Network
package import Tensors

/// What a file of weights gave a network.
package struct LoadedWeights: Equatable, Sendable {
  /// The parameters that the file has, of the same shape.
  package var loaded: [String] = []
  /// Those that keep their initial values, with why.
  package var fresh: [String] = []
  /// The tensors of the file that the network has no place for.
  package var unused: [String] = []

  /// One line for the user.
  package var summary: String {
    "\(loaded.count) of \(loaded.count + fresh.count) tensors loaded"
      + (fresh.isEmpty ? "" : "; new are \(Self.list(fresh))")
      + (unused.isEmpty
        ? "" : "; the file has \(unused.count) that are not in this network: \(Self.list(unused))")
  }

  private static func list(_ names: [String]) -> String {
    let more = names.count > 4 ? " and \(names.count - 4) more" : ""
    return names.prefix(4).joined(separator: ", ") + more
  }
}

extension Checkpoint {
  /// Overwrites those parameters that a file has under the same name and of the same shape.
  ///
  /// Averages where a run kept some, else the weights; others stay, such as the head's for other
  /// classes. Values of 16 and 64 bits are rounded to 32.
  ///
  /// - Throws: `FileError` where the file has less than half of this network, or values that are not
  ///   finite.
  package static func loadMatching(
    _ file: SafetensorsFile, layout: ParameterLayout, into buffer: FloatBuffer
  ) throws(FileError) -> LoadedWeights {
    var result = LoadedWeights()
    for parameter in layout.parameters {
      let hasAverage = file.shape(of: averagesPrefix + parameter.name) != nil
      let name = (hasAverage ? averagesPrefix : "") + parameter.name
      guard let shape = file.shape(of: name) else {
        result.fresh.append("\(parameter.name) (not in the file)")
        continue
      }
      guard shape == parameter.shape else {
        result.fresh.append("\(parameter.name) (there \(shape), here \(parameter.shape))")
        continue
      }
      try store(file, name, as: parameter, into: buffer, isRounded: true)
      result.loaded.append(parameter.name)
    }
    let known = Set(layout.parameters.map(\.name))
    result.unused = file.names.filter { !known.contains($0) && !$0.hasPrefix(statePrefix) }
    // Heads and first layers may be others; a network of which most is another is a slip.
    guard 2 * result.loaded.count > layout.parameters.count else {
      throw FileError(
        path: file.path, expected: "weights of this network", found: result.summary,
        hint: "give the model options of the file's network, such as --base-channels and --depth")
    }
    return result
  }

  /// The file that a path stands for: itself, or of a run's folder its best or newest checkpoint.
  ///
  /// - Throws: `FileError` for a folder without them.
  package static func file(at path: String) throws(FileError) -> String {
    guard Folder.isFolder(path) else { return path }
    let names = ["best.safetensors", "latest.safetensors"]
    let found = names.map { path + "/" + $0 }.first { FileManager.default.fileExists(atPath: $0) }
    guard let found else {
      throw FileError(
        path: path, expected: "a run's folder, with " + names.joined(separator: " or "),
        found: "neither", hint: "give a checkpoint, or the --output of a run")
    }
    return found
  }

  /// The architecture that a file's metadata tells, or nil for another program's file.
  package static func network(of file: SafetensorsFile) -> UNetConfiguration? {
    guard let text = file.metadata["configuration.network"],
      let network = try? JSONDecoder().decode(UNetConfiguration.self, from: Data(text.utf8)),
      network.isPlausible
    else { return nil }
    return network
  }
}
