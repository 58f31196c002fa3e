// Which mask value is which class, and how often each occurs.

package import Files
import Foundation
package import Imaging
import Tensors

/// The classes of a data set: mask values in ascending order, numbered from 0.
///
/// The mapping found in the training masks is stored with the weights, so that evaluation numbers
/// the classes in the same way.
package struct ClassMapping: Sendable, Equatable {
  /// One class.
  package struct Class: Codable, Sendable, Equatable {
    /// The value it has in masks.
    package let value: MaskValue
    /// Its name, where the set gives one.
    package let name: String?
    /// The pixels of this class in the masks that were scanned; 0 where a file does not tell.
    package let pixelCount: Int

    init(value: MaskValue, name: String?, pixelCount: Int) {
      self.value = value
      self.name = name
      self.pixelCount = pixelCount
    }

    /// The class that a file holds, of this version or another.
    package init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      value = try values.decode(MaskValue.self, forKey: .value)
      name = try values.decodeIfPresent(String.self, forKey: .name)
      pixelCount = try values.decodeIfPresent(Int.self, forKey: .pixelCount) ?? 0
    }
  }

  /// The most classes there can be: a label is one byte, of which 255 stands for what is ignored.
  package static let maximumClassCount = 255

  /// The classes; a class's label is its position here.
  package let classes: [Class]
  /// The mask value of pixels that are neither learnt nor scored, and of no class.
  package let ignored: MaskValue?
  /// Pixels of the ignored value in the masks that were scanned; 0 where a file does not tell.
  package let ignoredPixelCount: Int
  /// What a user is to know of the values in the masks that were scanned, a line each.
  package let warnings: [String]

  /// The number of classes.
  package var count: Int { classes.count }

  /// The values in the masks, by label.
  package var values: [MaskValue] { classes.map(\.value) }

  /// What to call each class: its name, or `value V` where there is none.
  package var names: [String] {
    classes.map { $0.name ?? "value \($0.value)" }
  }

  /// The part of all scanned pixels of classes in each; the sum is 1.
  package var shares: [Double] {
    let total = classes.reduce(0) { $0 + $1.pixelCount }
    return classes.map { total == 0 ? 0 : Double($0.pixelCount) / Double(total) }
  }

  /// The label of the class with the most scanned pixels, the first of them; 0 where a file does not
  /// tell.
  package var mostFrequent: Int {
    let most = classes.map(\.pixelCount).max()
    return classes.firstIndex { $0.pixelCount == most } ?? 0
  }

  /// A table for people, one line a class: label, mask value, share of the pixels, name.
  package var table: String {
    let rows =
      [["class", "value", "share", "name"]]
      + zip(classes.indices, shares).map { label, share in
        ["\(label)", "\(classes[label].value)", Self.percent(share), names[label]]
      }
    let widths = (0..<3).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = (0..<3).map { column in
        String(repeating: " ", count: widths[column] - row[column].count) + row[column]
      }
      return (cells + [row[3]]).joined(separator: "  ")
    }.joined(separator: "\n")
  }

  // MARK: - Finding

  /// The values found in all masks of an index but for `ignored`, or what the set itself says is of no
  /// class, called by the names that the set gives.
  ///
  /// A value that has only a name is no class: the set could not teach it.
  ///
  /// - Throws: `FileError` naming the mask with which there are more than 255 values, one of masks
  ///   that number objects, or the file of names; `FileError` for a mask that cannot be decoded.
  /// - Precondition: the index was not made for prediction, without masks.
  package init(scanning index: SampleIndex, ignoring ignored: MaskValue? = nil) throws {
    let given = try index.classNames.contents()
    let names = given.names
    let own = index.ignored ?? given.ignored
    let asked = ignored
    let ignored = asked ?? own
    var census = MaskCensus(ignored: ignored, named: Set(names.keys))
    for entry in index.entries {
      guard let decoded = index.decoded, let path = entry.maskPath else {
        preconditionFailure("an index made for prediction has no masks to scan")
      }
      let summary = decoded.samples[entry.id].summary
      try index.knownValues?.check(summary, path: path, ignoring: ignored)
      try census.add(summary, path: path)
    }
    census.settle()
    guard census.counts.keys.contains(where: { $0 != ignored?.packed }) else {
      let isMissing = census.missingPixelCount > 0
      throw FileError(
        .noImages, path: index.entries.first?.maskPath ?? "the masks",
        expected: "masks with a class",
        found: isMissing
          ? "nothing but pixels that are ignored or hold no measurement"
          : "nothing but the ignored value",
        hint: isMissing
          ? "check what the images and --no-data name as no measurement"
          : "name with --ignore the value of pixels that nobody has labelled")
    }
    try census.check()
    let found = census.counts.keys.map { MaskValue(packed: $0) }
    self.init(
      census, names: names, ignoring: ignored,
      warnings: [
        index.knownValues?.missing(among: found), Self.exchange(of: own, for: asked, among: found),
      ].compactMap(\.self))
  }

  /// What is said where a value is ignored in the place of the one that the set itself ignores.
  private static func exchange(
    of own: MaskValue?, for asked: MaskValue?, among found: [MaskValue]
  ) -> String? {
    guard let own, let asked, own != asked, found.contains(own) else { return nil }
    return
      "--ignore \(asked) takes the place of the value \(own), which the set ignores: its pixels are a class now"
  }

  /// The values found in masks in memory; `name` stands for the file in an error.
  package init(
    scanning masks: [(name: String, mask: Image)], names: [MaskValue: String] = [:]
  ) throws(FileError) {
    var census = MaskCensus(named: Set(names.keys))
    for (name, mask) in masks {
      try census.add(mask, path: name)
    }
    census.settle()
    try census.check()
    self.init(census, names: names, ignoring: nil)
  }

  private init(
    _ census: MaskCensus, names: [MaskValue: String], ignoring ignored: MaskValue?,
    warnings: [String] = []
  ) {
    self.ignored = ignored
    self.warnings = census.warnings + warnings
    ignoredPixelCount = ignored.flatMap { census.counts[$0.packed] } ?? 0
    classes = census.counts.filter { $0.key != ignored?.packed }.sorted { $0.key < $1.key }.map {
      packed, count in
      let value = MaskValue(packed: packed)
      return Class(value: value, name: names[value], pixelCount: count)
    }
  }

  // MARK: - Labels

  /// The label of every pixel of a mask, in rows from the top; `ignoredLabel` for ignored ones.
  ///
  /// - Throws: `FileError` naming `path`, the value and its first position when the mapping does
  ///   not know a value.
  package func labels(of mask: Image, path: String) throws(FileError) -> [UInt8] {
    let values = try MaskValue.packedValues(of: mask, path: path)
    var encoder = MaskEncoder()
    let pixels = encoder.add(
      values, noData: MaskValue.noData(of: mask), borders: nil, missing: nil)
    // A mask of more values than two bytes can tell has some that are no class.
    let labels = try labels(of: encoder.codes, width: mask.width, path: path)
    return pixels.map { labels[Int($0)] }
  }

  /// The labels of a mask's codes; there are as many as its codes could be, of which those after the last
  /// are 0.
  ///
  /// What holds no measurement is ignored, and so is what is no data by the mask's file, unless it is of a
  /// class (see `MaskCensus.settle`); what lies between objects that touch is of the first class.
  ///
  /// - Throws: as `labels(of:path:)`, for a mask whose rows have `width` pixels.
  func labels(of codes: MaskCodes, width: Int, path: String) throws(FileError) -> [UInt8] {
    var labelOf: [Int64: UInt8] = [:]
    for (label, entry) in classes.enumerated() {
      labelOf[entry.value.packed] = UInt8(label)
    }
    if let ignored { labelOf[ignored.packed] = ignoredLabel }
    let strangers = codes.meanings.filter {
      labelOf[$0.value] == nil && $0.kind != .missing && $0.kind != .noData
    }
    if let stranger = strangers.min(by: { $0.first < $1.first }) {
      throw FileError(
        .unknownValue, path: path,
        expected: "the mask values " + self.values.map(\.description).joined(separator: ", "),
        found: "\(MaskValue(packed: stranger.value)) at x \(stranger.first % width), "
          + "y \(stranger.first / width)",
        hint:
          "correct the mask, save it on the scale of the others if it has another one, or train "
          + "with a set that has this class")
    }
    var labels = [UInt8](repeating: 0, count: 1 << (8 * codes.byteCount))
    for (code, meaning) in codes.meanings.enumerated() {
      let label = labelOf[meaning.value] ?? ignoredLabel
      switch meaning.kind {
      case .plain, .noData: labels[code] = label
      case .border: labels[code] = label == ignoredLabel ? label : 0
      case .missing: labels[code] = ignoredLabel
      }
    }
    return labels
  }

  private static func percent(_ share: Double) -> String {
    String(format: "%.2f %%", share * 100)
  }
}

extension ClassMapping: Codable {
  private enum CodingKeys: CodingKey {
    case classes
    case ignored
  }

  /// Reads a mapping and checks it: 1...255 classes in ascending order of their values.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    classes = try container.decode([Class].self, forKey: .classes)
    ignored = try container.decodeIfPresent(MaskValue.self, forKey: .ignored)
    ignoredPixelCount = 0
    warnings = []
    let isAscending = zip(classes, classes.dropFirst()).allSatisfy { $0.value < $1.value }
    guard isAscending && (1...Self.maximumClassCount).contains(classes.count) else {
      throw DecodingError.dataCorruptedError(
        forKey: .classes, in: container,
        debugDescription: "expected 1...255 classes in ascending order of their mask values")
    }
  }

  /// Writes the classes in order.
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(classes, forKey: .classes)
    try container.encodeIfPresent(ignored, forKey: .ignored)
  }
}
