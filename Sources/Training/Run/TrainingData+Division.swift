// How the images of a run are divided into those to train on and those to validate on.

import Configuration
package import Datasets
import Files
import Foundation

/// A division that is not to be found but was made before.
package enum GivenDivision: Sendable {
  /// The text of a file, and its path for messages.
  case file(SplitFile, path: String)
  /// That of versions before groups, which divided samples one by one.
  case ungrouped
}

extension TrainingData {
  /// The groups of a set: as the table says that is given or lies with the data, else by files.
  static func groups(
    of index: SampleIndex, _ configuration: TrainingConfiguration
  ) throws(FileError) -> SampleGroups {
    if let table = configuration.groups { return try SampleGroups(index, table: table) }
    if let data = configuration.data, Folder.isFolder(data) {
      let table = data + "/groups.csv"
      if FileManager.default.fileExists(atPath: table) {
        return try SampleGroups(index, table: table)
      }
    }
    return SampleGroups(index)
  }

  /// Divides a set as a file says, or the set itself by its `parts`, or as the configuration does.
  static func divide(
    _ groups: SampleGroups, parts: [SamplePart?], _ configuration: TrainingConfiguration,
    _ given: GivenDivision?
  ) throws(FileError) -> (split: DatasetSplit, file: SplitFile, remarks: [String]) {
    var remarks = groups.remark.map { [$0] } ?? []
    if case .file(let file, let path) = given {
      // A fold by --folds is written out in the file of the run.
      let fold = configuration.folds == nil ? configuration.fold : nil
      let (split, more) = try file.split(fold: fold, of: groups, path: path)
      var written = SplitFile(split, of: groups.samples)
      (written.folds, written.fold) = (file.folds, fold ?? file.fold)
      return (split, written, remarks + more)
    }
    let seed = configuration.seed
    if let folds = configuration.folds, let fold = configuration.fold {
      let split = try DatasetSplit(groups, fold: fold, of: folds, seed: seed)
      var written = SplitFile(split, of: groups.samples)
      written.fold = fold
      if !parts.isEmpty {
        remarks.append("the set's own division is not used, but --folds")
      }
      written.folds = try DatasetSplit.folds(folds, of: groups, seed: seed).map { ids in
        ids.map { groups.samples[$0] }
      }
      return (split, written, remarks)
    }
    let isOld = if case .ungrouped = given { true } else { false }
    if !isOld, let own = SplitFile(parts: parts, of: groups.samples) {
      if configuration.provenance.given.contains("validation-fraction") {
        remarks.append(
          "the set says which samples are validated on, so --validation-fraction has no effect; "
            + "give --folds or --split to divide it otherwise")
      }
      let (split, more) = try own.split(of: groups, path: configuration.data ?? "--data")
      return (split, own, remarks + more)
    }
    var groups = groups
    if case .ungrouped = given { groups = SampleGroups(single: groups.samples) }
    let split = try DatasetSplit(
      groups, validationFraction: Float(configuration.validationFraction), seed: seed)
    if configuration.validationFraction > 0, split.validation.isEmpty, groups.samples.count > 1 {
      remarks.append(
        "all \(groups.samples.count) images are one group (pages of one file, or as a table of groups says), so "
          + "that none is validated on; "
          + "give --split FILE to divide them by hand, or --validation-data")
    }
    return (split, SplitFile(split, of: groups.samples), remarks)
  }
}
