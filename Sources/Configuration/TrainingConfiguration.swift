// Everything that decides a training run.

package import Communication
package import Datasets
package import Kernels
package import Logging
package import Network

/// The options of a training run, one property for each option of `train`.
///
/// What stays optional is either truly optional (a path) or follows from the data and the machine
/// until ``resolved(inputChannels:classes:ranks:)`` fills it in. Names, help, ranges and
/// the text form of every property stand in ``TrainingOption/all``.
package struct TrainingConfiguration: Codable, Equatable, Sendable {
  // MARK: Data

  /// Folder with images and masks, or a table of them; synthetic cells when neither this nor `images` is
  /// given.
  package var data: String?
  /// How they lie there.
  package var layout = LayoutChoice.automatic
  /// Where decoded images are kept for the next start.
  package var cache = CacheChoice.automatic
  /// Images, where they do not lie in one folder with the masks.
  package var images: String?
  /// Masks that belong to `images`.
  package var masks: String?
  /// How intensities become network inputs.
  package var intensities = IntensityRule.perImage
  /// Value of samples that are no measurement.
  package var noData: Double?
  /// Folder that the run is written to.
  package var output = "unet-run"

  // MARK: Recipe

  /// What fills in the options that are not given by hand.
  package var preset = Preset.auto
  /// Where the values of the options come from.
  package var provenance = Provenance()

  /// Where the values of options come from; configurations of the same values are equal whatever it is.
  package struct Provenance: Codable, Equatable, Sendable {
    /// The names of the options that were given by hand, in a file or as flags.
    package var given: Set<String> = []
    /// Whether a plan will still fill in what was not given, padding among it.
    package var isOpen = false
    /// Why options have the values that a preset has chosen, by name.
    package var reasons: [String: String] = [:]
    /// What the file of a run says of why options had their values; nil where no such file was read.
    package var remarks: [String: String]?
    /// The names of the options that were given as flags.
    package var flags: Set<String> = []

    /// Whether an option was given by hand, and is none that a preset has chosen.
    package func isByHand(_ name: String) -> Bool { given.contains(name) && reasons[name] == nil }

    package static func == (_: Provenance, _: Provenance) -> Bool { true }
  }

  // MARK: Model

  /// Channels of the images; nil follows the images.
  package var inputChannels: Int?
  /// Classes of the output; nil follows the masks.
  package var classes: Int?
  /// Channels of the first level.
  package var baseChannels = 64
  /// Number of poolings.
  package var depth = 4
  /// Border rule of the convolutions.
  package var padding = Padding.valid
  /// Doubling in the expansive path.
  package var upsampling = Upsampling.nearest
  /// What stands between a 3x3 convolution and its ReLU.
  package var normalization = Normalization.none
  /// Probability that dropout zeroes a value.
  package var dropout: Float = 0.5
  /// Side of a training tile in pixels; the default is 572, or 512 where padding keeps sizes.
  package var tile = 572

  // MARK: Length and batch

  /// Optimiser steps; exactly one of this, `epochs` and `minutes` is set.
  package var steps: Int? = 1000
  /// Passes over the training samples, instead of `steps`.
  package var epochs: Int?
  /// Minutes that the run has, which a measurement at its start turns into `steps`.
  package var minutes: Double?
  /// Samples of one optimiser step over all ranks; nil is one a rank.
  package var globalBatch: Int?
  /// Samples of each rank in one step, instead of `globalBatch`.
  package var accumulate: Int?

  // MARK: Optimiser

  /// Rule of the step.
  package var optimizer = OptimizerKind.sgd
  /// Learning rate before the schedule.
  ///
  /// With a momentum of 0.99 a steady gradient moves the weights a hundred times that far. On the
  /// synthetic cells the default network diverges in three steps at 0.01; with 16 base channels it
  /// does at 0.003 within 22, and at 0.001 it calls all pixels one class after 1,500. Steps of
  /// `adam` and `adamw` have about the size of the rate, which suits them as well.
  package var learningRate = 0.0003
  /// Momentum of `sgd`; the others do not use it.
  package var momentum = 0.99
  /// Whether momentum takes Nesterov's form.
  package var nesterov = false
  /// The decay of the averages of the weights, which are scored and used; 0 for none.
  package var ema = 0.0
  /// Weight decay of the weights; biases have none.
  package var weightDecay = 0.0
  /// Course of the learning rate.
  package var schedule = LearningRateSchedule.Kind.constant
  /// Steps over which the rate first rises from near 0.
  package var warmupSteps = 0
  /// Greatest Euclidean norm of the whole gradient; 0 is no limit.
  package var clipNorm = 0.0

  // MARK: Loss and augmentation

  /// What is minimised.
  package var loss = LossKind.crossEntropy
  /// Factors of the classes in the loss.
  package var classWeights = ClassWeights.none
  /// Weights of the pixels in the loss.
  package var weightMap = WeightMapKind.none
  /// Value of mask pixels that are neither learnt nor scored.
  package var ignore: MaskValue?
  /// Share of the tiles that are placed about a pixel of another class than the first.
  package var foregroundTiles = 0.0
  /// Whether pixels of numbered objects that touch another object are labelled as the first class.
  package var instanceBorders = false
  /// Random changes of the training tiles.
  package var augment = Augmentation.copying.steps

  // MARK: Validation and checkpoints

  /// Share of the samples kept for validation; the default is 0 where they are named otherwise.
  package var validationFraction = 0.1
  /// Folder with images and masks for validation.
  package var validationData: String?
  /// The number of folds that the samples are divided into.
  package var folds: Int?
  /// The fold that is validated on, from 1.
  package var fold: Int?
  /// File of the samples for training and for validation, see `SplitFile`.
  package var split: String?
  /// Table of the samples that stay together, see `SampleGroups`.
  package var groups: String?
  /// Steps between evaluations; 0 is only at the end.
  package var evaluateEvery = 100
  /// Evaluations in a row without a better score that end the run; nil goes on to the end.
  package var patience: Int?
  /// Steps between checkpoints; 0 is only at the end.
  package var checkpointEvery = 100
  /// Number of newest checkpoints that stay; those that are latest or best always do.
  package var keep = 3

  /// Where the states after the newest steps are kept, of which a kill takes none.
  package var stepState = StepStateChoice.automatic
  /// Steps from one kept state to the next.
  package var stepStateEvery = 1

  // MARK: Start

  /// Checkpoint from which the run goes on as if it had not stopped.
  package var resume: ResumePoint?
  /// Whether the run goes on where its folder has a checkpoint, and starts where it has none.
  package var resumeOrStart = false
  /// Checkpoint from which only the weights are taken.
  package var load: String?
  /// How often a single process that has died is started again.
  package var maxRestarts = 0

  // MARK: Distribution

  /// How gradients are summed over samples and ranks.
  package var reduction = Reduction.tree
  /// How gradients are sent.
  package var compression = Compression.none
  /// How the sum over ranks goes on beside the backward pass.
  package var overlap = Overlap.auto
  /// Whether each rank keeps and updates its share of the optimiser's state only.
  package var shardOptimizer = false
  /// KiB of gradients that the ranks sum in one piece.
  package var bucketKiB = GradientBuckets.defaultByteCount >> 10

  /// File for a trace of what all ranks did when; nil is none.
  package var timeline: String?
  /// Folder of event files for TensorBoard.
  package var tensorboard = EventFolder.none

  // MARK: Machine

  /// Threads of each rank; nil is the cores this rank may use, also when resumed elsewhere.
  package var threads: Int?
  /// Levels of the network that the backward pass computes again, to save memory.
  package var recompute = RecomputeChoice.auto
  /// Seed of every random number.
  package var seed: UInt64 = 0
  /// Steps between comparisons of the ranks' weights and state; 0 is never, and guards them by no digests
  /// between updates.
  package var checkReplicas = 10
  /// Whether a rank whose memory has failed takes the bits of the others, instead of ending the run.
  package var heal = false
  /// Seconds without progress after which the job ends; 0 is never.
  package var stallTimeout = 300
  /// Steps from line to line of the progress where there is no terminal; 0 is a line every ten seconds.
  package var logEvery = 0
  /// Whether the log says which samples each step has taken.
  package var logSamples = false
  /// Least severe messages that are shown.
  package var logLevel = Logger.Level.info

  /// The network, optimiser and loss of the paper, and a tile, on synthetic cells.
  package init() {}
}

// MARK: - What follows from it

extension TrainingConfiguration {
  /// The network for data of `inputChannels` and `classes`, unless the options say otherwise.
  package func network(inputChannels: Int, classes: Int) -> UNetConfiguration {
    UNetConfiguration(
      inputChannels: self.inputChannels ?? inputChannels, classes: self.classes ?? classes,
      baseChannels: baseChannels, depth: depth, padding: padding, upsampling: upsampling,
      dropout: dropout, normalization: normalization)
  }

  /// The tile taken when none is given: the legal one nearest below 572, or 512 with padding.
  static func defaultTile(for network: UNetConfiguration) -> Int {
    let wish = network.padding == .valid ? 572 : 512
    return network.legalTiles(near: wish).first ?? wish
  }

  /// The number of optimiser steps, where an epoch has `stepsPerEpoch` of them.
  package func totalSteps(stepsPerEpoch: Int) -> Int {
    if let steps { return steps }
    // A product too large for an integer is a run without end either way.
    let (product, overflow) = (epochs ?? 0).multipliedReportingOverflow(by: stepsPerEpoch)
    return overflow ? Int.max : product
  }

  /// The configuration with nothing left open but the threads, as a run writes it into its folder.
  ///
  /// - Parameters:
  ///   - inputChannels: the channels of the images.
  ///   - classes: the classes of the masks.
  ///   - ranks: the number of processes, which is the default global batch.
  /// - Throws: when an option conflicts with what was found.
  package func resolved(
    inputChannels: Int, classes: Int, ranks: Int
  ) throws(ConfigurationError) -> TrainingConfiguration {
    var result = self
    result.inputChannels = self.inputChannels ?? inputChannels
    result.classes = self.classes ?? classes
    result.globalBatch = globalBatch ?? ranks * (accumulate ?? 1)
    // From here on the batch is what it is, also on another number of ranks.
    result.accumulate = nil
    try result.validate()
    return result
  }
}
