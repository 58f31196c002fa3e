// A division into training and validation, written into a file and read from one.

package import Files
import Foundation

/// The names that are trained on and validated on, as a JSON file holds them.
///
///     {"training": ["slice-0001", ...], "validation": ["slice-0021", ...]}
///
/// A name is that of a sample or of a group, such as a stack without its extension. Without `training` it
/// is all other samples. Of a cross-validation `folds` lists the validation samples of every fold.
package struct SplitFile: Codable, Equatable, Sendable {
  /// The validation samples of each fold, where there are folds.
  package var folds: [[String]]?
  /// The fold of this run, from 1.
  package var fold: Int?
  /// What is trained on; nil for all that is not validated on.
  package var training: [String]?
  /// What is validated on.
  package var validation: [String]?

  /// The greatest accepted size in bytes.
  package static let sizeLimit = 1 << 27

  /// A division of these samples.
  package init(_ split: DatasetSplit, of samples: [String]) {
    training = split.training.map { samples[$0] }
    validation = split.validation.map { samples[$0] }
  }

  /// The division that a set itself says, a part for each sample; nil where it says none.
  package init?(parts: [SamplePart?], of samples: [String]) {
    guard parts.contains(.training), parts.contains(.validation) else { return nil }
    let named = zip(samples, parts)
    training = named.filter { $0.1 == .training }.map(\.0)
    validation = named.filter { $0.1 == .validation }.map(\.0)
  }

  /// What the text of a file says; `path` names it in errors.
  package init(text: String, path: String) throws(FileError) {
    do {
      self = try JSONDecoder().decode(SplitFile.self, from: Data(text.utf8))
    } catch {
      throw FileError(
        path: path, expected: #"{"training": [names], "validation": [names]}"#,
        found: "something else", hint: "write it so, or take a split.json of another run")
    }
  }

  /// The text of the file, a name a line.
  package func text() -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    // Names and numbers can always be written.
    return ((try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "") + "\n"
  }

  /// The ids that the names stand for, and what is to be said of them.
  ///
  /// - Parameter fold: take this fold, from 1, of those in the file; nil takes what the file names.
  /// - Throws: `FileError` for a name that the set does not have, for one on both sides, for nothing to train
  ///   on, for nothing to validate on where `training` is left out, and for a fold that is not there.
  package func split(
    fold: Int? = nil, of groups: SampleGroups, path: String
  ) throws(FileError) -> (split: DatasetSplit, remarks: [String]) {
    var (trained, validated) = (training, validation)
    if let fold {
      guard let folds, folds.indices.contains(fold - 1) else {
        throw FileError(
          path: path, expected: "a fold \(fold)", found: "\(folds?.count ?? 0) folds",
          hint: "leave --fold out, or give the split.json of a run with --folds")
      }
      (trained, validated) = (nil, folds[fold - 1])
    }
    // A run without validation has written both sides, of which one is empty.
    guard let validated, !validated.isEmpty || trained != nil else {
      throw FileError(
        path: path, expected: "names under validation", found: "none",
        hint: "name samples to validate on, or give --validation-fraction 0 instead")
    }
    var known: [String: [Int]] = [:]
    for members in groups.members { known[groups.names[members[0]]] = members }
    // A sample's name wins over that of a group.
    for (id, name) in groups.samples.enumerated() { known[name] = [id] }
    func ids(_ names: [String]) throws(FileError) -> Set<Int> {
      var result: Set<Int> = []
      for name in names {
        guard let ids = known[name] else {
          throw FileError(
            path: path, expected: "names of samples or groups of the set", found: name,
            hint: "names have no folder and no extension; pages are called NAME-0001 and so on")
        }
        result.formUnion(ids)
      }
      return result
    }
    let right = try ids(validated)
    let left = try trained.map(ids) ?? Set(groups.samples.indices).subtracting(right)
    if let both = left.intersection(right).min() {
      throw FileError(
        path: path, expected: "each sample on one side",
        found: "\(groups.samples[both]) under training and under validation",
        hint: "take it off one of them")
    }
    guard !left.isEmpty else {
      throw FileError(
        path: path, expected: "samples to train on", found: "none",
        hint: "leave some out of validation")
    }
    return (
      DatasetSplit(training: left, validation: right),
      remarks(left: left, right: right, groups, path)
    )
  }

  private func remarks(
    left: Set<Int>, right: Set<Int>, _ groups: SampleGroups, _ path: String
  ) -> [String] {
    var remarks: [String] = []
    let unused = groups.samples.count - left.count - right.count
    if unused > 0 {
      remarks.append(
        "\(path): \(unused) of \(groups.samples.count) samples are on neither side, and are not used"
      )
    }
    let torn = groups.members.filter { members in
      members.contains(where: left.contains) && members.contains(where: right.contains)
    }
    if let first = torn.first {
      remarks.append(
        "\(path): samples of \(torn.count == 1 ? "the group" : "\(torn.count) groups, such as") "
          + "\(groups.names[first[0]]) are on both sides, so that scores say less of new images")
    }
    return remarks
  }
}
