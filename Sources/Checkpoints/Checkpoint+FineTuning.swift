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

  /// One line for the user.
  package var summary: String {
    let names = fresh.prefix(4).joined(separator: ", ")
    let more = fresh.count > 4 ? " and \(fresh.count - 4) more" : ""
    return "\(loaded.count) of \(loaded.count + fresh.count) tensors loaded"
      + (fresh.isEmpty ? "" : "; new are \(names)\(more)")
  }
}

extension Checkpoint {
  /// Overwrites those parameters that a file has under the same name and of the same shape.
  ///
  /// Averages where a run kept some, else the weights; others stay, such as the head's for other
  /// classes.
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
      try store(file, name, as: parameter, into: buffer)
      result.loaded.append(parameter.name)
    }
    // Heads and first layers may be others; a network of which most is another is a slip.
    guard 2 * result.loaded.count > layout.parameters.count else {
      throw FileError(
        path: file.path, expected: "weights of this network", found: result.summary,
        hint: "give the model options of the file's network, such as --base-channels and --depth")
    }
    return result
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
