// The steps of augmentation by name, each with its strengths.

/// One step of augmentation and its strengths.
///
/// As text a step is its name, with its strengths behind it where they are not those of the table:
/// `elastic=10:3:0.5`. Strengths that are left out keep their values.
package struct AugmentationStep: Hashable, Codable, Sendable {
  /// What a step does.
  package enum Kind: String, CaseIterable, Codable, Sendable {
    /// Moves the window by up to a part of its side, also beyond the image.
    case shift
    /// Quarter turns.
    case rotate90
    /// Mirrors left to right and top to bottom, each with probability 1/2.
    case flip
    /// Turns by any angle up to so many degrees in both directions.
    case rotate
    /// Enlarges by a factor.
    case scale
    /// Displaces by a smooth random field: normal displacements at the points of a coarse grid over the
    /// tile, interpolated bicubically.
    case elastic
    /// Adds to all intensities up to so many standard deviations of the tile.
    case brightness
    /// Multiplies the differences from the mean by a factor.
    case contrast
    /// Raises intensities, taken from 0 to 1 over the tile, to a power.
    case gamma
    /// Multiplies the differences of colours from grey by a factor, and turns the hue by up to so many
    /// degrees; for images of three channels.
    case saturation
    /// Adds normal noise of up to so many standard deviations of the tile.
    case noise
    /// Blurs by a Gaussian of so many pixels.
    case blur
  }

  /// A number that a step depends on.
  package struct Strength: Sendable {
    let name: String
    let initial: Double
    let range: ClosedRange<Double>
    /// Whether only whole numbers are meant.
    var isWhole = false

    func allows(_ value: Double) -> Bool {
      range.contains(value) && (!isWhole || value == value.rounded())
    }

    /// What a value has to be.
    var expectation: String {
      "a \(isWhole ? "whole " : "")number from \(AugmentationStep.text(range.lowerBound)) to "
        + AugmentationStep.text(range.upperBound)
    }
  }

  package let kind: Kind
  /// As many as `Kind.strengths`.
  package let strengths: [Double]

  /// A step with these strengths, and those of the table for what is left out; nil where there are too
  /// many, or one out of its range.
  package init?(_ kind: Kind, _ strengths: [Double]) {
    let table = kind.strengths
    guard strengths.count <= table.count,
      zip(table, strengths).allSatisfy({ $0.allows($1) })
    else { return nil }
    let all = strengths + table.dropFirst(strengths.count).map(\.initial)
    for (index, strength) in table.enumerated() where strength.name == "largest" {
      guard all[index - 1] <= all[index] else { return nil }
    }
    self.kind = kind
    self.strengths = all
  }

  /// A step with the strengths of the table.
  package init(_ kind: Kind) {
    self.kind = kind
    strengths = kind.strengths.map(\.initial)
  }

  /// The step that `text` says, such as `flip` or `scale=0.8:1.25`; nil where it says none.
  package init?(text: String) {
    guard let step = try? Self.parsed(text).get() else { return nil }
    self = step
  }

  /// Why a text says no step; nil where it says one.
  package static func fault(in text: String) -> String? {
    if case .failure(let fault) = parsed(text) { fault.found } else { nil }
  }

  /// What was found in the place of a step.
  private struct Fault: Error {
    let found: String
  }

  private static func parsed(_ text: String) -> Result<AugmentationStep, Fault> {
    func fault(_ found: String) -> Result<AugmentationStep, Fault> { .failure(Fault(found: found)) }
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard let kind = Kind(rawValue: String(parts[0])) else {
      return fault("\"\(parts[0].prefix(40))\", which is no step")
    }
    guard parts.count == 2 else { return .success(AugmentationStep(kind)) }
    let table = kind.strengths
    let words = parts[1].split(separator: ":", omittingEmptySubsequences: false)
    if table.isEmpty { return fault("strengths of \(kind.rawValue), which has none") }
    if words.count > table.count {
      return fault("\(words.count) strengths of \(kind.rawValue), which has \(table.count)")
    }
    var values: [Double] = []
    for (strength, word) in zip(table, words) {
      guard let value = Double(word), strength.allows(value) else {
        return fault(
          "\(kind.rawValue) with \(strength.name) \(word.prefix(40)), which must be \(strength.expectation)"
        )
      }
      values.append(value)
    }
    guard let step = AugmentationStep(kind, values) else {
      return fault("\(kind.rawValue) with a smallest above its largest")
    }
    return .success(step)
  }

  /// The step as text, with all its strengths.
  package var text: String {
    guard !strengths.isEmpty else { return kind.rawValue }
    return "\(kind.rawValue)=\(strengths.map(Self.text).joined(separator: ":"))"
  }

  private static func text(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e9 ? "\(Int(value))" : "\(value)"
  }
}

extension AugmentationStep.Kind {
  /// The strengths of a step, in the order of its text.
  ///
  /// Where a step has a probability it is the last: of tiles without it the source is not resampled, or
  /// the intensities stay. Values are those of nnU-Net (Isensee et al. 2021) for intensities, and of
  /// the U-Net's paper for elastic displacements.
  package var strengths: [AugmentationStep.Strength] {
    func strength(
      _ name: String, _ initial: Double, _ range: ClosedRange<Double>
    ) -> AugmentationStep.Strength {
      AugmentationStep.Strength(name: name, initial: initial, range: range)
    }
    func probability(_ initial: Double) -> AugmentationStep.Strength {
      strength("probability", initial, 0...1)
    }
    return switch self {
    case .shift: [strength("part of the side", 0.125, 0...1)]
    case .rotate90, .flip: []
    case .rotate: [strength("degrees", 180, 0...180), probability(0.5)]
    case .scale:
      [strength("smallest", 0.7, 0.1...10), strength("largest", 1.4, 0.1...10), probability(0.3)]
    case .elastic:
      [
        strength("deviation in pixels", 10, 0...1000),
        AugmentationStep.Strength(name: "grid points", initial: 3, range: 2...64, isWhole: true),
        probability(0.5),
      ]
    case .brightness: [strength("deviations", 0.25, 0...10), probability(0.3)]
    case .contrast:
      [strength("smallest", 0.75, 0...10), strength("largest", 1.25, 0...10), probability(0.3)]
    case .gamma:
      [strength("smallest", 0.7, 0.1...10), strength("largest", 1.5, 0.1...10), probability(0.3)]
    case .saturation:
      [
        strength("smallest", 0.7, 0...10), strength("largest", 1.3, 0...10),
        strength("degrees of hue", 10, 0...180), probability(0.3),
      ]
    case .noise: [strength("deviations", 0.1, 0...10), probability(0.15)]
    case .blur:
      [strength("smallest", 0.5, 0.1...10), strength("largest", 1, 0.1...10), probability(0.15)]
    }
  }

  /// The first block of the step's own part of a tile's random stream.
  ///
  /// So a step's draws do not depend on which other steps are in use. The first three share the
  /// beginning, as they did when there were no others.
  var firstBlock: Int {
    // Parts of 2^28 blocks are enough for the noise of the largest tile.
    let index =
      switch self {
      case .shift, .rotate90, .flip: 0
      case .rotate: 1
      case .scale: 2
      case .elastic: 3
      case .brightness: 4
      case .contrast: 5
      case .gamma: 6
      case .saturation: 7
      case .noise: 8
      case .blur: 9
      }
    return index << 28
  }

  /// The first block of the choice of foreground, which is no step.
  static var foregroundBlock: Int { 10 << 28 }

  /// Whether it moves pixels; otherwise it changes their intensities.
  package var isGeometric: Bool {
    switch self {
    case .shift, .rotate90, .flip, .rotate, .scale, .elastic: true
    case .brightness, .contrast, .gamma, .saturation, .noise, .blur: false
    }
  }
}
