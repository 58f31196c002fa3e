// The plan of a run from its data: what `--preset auto` chooses, and why.

import Datasets
import Foundation
import Kernels
package import Network

/// What a plan is made from: statistics of the training images alone, so that ranks, threads and
/// machine have no part in it.
package struct DataSummary: Equatable, Sendable {
  /// Images that are trained on.
  package var images: Int
  /// The smallest side of any image, in pixels.
  package var smallestSide: Int
  /// Pixels of all images.
  package var pixels: Int
  package var channels: Int
  /// The part of the pixels in each class, by label.
  package var shares: [Double]
  /// The diameter, in pixels, up to which objects hold half of the pixels of all objects; nil without
  /// any.
  package var objectDiameter: Int?

  /// The summary of images that were indexed.
  package init(
    images: Int, smallestSide: Int, pixels: Int, channels: Int, shares: [Double],
    objectDiameter: Int? = nil
  ) {
    self.objectDiameter = objectDiameter
    self.images = images
    self.smallestSide = smallestSide
    self.pixels = pixels
    self.channels = channels
    self.shares = shares
  }
}

/// The choices for a set of images, each with its reason.
package struct AutomaticPlan: Sendable {
  /// The value of an option, and why.
  package struct Choice: Equatable, Sendable {
    package let option: String
    package let value: String
    package let reason: String
  }

  /// In the order of the table of options; those that were given by hand are left out.
  package let choices: [Choice]

  /// The tile: `usual` where objects are small, since larger ones make fewer steps in the same time; more for
  /// larger objects, up to `largest`, so that a tile shows a few of them side by side.
  private static let tile = (usual: 192, largest: 288, diameters: 3)
  /// Evaluations in the course of a run, and checkpoints.
  package static let evaluations = 10
  /// Channels of the first level: for most machines, and what a run with time may have.
  static let baseChannels = [16, 32, 64]
  /// Samples of a batch, enough to steady a step, and few enough to make many.
  ///
  /// Of larger tiles there are fewer, with as many pixels, but `fewest` at least.
  private static let batch = (usual: 4, fewest: 2)
  /// A class of a smaller share of the pixels is rare: then classes are weighted.
  private static let rareShare = 0.05
  /// A class of a smaller share is in few tiles: then a part of them is placed about foreground.
  private static let missedShare = 0.001
  private static let foregroundTiles = 0.33
  /// Steps: `fewest` for a set of up to `pixels`; more for larger ones, by the square root, up to `most`.
  private static let steps = (fewest: 1_500, most: 6_000, pixels: 1_500_000.0)

  /// The plan for these images, given `configuration` and what stands in it by hand; a run that begins
  /// with weights of the network `loaded` has its architecture.
  package init(
    for data: DataSummary, _ configuration: TrainingConfiguration,
    loading loaded: UNetConfiguration? = nil
  ) {
    var choices: [Choice] = []
    var (given, configuration) = (configuration.provenance.given, configuration)
    if let loaded {
      let architecture = Self.architecture(of: loaded)
      choices += architecture.filter { !given.contains($0.option) }
      if !given.contains("base-channels") { configuration.baseChannels = loaded.baseChannels }
      if !given.contains("depth") { configuration.depth = loaded.depth }
      if !given.contains("padding") { configuration.padding = loaded.padding }
      given.formUnion(architecture.map(\.option))
    }
    func choose(_ option: String, _ value: String, _ reason: String) {
      guard !given.contains(option) else { return }
      choices.append(Choice(option: option, value: value, reason: reason))
    }

    let depth =
      given.contains("depth") ? configuration.depth : data.smallestSide >= 192 ? 4 : 3
    let base = given.contains("base-channels") ? configuration.baseChannels : Self.baseChannels[0]
    func network(_ padding: Padding) -> UNetConfiguration {
      UNetConfiguration(
        inputChannels: data.channels, classes: max(2, data.shares.count), baseChannels: base,
        depth: depth, padding: padding)
    }
    // A tile that was given may be legal by the paper's rule only.
    let tile = given.contains("tile") ? configuration.tile : nil
    let isForValid = tile.map {
      network(.mirror).outputSide(tile: $0) == nil && network(.valid).outputSide(tile: $0) != nil
    }
    let padding =
      given.contains("padding") ? configuration.padding : isForValid == true ? .valid : .mirror
    choose(
      "base-channels", "\(Self.baseChannels[0])", "a network that trains in minutes on a few cores")
    choose("depth", "\(depth)", "images of at least \(data.smallestSide) pixels")
    choose(
      "padding", padding.rawValue,
      padding == .valid
        ? "a tile of \(configuration.tile) is for convolutions without padding"
        : "all pixels of an image are learnt and predicted")
    choose(
      "normalization", "instance",
      "starts at once and evens out images of other contrast")
    choose("dropout", "0.1", "averaging and augmentation hold overfitting down already")
    let wish = max(
      Self.tile.usual,
      min(Self.tile.largest, Self.tile.diameters * (data.objectDiameter ?? 0)))
    if let tile = network(padding).legalTiles(near: min(wish, data.smallestSide)).first {
      let objects = data.objectDiameter.map { ", and objects of about \($0) pixels" } ?? ""
      choose(
        "tile", "\(tile)",
        "images of at least \(data.smallestSide) pixels\(objects)")
    }

    let growth = (Double(data.pixels) / Self.steps.pixels).squareRoot()
    let steps = min(
      Self.steps.most, max(Self.steps.fewest, Int((Double(Self.steps.fewest) * growth) / 100) * 100)
    )
    if !given.contains("epochs") {
      choose("steps", "\(steps)", "\(data.images) images of \(data.pixels / 1_000) thousand pixels")
    }
    if !given.contains("accumulate") {
      let side = given.contains("tile") ? Self.tile.usual : wish
      let ratio = Double(Self.tile.usual * Self.tile.usual) / Double(side * side)
      let batch = max(Self.batch.fewest, Int((Double(Self.batch.usual) * ratio).rounded()))
      choose("global-batch", "\(batch)", "the same for any number of ranks")
    }
    let isSGD = given.contains("optimizer") && configuration.optimizer == .sgd
    choose("optimizer", "adam", "starts from any scale of gradients")
    if !isSGD { choose("learning-rate", "0.001", "suits adam at this size of network") }
    choose("schedule", "cosine", "ends at rates near 0, where the weights settle")
    let length = given.contains("steps") ? configuration.steps ?? steps : steps
    if !given.contains("epochs") {
      choose("warmup-steps", "\(min(50, length / 10))", "the first gradients are the largest")
    }
    choose("ema", "0.99", "averages of weights score better and more evenly than the last ones")
    choose("loss", "cross-entropy+dice", Self.sharesText(data.shares))
    let rarest = data.shares.filter { $0 > 0 }.min() ?? 1
    if rarest < Self.rareShare {
      choose(
        "class-weights", Self.classWeights(data.shares, count: configuration.classes),
        "a class with \(Self.percentText(rarest)) of the pixels is else learnt last: 1 / sqrt(share)"
      )
    } else {
      choose("class-weights", "none", "Dice weighs the classes alike")
    }
    choose(
      "foreground-tiles", rarest < Self.missedShare ? "\(Self.foregroundTiles)" : "0",
      "the rarest class has \(Self.percentText(rarest)) of the pixels")
    choose(
      "augment", [AugmentationStep].standard.optionText,
      "annotated images are few: turned, scaled, bent and of other brightness they are more")
    if !given.contains("epochs") {
      choose("evaluate-every", "\(max(1, length / Self.evaluations))", "ten times in the run")
      choose("checkpoint-every", "\(max(1, length / Self.evaluations))", "as often")
    }
    self.choices = choices
  }

  /// The choices that make a network into which these weights fit.
  fileprivate static func architecture(of loaded: UNetConfiguration?) -> [Choice] {
    guard let loaded else { return [] }
    return [
      ("base-channels", "\(loaded.baseChannels)"), ("depth", "\(loaded.depth)"),
      ("padding", loaded.padding.rawValue), ("upsampling", loaded.upsampling.rawValue),
      ("normalization", loaded.normalization.rawValue),
    ].map { Choice(option: $0.0, value: $0.1, reason: "as the network whose weights are loaded") }
  }

  private static func sharesText(_ shares: [Double]) -> String {
    let text = shares.map(percentText).joined(separator: ", ")
    return "classes of \(text): Dice weighs them alike, the cross-entropy each pixel"
  }

  private static func percentText(_ share: Double) -> String {
    share < 0.01 ? "less than 1 %" : "\(Int((100 * share).rounded())) %"
  }

  /// 1 / sqrt(share), scaled to a mean of 1; 1 for a class without pixels, and for those of `count` classes that
  /// the masks do not have.
  private static func classWeights(_ shares: [Double], count: Int?) -> String {
    let missing = max(0, (count ?? shares.count) - shares.count)
    let roots =
      shares.map { $0 > 0 ? 1 / $0.squareRoot() : 0 } + [Double](repeating: 0, count: missing)
    let mean = roots.reduce(0, +) / Double(max(1, roots.count { $0 > 0 }))
    return roots.map { root in
      let weight = root > 0 ? root / mean : 1
      // Four digits, so that rare and frequent classes are told alike.
      return String(format: "%.4g", weight)
    }.joined(separator: ",")
  }
}

extension TrainingConfiguration {
  /// The configuration with what its preset chooses for these images, and the reasons.
  ///
  /// What was given by hand stays. A resumed run has chosen before.
  package func planned(
    for data: DataSummary, loading loaded: UNetConfiguration? = nil
  ) throws(ConfigurationError) -> TrainingConfiguration {
    guard resume == nil else { return self }
    let choices =
      switch preset {
      case .auto: AutomaticPlan(for: data, self, loading: loaded).choices
      case .paper: paperChoices(loading: loaded)
      }
    var result = self
    result.provenance.isOpen = false
    for choice in choices {
      guard let option = TrainingOption.named(choice.option) else {
        preconditionFailure("a plan for the option \(choice.option), which there is not")
      }
      try option.assign(&result, choice.value)
      result.provenance.reasons[choice.option] = choice.reason
    }
    return result
  }

  /// The configuration of a run that goes on from a checkpoint, with the options of the run where none
  /// were given by hand.
  package func resumed(from before: TrainingConfiguration) throws(ConfigurationError)
    -> TrainingConfiguration
  {
    var result = self
    result.provenance.isOpen = false
    let displaced = Self.displaced(by: provenance.given)
    for option in TrainingOption.all where option.scope != .local && option.name != "resume" {
      guard !provenance.given.contains(option.name), !displaced.contains(option.name) else {
        continue
      }
      // What the run had left out, such as the steps of a run of epochs, is left out.
      if option.name == "steps" { result.steps = before.steps }
      if let text = option.text(before) { try option.assign(&result, text) }
      // The reasons of then are those of the values.
      result.provenance.remarks = result.provenance.remarks ?? [:]
      result.provenance.remarks?[option.name] = before.provenance.remarks?[option.name]
    }
    return result
  }

  /// What the paper has beside the defaults of the options, and the architecture of weights that are loaded.
  private func paperChoices(loading loaded: UNetConfiguration?) -> [AutomaticPlan.Choice] {
    var given = provenance.given
    // Samples a rank are samples a step too.
    if given.contains("accumulate") { given.insert("global-batch") }
    let choices = [
      AutomaticPlan.Choice(
        option: "global-batch", value: "1", reason: "a batch is a single image (section 3)"),
      AutomaticPlan.Choice(
        option: "class-weights", value: "balanced",
        reason: "w_c of the weight map evens out the classes (section 3)"),
      AutomaticPlan.Choice(
        option: "weight-map", value: "unet", reason: "the border between touching cells (section 3)"
      ),
      AutomaticPlan.Choice(
        option: "augment", value: "shift,rotate=180:1,elastic=10:3:1,brightness=0.25:1",
        reason:
          "shifts, rotations, elastic displacements of 10 pixels and grey values (section 3.1)"),
    ]
    return (AutomaticPlan.architecture(of: loaded) + choices).filter { !given.contains($0.option) }
  }
}

// MARK: - A given time

extension TrainingConfiguration {
  /// The same run for as many steps as it has when no time is given.
  package var withoutMinutes: TrainingConfiguration {
    guard minutes != nil else { return self }
    var result = self
    result.minutes = nil
    result.provenance.given.remove("minutes")
    if result.steps == nil { result.steps = TrainingConfiguration().steps }
    return result
  }

  /// The run with the next wider network that a preset chooses where the time allows it; nil where
  /// none is left, or the width was given by hand or by weights that are loaded.
  package func widened(from planned: TrainingConfiguration) -> TrainingConfiguration? {
    guard preset == .auto, load == nil,
      !provenance.given.contains("base-channels") || provenance.reasons["base-channels"] != nil,
      let wider = AutomaticPlan.baseChannels.first(where: { $0 > planned.baseChannels })
    else { return nil }
    var result = self
    result.baseChannels = wider
    result.provenance.given.insert("base-channels")
    result.provenance.reasons["base-channels"] = "there is time for the steps that the images want"
    return result
  }

  /// The run with a number of steps that was measured.
  package func lasting(steps: Int, reason: String) -> TrainingConfiguration {
    var result = self
    result.minutes = nil
    result.epochs = nil
    result.steps = steps
    result.provenance.given.insert("steps")
    result.provenance.reasons["steps"] = reason
    return result
  }
}

/// The recipe that fills in what is not given by hand.
package enum Preset: String, Codable, CaseIterable, Sendable {
  /// Planned from the data.
  case auto
  /// The network, optimiser and loss of Ronneberger et al. 2015.
  case paper
}

extension Preset: OptionValue {}
