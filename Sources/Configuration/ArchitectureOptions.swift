// The options that describe a network and its tile, for commands that need no data.

package import ArgumentParser
package import Files
package import Network

/// The model options of `train`, under the same names and with the same defaults and ranges.
package struct ArchitectureOptions: ParsableArguments {
  package init() {}

  @Option(help: help("base-channels")) package var baseChannels: String?
  @Option(help: help("depth")) package var depth: String?
  @Option(help: help("input-channels", "channels of the images (default: 1)"))
  package var inputChannels: String?
  @Option(help: help("classes", "classes of the output (default: 2)")) package var classes: String?
  @Option(help: help("padding")) package var padding: String?
  @Option(help: help("upsampling")) package var upsampling: String?
  @Option(help: help("normalization")) package var normalization: String?
  @Option(help: help("tile", "side of a tile (default: 572, or 512 with padding)"))
  package var tile: String?

  /// The options that were given, by the name that `train` has for them, but for the tile.
  private var architectureFlags: [String: String] {
    let given = [
      "base-channels": baseChannels, "depth": depth, "input-channels": inputChannels,
      "classes": classes, "padding": padding, "upsampling": upsampling,
      "normalization": normalization,
    ]
    return given.compactMapValues { $0 }
  }

  /// The options that were given, as arguments for another run of this program.
  package var arguments: [String] {
    var flags = architectureFlags
    flags["tile"] = tile
    return flags.sorted { $0.key < $1.key }.flatMap { ["--\($0.key)", $0.value] }
  }

  /// An option other than the tile that was given, or nil.
  package var firstArchitectureFlag: String? { architectureFlags.keys.min() }

  /// The network and the tile that these options ask for.
  ///
  /// - Throws: `ConfigurationError` for a value out of range or a tile that is not legal.
  package func network() throws -> (configuration: UNetConfiguration, tile: Int) {
    var flags = architectureFlags
    flags["tile"] = tile
    let training = try TrainingConfiguration(file: nil, flags: flags)
    return (training.network(inputChannels: 1, classes: 2), training.tile)
  }

  /// A tile for a network that is known otherwise: the one asked for, or `preferred`.
  ///
  /// - Throws: `ConfigurationError` where the network cannot have these sizes, or the tile is not
  ///   legal.
  package func tile(for network: UNetConfiguration, preferred: Int?) throws -> Int {
    var flags = [
      "base-channels": "\(network.baseChannels)", "depth": "\(network.depth)",
      "input-channels": "\(network.inputChannels)", "classes": "\(network.classes)",
      "padding": network.padding.rawValue, "upsampling": network.upsampling.rawValue,
      "normalization": network.normalization.rawValue,
    ]
    flags["tile"] = tile ?? preferred.map { "\($0)" }
    return try TrainingConfiguration(file: nil, flags: flags).tile
  }

  private static func help(_ name: String, _ text: String? = nil) -> ArgumentHelp? {
    guard let option = TrainingOption.named(name) else { return nil }
    let byDefault = option.defaultText.map { " (default: \($0))" } ?? ""
    return ArgumentHelp(text ?? option.help + byDefault, valueName: option.valueName)
  }
}

extension UNetConfiguration {
  /// The architecture as JSON, in the names of the run log.
  package var json: JSONValue {
    [
      "base_channels": .integer(baseChannels), "depth": .integer(depth),
      "input_channels": .integer(inputChannels), "classes": .integer(classes),
      "padding": .text(padding.rawValue), "upsampling": .text(upsampling.rawValue),
      "normalization": .text(normalization.rawValue),
      "dropout": .number(Double("\(dropout)") ?? Double(dropout)),
    ]
  }
}
