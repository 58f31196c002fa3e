// The options of `train` as the command line declares them.

import ArgumentParser
import Configuration

/// The flags of `train`: a name for each row of the table of options, which has all the rest.
///
/// Values stay text here. They are read by the table, as those of a file are, so that both accept
/// the same and complain alike.
package struct TrainOptions: ParsableArguments {
  package init() {}

  @Option(
    help: "A YAML file of these options, named as here without dashes; flags win over it.",
    completion: .file())
  var config: String?

  @Option(help: help("data"), completion: .directory) var data: String?
  @Option(help: help("images"), completion: .file()) var images: String?
  @Option(help: help("masks"), completion: .file()) var masks: String?
  @Option(help: help("output"), completion: .directory) var output: String?

  @Option(help: help("input-channels")) var inputChannels: String?
  @Option(help: help("classes")) var classes: String?
  @Option(help: help("base-channels")) var baseChannels: String?
  @Option(help: help("depth")) var depth: String?
  @Option(help: help("padding")) var padding: String?
  @Option(help: help("upsampling")) var upsampling: String?
  @Option(help: help("dropout")) var dropout: String?
  @Option(help: help("tile")) var tile: String?

  @Option(help: help("steps")) var steps: String?
  @Option(help: help("epochs")) var epochs: String?
  @Option(help: help("global-batch")) var globalBatch: String?
  @Option(help: help("accumulate")) var accumulate: String?

  @Option(help: help("optimizer")) var optimizer: String?
  @Option(help: help("learning-rate")) var learningRate: String?
  @Option(help: help("momentum")) var momentum: String?
  @Option(help: help("weight-decay")) var weightDecay: String?
  @Option(help: help("schedule")) var schedule: String?
  @Option(help: help("warmup-steps")) var warmupSteps: String?
  @Option(help: help("clip-norm")) var clipNorm: String?

  @Option(help: help("loss")) var loss: String?
  @Option(help: help("class-weights")) var classWeights: String?
  @Option(help: help("augment")) var augment: String?

  @Option(help: help("validation-fraction")) var validationFraction: String?
  @Option(help: help("validation-data"), completion: .directory) var validationData: String?
  @Option(help: help("evaluate-every")) var evaluateEvery: String?
  @Option(help: help("checkpoint-every")) var checkpointEvery: String?
  @Option(help: help("keep")) var keep: String?

  // Without a path the newest checkpoint is meant, which the table reads from an empty text.
  @Option(defaultAsFlag: "", parsing: .next, help: help("resume"), completion: .file())
  var resume: String?
  @Option(help: help("load"), completion: .file()) var load: String?

  @Option(help: help("reduction")) var reduction: String?
  @Option(help: help("compression")) var compression: String?
  @Option(help: help("overlap")) var overlap: String?
  @Option(defaultAsFlag: "", parsing: .next, help: help("shard-optimizer"))
  var shardOptimizer: String?
  @Option(help: help("bucket-kib")) var bucketKib: String?
  @Option(help: help("timeline"), completion: .file()) var timeline: String?
  @Option(help: help("threads")) var threads: String?
  @Option(help: help("seed")) var seed: String?
  @Option(help: help("check-replicas")) var checkReplicas: String?
  @Option(help: help("log-level")) var logLevel: String?
}

extension TrainOptions {
  /// The configuration that these flags, and the file they name, ask for.
  package func configuration() throws -> TrainingConfiguration {
    try TrainingConfiguration(file: config, flags: flags)
  }

  /// The configuration that these flags and the text of a file ask for; `file` names it in errors.
  func configuration(yaml: String, file: String) throws -> TrainingConfiguration {
    try TrainingConfiguration(yaml: yaml, file: file, flags: flags)
  }

  /// The values of the flags that were given, by option name.
  ///
  /// Gathered by reflection, as the parser itself finds them, so that no option is listed twice.
  private var flags: [String: String] {
    var flags: [String: String] = [:]
    for child in Mirror(reflecting: self).children {
      guard let label = child.label, let option = child.value as? Option<String?> else { continue }
      let name = Self.optionName(ofProperty: label)
      if name != "config", let value = option.wrappedValue { flags[name] = value }
    }
    return flags
  }

  /// `_baseChannels`, the wrapper of `baseChannels`, to `base-channels`.
  private static func optionName(ofProperty label: String) -> String {
    label.drop { $0 == "_" }.reduce(into: "") { name, letter in
      name += letter.isUppercase ? "-" + letter.lowercased() : String(letter)
    }
  }

  private static func help(_ name: String) -> ArgumentHelp? {
    guard let option = TrainingOption.named(name) else { return nil }
    let byDefault = option.defaultText.map { " (default: \($0))" } ?? ""
    return ArgumentHelp("\(option.help)\(byDefault)", valueName: option.valueName)
  }
}
