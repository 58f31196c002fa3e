// The images that a run trains and validates on.

package import Configuration
package import Datasets
import Files
import Foundation
import Liveness
package import Threading

/// The training and validation images of a run, with their classes.
package struct TrainingData: Sendable {
  /// The set that is trained on, and validated on unless there is a set for that.
  package private(set) var dataset: Dataset
  /// The ids that are trained on.
  package let trainingIDs: [Int]
  /// The set that is validated on.
  package let validation: Dataset
  /// The ids that are validated on; none without validation.
  package let validationIDs: [Int]
  private let listing: [String]
  private let instanceListing: [String]
  /// Whether the run takes numbered objects from files, so that they are of the data's digest.
  package var usesInstances = false
  /// The division of the set in names; nil where there is a set for validation.
  package let division: SplitFile?
  /// What a user is to know of the division, a line each.
  package let remarks: [String]
  /// What was recognised in the folders of the data, a line each.
  package let notes: [String]

  /// Gives the images that are trained on weights of their pixels.
  ///
  /// - Throws: `FileError`.
  mutating func weigh(by map: WeightMap) throws { dataset = try dataset.weighted(by: map) }

  /// SHA-256 of the listings, equal on ranks that see the same files.
  package var digest: [UInt8] {
    SHA256.digest(
      of: (listing + (usesInstances ? instanceListing : [])).joined(separator: "\n"))
  }

  /// The digest in hexadecimal, as checkpoints keep it.
  package var digestText: String {
    digest.hexadecimal
  }

  /// SHA-256, in hexadecimal, of which samples are trained on and which validated on.
  package var divisionDigest: String {
    let lines =
      trainingIDs.map { "training \(dataset.names[$0])" }
      + validationIDs.map { "validation \(validation.names[$0])" }
    return SHA256.digest(of: lines.joined(separator: "\n")).hexadecimal
  }

  /// What a plan is made from.
  package let summary: DataSummary

  /// Images of the built-in set when no data is given, and their side.
  private static let syntheticCount = 24
  private static let syntheticSide = 256

  /// Finds, checks and decodes the images that the configuration asks for; collective over the decoding's
  /// crew.
  ///
  /// - Parameter division: how the set is divided; nil divides it as the configuration says.
  /// - Throws: `FileError`.
  package static func read(
    _ configuration: TrainingConfiguration, division: GivenDivision? = nil,
    _ decoding: Decoding = Decoding(), on team: ThreadTeam
  ) throws -> TrainingData {
    var decoding = decoding
    decoding.form = DecodedForm(
      normalization: configuration.intensities.normalization(missingValue: configuration.noData),
      instanceBorders: configuration.instanceBorders)
    let (found, foundToValidate) = try decoding.crew.together {
      try FaultPoint.decode.reach()
      return try findSets(of: configuration)
    }
    let index = try found.map { try SampleIndex($0, decoding) }
    let validation = try foundToValidate.map { try SampleIndex($0, decoding) }
    return try decoding.crew.together {
      try TrainingData(
        configuration, division: division, index: index, validation: validation, on: team)
    }
  }

  /// The files of the set that is trained on and of the one that is validated on, where they are given.
  private static func findSets(
    of configuration: TrainingConfiguration
  ) throws -> (FoundSamples?, FoundSamples?) {
    let found = try FoundSamples.labelled(
      data: configuration.data, images: configuration.images, masks: configuration.masks,
      layout: configuration.layout)
    let foundToValidate = try FoundSamples.labelled(
      data: configuration.validationData, images: nil, masks: nil, layout: configuration.layout)
    try found?.requireSamples(path: configuration.data ?? configuration.images ?? "")
    try foundToValidate?.requireSamples(path: configuration.validationData ?? "")
    if configuration.instanceBorders {
      try found?.requireInstances(path: configuration.data ?? configuration.images ?? "")
      try foundToValidate?.requireInstances(path: configuration.validationData ?? "")
    }
    return (found, foundToValidate)
  }

  /// What a configuration makes of the images that were found.
  private init(
    _ configuration: TrainingConfiguration, division: GivenDivision?, index: SampleIndex?,
    validation stored: SampleIndex?, on team: ThreadTeam
  ) throws {
    var listing: [String]
    var instanceListing: [String] = []
    let divided: (split: DatasetSplit, file: SplitFile, remarks: [String])?
    var (notes, findings): ([String], [String]) = ([], [])
    let seed = configuration.seed
    if let index {
      (notes, findings) = (index.notes, index.remarks)
      let parts = index.parts
      if configuration.validationData != nil {
        // What the set keeps for validation is trained on neither.
        trainingIDs = index.entries.indices.filter { parts.isEmpty || parts[$0] == .training }
        divided = nil
        if !parts.isEmpty {
          findings.append(
            "the set's own samples for validation are not used, but those of --validation-data")
        }
      } else {
        let own = try Self.divide(
          Self.groups(of: index, configuration), parts: parts, configuration, division)
        (divided, trainingIDs) = (own, own.split.training)
      }
      dataset = try Dataset(
        index, mapping: ClassMapping(scanning: index, ignoring: configuration.ignore),
        normalization: index.form.normalization.fitted(to: index, ids: trainingIDs))
      listing = index.listing
      instanceListing = index.instanceListing
    } else {
      let given = [
        ("instance-borders", configuration.instanceBorders),
        ("intensities", configuration.intensities != .perImage),
        ("no-data", configuration.noData != nil), ("ignore", configuration.ignore != nil),
        ("groups", configuration.groups != nil),
      ]
      if let option = given.first(where: \.1)?.0 {
        throw ConfigurationError(
          option: option, expected: "a set of one's own, by --data", found: "the built-in cells")
      }
      dataset = try SyntheticCells.dataset(
        count: Self.syntheticCount, side: Self.syntheticSide, seed: seed, on: team)
      listing = ["synthetic \(Self.syntheticCount) \(Self.syntheticSide) \(seed)"]
      divided =
        configuration.validationData != nil
        ? nil
        : try Self.divide(
          SampleGroups(single: dataset.names), parts: [], configuration, division)
      trainingIDs = divided?.split.training ?? Array(0..<dataset.count)
    }
    if let path = configuration.validationData, let stored {
      notes += stored.notes
      guard let index = stored.adapted(to: dataset.channels) else {
        throw FileError(
          .channelsDiffer, path: path, expected: "images of \(dataset.channels) channels",
          found: "\(stored.channels ?? 0)", hint: "validate on images like those of the training")
      }
      validation = try Dataset(
        index, mapping: dataset.mapping, normalization: dataset.normalization)
      validationIDs = Array(0..<validation.count)
      listing += ["validation"] + index.listing
      instanceListing += ["validation"] + index.instanceListing
      findings += stored.remarks
    } else {
      validation = dataset
      validationIDs = divided?.split.validation ?? []
    }
    (self.division, remarks) = (divided?.file, findings + (divided?.remarks ?? []))
    (self.listing, self.instanceListing) = (listing, instanceListing)
    self.notes = notes
    for (name, set, ids) in [
      ("trained on", dataset, trainingIDs), ("validated on", validation, validationIDs),
    ] where !ids.isEmpty {
      try set.requireLabels(of: ids, purpose: name)
    }
    summary = try DataSummary(of: dataset)
  }
}

extension DataSummary {
  /// The summary of a set, with the images that a division of it keeps for validation.
  ///
  /// So the plan is the same for all seeds and folds, and networks of all folds go into one ensemble.
  ///
  /// - Throws: as `Dataset.image`.
  fileprivate init(of dataset: Dataset) throws {
    let sizes = (0..<dataset.count).map { dataset.size($0) }
    self.init(
      images: dataset.count,
      smallestSide: sizes.map { min($0.width, $0.height) }.min() ?? 1,
      pixels: sizes.reduce(0) { $0 + $1.width * $1.height }, channels: dataset.channels,
      shares: dataset.mapping.shares,
      objectDiameter: try dataset.objectDiameter(of: Array(0..<dataset.count)))
  }
}
