// The table of options: each one's name, help, range and text form, once.

package import Communication
import Datasets
package import Network
import Tensors

/// One option of `train`: the link between a property and its name on the command line and in files.
package struct TrainingOption: Sendable {
  /// For whom an option has to be the same.
  enum Scope: Sendable {
    /// It decides the numbers: the same on all ranks and in a resumed run.
    case numbers
    /// It decides what the ranks do together, but a resumed run may change it.
    case ranks
    /// It may differ everywhere.
    case local
  }

  /// The name without dashes.
  package let name: String
  /// The word for the value in the help.
  package let valueName: String
  /// One line of help, without the default.
  package let help: String
  /// The values that it may have, of an option that has few.
  package let values: [String]
  /// Whether the flag may stand without a value.
  package let standsAlone: Bool
  let scope: Scope
  let isPath: Bool
  let isList: Bool
  let assign: @Sendable (inout TrainingConfiguration, String) throws(ConfigurationError) -> Void
  package let text: @Sendable (TrainingConfiguration) -> String?
  let check: @Sendable (TrainingConfiguration) throws(ConfigurationError) -> Void

  /// The text of the default; nil where there is none or it depends on other options.
  package var defaultText: String? {
    TrainingOption.dependentDefaults.contains(name) ? nil : text(TrainingConfiguration())
  }

  /// The option called `name`, or nil.
  ///
  /// - Parameter formerNames: names that options had in older versions, which files may still use.
  package static func named(
    _ name: String, formerNames: [String: String] = formerNames
  ) -> TrainingOption? {
    let name = formerNames[name] ?? name
    return all.first { $0.name == name }
  }

  /// The names of today by those of older versions; none was renamed so far.
  package static let formerNames: [String: String] = [:]
}

// MARK: - The table

extension TrainingOption {
  /// Every option, in the order of help and files.
  package static let all: [TrainingOption] = [
    optional(
      "data", \.data, "PATH",
      "folder with images and masks, or a table of them; else synthetic cells",
      .ranks),
    required(
      "layout", \.layout, "NAME",
      "how images and masks lie in --data and --validation-data: auto recognises it", .ranks),
    optional("images", \.images, "PATH", "images, where not in one folder with the masks", .ranks),
    optional("masks", \.masks, "PATH", "masks that belong to --images", .ranks),
    required(
      "intensities", \.intensities, "RULE",
      "scale of the images: per-image, percentiles[=0.5:99.5] of each image, fixed[=LOW:HIGH], or set"
    ),
    optional(
      "no-data", \.noData, "V",
      "sample value of pixels without a measurement, which are not learnt and not scored"),
    required(
      "cache", \.cache, "DIR",
      "folder for decoded images, which the ranks of a host share and later starts find; auto, the user's "
        + "cache folder for large sets, or none", .local),
    required("output", \.output, "DIR", "folder that the run is written to", .local),

    required(
      "preset", \.preset, "RECIPE",
      "what fills in what is not given: auto, a plan from the data, or paper, the recipe of 2015",
      .ranks),

    optional(
      "input-channels", \.inputChannels, "N", "channels of the images; else as in the images",
      must: .within(1...1024)),
    optional(
      "classes", \.classes, "N", "classes of the output; else as in the masks",
      must: .within(2...255)),
    required(
      "base-channels", \.baseChannels, "N", "channels of the first level", must: .within(1...4096)),
    required("depth", \.depth, "N", "number of poolings", must: .within(1...8)),
    required(
      "padding", \.padding, "RULE", "border rule: valid, zero or mirror, which is NumPy's symmetric"
    ),
    required("upsampling", \.upsampling, "RULE", "doubling: nearest or transposed"),
    required(
      "normalization", \.normalization, "RULE",
      "before the ReLU of 3x3 convolutions: none, instance, group, or batch, by each sample's statistics"
    ),
    required(
      "dropout", \.dropout, "P", "probability that dropout zeroes a value", must: .fraction),
    required(
      "tile", \.tile, "N", "side of a training tile (default: 572, or 512 with padding)",
      must: .within(1...16384)),

    optional(
      "steps", \.steps, "N", "optimiser steps (default: 1000 without --epochs)", .ranks,
      must: .atLeast(1)),
    optional(
      "epochs", \.epochs, "N", "passes over the samples, instead of --steps", .ranks,
      must: .atLeast(1)),
    optional(
      "minutes", \.minutes, "N",
      "minutes that the run has, turned into steps by a measurement at its start", .ranks,
      must: .minutes),
    optional(
      "global-batch", \.globalBatch, "N", "samples a step over all ranks (default: one a rank)",
      must: .within(1...1_048_576)),

    optional(
      "accumulate", \.accumulate, "N", "samples a rank and step, instead of --global-batch", .ranks,
      must: .within(1...65_536)),

    required("optimizer", \.optimizer, "RULE", "sgd, adam or adamw"),
    required(
      "learning-rate", \.learningRate, "X", "rate before the schedule", must: .positive),
    required("momentum", \.momentum, "X", "momentum of sgd", must: .fraction),
    required("nesterov", \.nesterov, "BOOL", "momentum in Nesterov's form"),
    required(
      "ema", \.ema, "DECAY",
      "decay of averages of the weights, which are scored and used; 0 is none",
      must: .fraction),
    required("weight-decay", \.weightDecay, "X", "weight decay", must: .notNegative),
    required("schedule", \.schedule, "RULE", "course of the rate: constant, poly or cosine"),
    required(
      "warmup-steps", \.warmupSteps, "N", "steps over which the rate first rises",
      must: .atLeast(0)),
    required(
      "clip-norm", \.clipNorm, "X", "greatest norm of the gradient; 0 is no limit",
      must: .notNegative),

    required(
      "loss", \.loss, "RULE", "what is minimised: cross-entropy, dice, cross-entropy+dice or focal"),
    required(
      "class-weights", \.classWeights, "LIST", "none, balanced or one number a class",
      must: .weights),
    required(
      "weight-map", \.weightMap, "RULE",
      "weights of pixels: none, or unet, the paper's, more between objects that nearly touch"),
    optional(
      "ignore", \.ignore, "VALUE",
      "mask value of pixels that are not learnt, not scored and of no class: 255, or 255:0:0"),
    required(
      "foreground-tiles", \.foregroundTiles, "P",
      "share of the tiles that are placed about a pixel of another class than the most frequent",
      must: .share),
    required(
      "instance-borders", \.instanceBorders, "BOOL",
      "label pixels of instances that touch another one as the first class"),
    required(
      "augment", \.augment, "LIST",
      "none, default, or steps with strengths: flip, rotate90, rotate, shift, scale, elastic=10:3, ..."
    ),

    required(
      "validation-fraction", \.validationFraction, "X",
      "share of the samples for validation (default: 0.1, or 0 where they are named otherwise)",
      must: .fraction),
    optional(
      "validation-data", \.validationData, "DIR", "folder with images and masks for validation",
      .ranks),
    optional(
      "folds", \.folds, "K", "cross-validation: divide the samples into K folds, see --fold",
      must: .within(2...1000)),
    optional(
      "fold", \.fold, "N", "validate on fold N, from 1, and train on the others",
      must: .within(1...1000)),
    optional(
      "split", \.split, "FILE", "JSON file of the samples for training and for validation"),
    optional(
      "groups", \.groups, "FILE",
      "table of samples that stay together: name,group (default: groups.csv in --data)"),
    required(
      "evaluate-every", \.evaluateEvery, "N", "steps between evaluations; 0 is at the end", .ranks,
      must: .atLeast(0)),
    optional(
      "patience", \.patience, "N",
      "evaluations in a row without a better score that end the run (default: go on to the end)",
      .ranks, must: .atLeast(1)),
    required(
      "checkpoint-every", \.checkpointEvery, "N", "steps between checkpoints; 0 is at the end",
      .ranks, must: .atLeast(0)),
    required(
      "keep", \.keep, "N", "newest checkpoints that stay", .local, must: .atLeast(1)),
    required(
      "step-state", \.stepState, "DIR",
      "folder for the state after each step, of which a kill loses none: auto, /dev/shm where there is room, or off",
      .local),
    required(
      "step-state-every", \.stepStateEvery, "N", "steps from one such state to the next", .ranks,
      must: .atLeast(1)),

    optional("resume", \.resume, "PATH", "go on from PATH or the newest checkpoint", .ranks),
    required(
      "resume-or-start", \.resumeOrStart, "BOOL",
      "go on where --output has a run to go on with, else start: the same command for every start",
      .local),
    optional("load", \.load, "FILE", "take only the weights from this checkpoint", .ranks),
    required(
      "max-restarts", \.maxRestarts, "N",
      "times that a single process which has died is started again; Scripts/supervise does it for mpirun",
      .local,
      must: .atLeast(0)),

    required(
      "reduction", \.reduction, "RULE",
      "sum over ranks: tree (same bits for any number of them) or fast"),
    required(
      "compression", \.compression, "RULE",
      "gradients between ranks: none, or bf16 at half the bytes"),
    required(
      "overlap", \.overlap, "RULE", "sum beside the backward pass: auto, thread, poll or off",
      .ranks),
    required(
      "shard-optimizer", \.shardOptimizer, "BOOL",
      "each rank keeps its share of the optimiser's state only", .ranks),
    required(
      "bucket-kib", \.bucketKiB, "N", "KiB of gradients summed over the ranks in one piece", .ranks,
      must: .wholeBlocks),
    optional(
      "timeline", \.timeline, "FILE", "trace of what all ranks did in the first 100 steps",
      .ranks),
    required(
      "tensorboard", \.tensorboard, "DIR",
      "event files for TensorBoard, in OUTPUT/tensorboard or in DIR; false is none", .local),
    optional(
      "threads", \.threads, "N", "threads a rank (default: the cores it may use)", .local,
      must: .within(1...4096)),
    required(
      "recompute", \.recompute, "LEVELS",
      "levels of the network that are computed again to save memory: auto is as few as fit, or none, 1, 2, ...",
      .local),
    required("seed", \.seed, "N", "seed of every random number"),
    required(
      "check-replicas", \.checkReplicas, "N",
      "steps between comparisons of the ranks' weights and state, which digests guard in every step; 0 is none "
        + "of both, but every save compares",
      .ranks, must: .atLeast(0)),
    required(
      "heal", \.heal, "BOOL",
      "a rank whose bits differ takes those of most ranks, and the step is made again; compares every step",
      .ranks),
    required(
      "stall-timeout", \.stallTimeout, "SECONDS",
      "time without progress of a rank after which the job ends; 0 is never", .local,
      must: .within(0...604_800)),
    required(
      "log-every", \.logEvery, "STEPS",
      "steps from line to line where there is no terminal; 0 is a line every 10 seconds", .local,
      must: .atLeast(0)),
    required(
      "log-samples", \.logSamples, "BOOL", "the samples of every step in log.jsonl", .ranks),
    required("log-level", \.logLevel, "LEVEL", "least severe messages that are shown", .local),
  ]

  /// Groups of options of which only one side may be given; a flag displaces the file's other side.
  static let alternatives: [[[String]]] = [
    [["data"], ["images", "masks"]],
    [["steps"], ["epochs"], ["minutes"]],
    [["global-batch"], ["accumulate"]],
    [["validation-fraction"], ["validation-data"], ["folds"], ["split"]],
    [["validation-fraction"], ["validation-data"], ["fold"]],
    [["validation-data"], ["groups"]],
    [["resume"], ["load"]],
  ]

  /// Options whose default depends on other options.
  static let dependentDefaults: Set = ["steps", "tile", "learning-rate", "validation-fraction"]
}

extension LayoutChoice: OptionValue {}

extension CacheChoice: OptionValue {
  static var expectation: String { "auto, none, or the path of a folder" }
  init?(optionText: String) { self.init(rawValue: optionText) }
  var optionText: String { rawValue }
}
extension Reduction: OptionValue {}
extension Overlap: OptionValue {
  init?(optionText: String) { self.init(name: optionText) }
}
extension Compression: OptionValue {}
extension Padding: OptionValue {}
extension Upsampling: OptionValue {}
extension Normalization: OptionValue {}
extension LearningRateSchedule.Kind: OptionValue {}

// MARK: - Rows

extension TrainingOption {
  /// A row whose property always has a value.
  private static func required<Value: OptionValue>(
    _ name: String, _ property: WritableKeyPath<TrainingConfiguration, Value> & Sendable,
    _ valueName: String, _ help: String, _ scope: Scope = .numbers,
    must requirement: Requirement<Value> = .any
  ) -> TrainingOption {
    row(
      name, valueName, help, scope, requirement, get: { $0[keyPath: property] },
      set: { $0[keyPath: property] = $1 })
  }

  /// A row whose property may be absent.
  private static func optional<Value: OptionValue>(
    _ name: String, _ property: WritableKeyPath<TrainingConfiguration, Value?> & Sendable,
    _ valueName: String, _ help: String, _ scope: Scope = .numbers,
    must requirement: Requirement<Value> = .any
  ) -> TrainingOption {
    row(
      name, valueName, help, scope, requirement, get: { $0[keyPath: property] },
      set: { $0[keyPath: property] = $1 })
  }

  private static func row<Value: OptionValue>(
    _ name: String, _ valueName: String, _ help: String, _ scope: Scope,
    _ requirement: Requirement<Value>,
    get: @escaping @Sendable (TrainingConfiguration) -> Value?,
    set: @escaping @Sendable (inout TrainingConfiguration, Value) -> Void
  ) -> TrainingOption {
    TrainingOption(
      name: name, valueName: valueName, help: help, values: Value.names,
      standsAlone: Value.standsAlone,
      scope: scope, isPath: Value.self == String.self,
      isList: Value.isList,
      assign: { configuration, text throws(ConfigurationError) in
        guard let value = Value(optionText: text) else {
          throw ConfigurationError(
            option: name, expected: requirement.expected,
            found: Value.fault(in: text) ?? quoted(text))
        }
        set(&configuration, value)
      },
      text: { get($0)?.optionText },
      check: { configuration throws(ConfigurationError) in
        guard let value = get(configuration), !requirement.holds(value) else { return }
        throw ConfigurationError(
          option: name, expected: requirement.expected, found: value.optionText)
      })
  }
}

/// A user's text between quotes, cut where it is too long for a message.
func quoted(_ text: String) -> String {
  text.count <= 60 ? "\"\(text)\"" : "\"\(text.prefix(60))...\""
}
