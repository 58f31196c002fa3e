// A trained network as it leaves this program: its layers, its weights, and what its checkpoint says of them.

package import Checkpoints
import Datasets
import Files
package import Network
package import Tensors

/// A network with the weights that are used: the moving averages where a run kept some.
package struct ExportableNetwork {
  /// What the checkpoint says beside the weights.
  package let checkpoint: Checkpoint
  /// The layers.
  package let network: UNet
  /// The weights, in the order of the network's layout.
  package let parameters: FloatBuffer
  /// Each parameter by its name.
  private let byName: [String: Parameter]

  /// Reads a checkpoint.
  ///
  /// - Throws: `FileError` for a file that is none, `AllocationError`.
  package init(readingCheckpoint path: String) throws {
    let (checkpoint, file) = try Checkpoint.read(path)
    let layout = UNet(checkpoint.network).layout
    try Checkpoint.check(file, has: layout)
    let parameters = try FloatBuffer(count: layout.count, for: "parameters")
    try Checkpoint.loadEvaluated(file, layout: layout, into: parameters)
    self.init(checkpoint, parameters: parameters)
  }

  /// A network with these weights.
  ///
  /// - Precondition: as many as the network has.
  package init(_ checkpoint: Checkpoint, parameters: FloatBuffer) {
    network = UNet(checkpoint.network)
    precondition(parameters.count == network.layout.count, "\(parameters.count) parameters")
    self.checkpoint = checkpoint
    self.parameters = parameters
    byName = Dictionary(
      network.layout.parameters.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The architecture.
  var configuration: UNetConfiguration { network.configuration }

  /// A name for each class, of which the network may have more than the masks.
  package var classNames: [String] {
    let names = checkpoint.classes.names
    return names + (names.count..<max(names.count, configuration.classes)).map { "class \($0)" }
  }

  /// The shape of a parameter and its values, as PyTorch and ONNX order them.
  ///
  /// - Precondition: the network has a parameter of this name.
  func tensor(_ name: String) -> (shape: [Int], values: [Float]) {
    guard let parameter = byName[name] else { preconditionFailure("no parameter \(name)") }
    return (parameter.shape, parameter.fileValues(from: parameters.base))
  }
}

extension UNetConfiguration {
  /// Pixels by which legal heights and widths differ.
  package var tileStep: Int { 1 << depth }
  /// The smallest legal height and width.
  package var smallestTile: Int { legalTiles(near: 1).first ?? 1 }

  /// Which heights and widths the network takes, for people.
  package var legalSizes: String {
    let rest = smallestTile % tileStep
    return rest == 0
      ? "multiples of \(tileStep)" + (smallestTile > tileStep ? " from \(smallestTile) on" : "")
      : "\(smallestTile) and \(tileStep), \(2 * tileStep), \(3 * tileStep) ... more"
  }
}
