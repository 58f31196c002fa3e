// The choices among methods that a training run is configured with.

package import Datasets
package import Kernels

/// The loss that is minimised.
package enum LossKind: String, Codable, CaseIterable, Sendable {
  /// Cross-entropy of the softmax at every output pixel.
  case crossEntropy = "cross-entropy"
  /// The soft Dice loss of each sample.
  case dice
  /// The sum of both.
  case crossEntropyAndDice = "cross-entropy+dice"
  /// The focal form of the cross-entropy.
  case focal
}

/// The weights of pixels in the loss.
package enum WeightMapKind: String, Codable, CaseIterable, Sendable {
  /// All alike, but for their classes.
  case none
  /// Those of the paper: more between objects that nearly touch.
  case unet
}

/// The factors that the classes' pixels have in the loss.
package enum ClassWeights: Equatable, Codable, Sendable {
  /// Every pixel counts the same.
  case none
  /// Inverse frequency of the class in the training masks, scaled to a mean of 1.
  case balanced
  /// One factor a class.
  case values([Double])
}

/// Where a continued run starts.
package enum ResumePoint: Equatable, Codable, Sendable {
  /// The newest checkpoint of the output folder.
  case newest
  /// The checkpoint in this file.
  case checkpoint(String)
}

/// Where the states after the newest steps are kept.
package enum StepStateChoice: Equatable, Codable, Sendable {
  /// In memory that outlives the processes, where there is room.
  case automatic
  /// Nowhere.
  case off
  /// In this folder.
  case folder(String)
}

/// Where the event files for TensorBoard go.
package enum EventFolder: Equatable, Codable, Sendable {
  /// Nowhere: there are none.
  case none
  /// The folder `tensorboard` in the output folder.
  case inOutput
  /// This folder.
  case folder(String)

  /// The folder of a run that is written to `output`; nil where there is none.
  package func path(output: String) -> String? {
    switch self {
    case .none: nil
    case .inOutput: output + "/tensorboard"
    case .folder(let path): path
    }
  }
}

/// How many levels of the network a backward pass computes again.
package enum RecomputeChoice: Equatable, Codable, Sendable {
  /// As few as memory allows.
  case auto
  /// So many, from the second level on.
  case levels(Int)
}

extension LossKind {
  /// The loss with these weights of the classes, nil for 1.
  ///
  /// Dice coefficients leave out the classes of weight 0 and their pixels. `isInMap` says that each pixel's own
  /// weight has the class's in it.
  package func loss(classWeights: [Float]?, isInMap: Bool = false) -> any SegmentationLoss {
    let omitted = Set((classWeights ?? []).indices.filter { classWeights?[$0] == 0 })
    let classWeights = isInMap ? nil : classWeights
    return switch self {
    case .crossEntropy: SoftmaxCrossEntropy(classWeights: classWeights)
    case .dice: SoftDice(omitting: omitted)
    case .crossEntropyAndDice:
      SoftDice(plus: SoftmaxCrossEntropy(classWeights: classWeights), omitting: omitted)
    case .focal: SoftmaxCrossEntropy(classWeights: classWeights, isFocal: true)
    }
  }
}

// MARK: - As options

extension OptimizerKind: OptionValue {}
extension LossKind: OptionValue {}
extension WeightMapKind: OptionValue {}

extension ClassWeights: OptionValue {
  static var expectation: String { "none, balanced or one number a class" }
  static var isList: Bool { true }

  init?(optionText: String) {
    switch optionText {
    case "none": self = .none
    case "balanced": self = .balanced
    default:
      let items = listItems(optionText)
      let values = items.compactMap { Double($0) }
      guard values.count == items.count else { return nil }
      self = .values(values)
    }
  }

  var optionText: String {
    switch self {
    case .none: "none"
    case .balanced: "balanced"
    case .values(let values): values.map(\.optionText).joined(separator: ",")
    }
  }
}

extension MaskValue: OptionValue {
  static var expectation: String { "a mask value: a number, or a colour such as 255:0:0" }

  init?(optionText: String) { self.init(text: optionText) }

  var optionText: String { text }
}

extension [AugmentationStep]: OptionValue {
  static var expectation: String {
    let names = AugmentationStep.Kind.allCases.map(\.rawValue).joined(separator: ", ")
    return "none, default, or some of \(names), each with its strengths as in elastic=10:3:0.5"
  }
  static var isList: Bool { true }

  /// Steps that suit most images of cells and tissue.
  package static let standard: [AugmentationStep] = Augmentation(
    [.flip, .rotate90, .rotate, .shift, .scale, .elastic, .brightness, .contrast, .gamma]
      .map { AugmentationStep($0) }
  ).steps

  init?(optionText: String) {
    switch optionText {
    case "none": self = []
    case "default": self = Self.standard
    default:
      let items = listItems(optionText)
      let steps = items.compactMap { AugmentationStep(text: $0) }
      guard steps.count == items.count, Set(steps.map(\.kind)).count == steps.count else {
        return nil
      }
      // One order, whatever was written, so that equal runs have equal configurations.
      self = Augmentation(steps).steps
    }
  }

  static func fault(in text: String) -> String? {
    let items = listItems(text)
    for item in items {
      if let fault = AugmentationStep.fault(in: item) {
        return ["none", "default"].contains(item) ? "\(item) beside others" : fault
      }
    }
    let kinds = items.compactMap { AugmentationStep(text: $0)?.kind }
    let twice = kinds.indices.first { kinds[..<$0].contains(kinds[$0]) }
    return twice.map { "\(kinds[$0].rawValue) twice" }
  }

  var optionText: String {
    isEmpty ? "none" : map(\.text).joined(separator: ",")
  }
}

extension ResumePoint: OptionValue {
  static var expectation: String { "true, false or the path of a checkpoint" }
  static var standsAlone: Bool { true }

  // An empty text is the flag without a path.
  init?(optionText: String) {
    self = ["", "true"].contains(optionText) ? .newest : .checkpoint(optionText)
  }

  var optionText: String {
    switch self {
    case .newest: "true"
    case .checkpoint(let path): path
    }
  }
}

extension RecomputeChoice: OptionValue {
  static var expectation: String { "auto, none, or a number of levels" }

  init?(optionText: String) {
    switch optionText {
    case "auto": self = .auto
    case "none": self = .levels(0)
    default:
      guard let levels = Int(optionText), (0...64).contains(levels) else { return nil }
      self = .levels(levels)
    }
  }

  var optionText: String {
    switch self {
    case .auto: "auto"
    case .levels(let levels): levels == 0 ? "none" : "\(levels)"
    }
  }
}

extension StepStateChoice: OptionValue {
  static var expectation: String { "auto, off, or the path of a folder" }

  init?(optionText: String) {
    switch optionText {
    case "": return nil
    case "auto": self = .automatic
    case "off": self = .off
    default: self = .folder(optionText)
    }
  }

  var optionText: String {
    switch self {
    case .automatic: "auto"
    case .off: "off"
    case .folder(let path): path
    }
  }
}

extension EventFolder: OptionValue {
  static var expectation: String { "true, false or the path of a folder" }
  static var standsAlone: Bool { true }

  // An empty text is the flag without a path.
  init?(optionText: String) {
    switch optionText {
    case "", "true": self = .inOutput
    case "false": self = .none
    default: self = .folder(optionText)
    }
  }

  var optionText: String {
    switch self {
    case .none: "false"
    case .inOutput: "true"
    case .folder(let path): path
    }
  }
}

func listItems(_ text: String) -> [String] {
  text.split(separator: ",", omittingEmptySubsequences: false).map { item in
    String(item.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}
