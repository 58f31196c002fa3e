// The values of all masks of a set, and what is odd about them.

import Files
import Foundation
import Imaging

/// The pixels of each value in the masks seen so far, and signs that values are no classes.
struct MaskCensus {
  private(set) var counts: [Int64: Int] = [:]
  /// The pixels whose images hold no measurement, which are of no value.
  private(set) var missingPixelCount = 0
  /// The pixels of values that are no data by their masks' files.
  private var noData: [Int64: Int] = [:]
  /// Whether files call 0 no data, and nothing else says that it is a class.
  private var isZeroNoData = false
  /// The value that is no class.
  private let ignored: Int64?
  /// The values that somebody has named: they are classes, and so are all others beside them.
  private let named: Set<Int64>

  /// The pairs of a mask and an object's value in masks of several, those of one piece, and the large ones.
  private var pieces = (all: 0, single: 0, large: 0)
  /// Whether each mask has the values 1...n for some n, and the n there are.
  private var numbering: (isGapless: Bool, counts: Set<Int>) = (true, [])
  /// The values of objects in masks of several, the masks, and whether no two of these have one in common.
  private var several: (values: Set<Int64>, masks: Int, areDisjoint: Bool) = ([], 0, true)
  /// The ways in which masks are scaled: the values of each that are not 0.
  private var scales: Set<[Int]> = []
  private var hasJPEG = false
  private var firstPath = ""

  /// More values than this are hardly classes without names.
  private static let plausibleClassCount = 32
  /// Most objects have so many pixels; noise has not.
  private static let leastObjectPixelCount = 12

  init(ignored: MaskValue? = nil, named: Set<MaskValue> = []) {
    self.ignored = ignored?.packed
    self.named = Set(named.map(\.packed))
  }

  private var isNamed: Bool { !named.isEmpty }

  /// The values of classes.
  private var classValues: [Int64] { counts.keys.filter { $0 != ignored } }
  private var objectValues: [Int64] { classValues.filter { $0 != 0 } }

  // MARK: - Counting

  /// Adds a mask.
  ///
  /// - Throws: `FileError` naming `path` where there are more values than classes can be, and for one
  ///   that is no mask.
  mutating func add(_ mask: Image, path: String) throws(FileError) {
    var count = MaskSummary.Count(width: mask.width, height: mask.height)
    _ = count.add(
      try MaskValue.packedValues(of: mask, path: path), noData: MaskValue.noData(of: mask),
      borders: nil, missing: nil)
    try add(MaskSummary(count), path: path)
  }

  /// Adds a mask of which this is known.
  mutating func add(_ mask: MaskSummary, path: String) throws(FileError) {
    for value in mask.values { counts[value.value, default: 0] += value.pixels }
    if let other = mask.noData { noData[other.value, default: 0] += other.pixels }
    missingPixelCount += mask.missingPixels
    if firstPath.isEmpty { firstPath = path }
    hasJPEG = hasJPEG || [".jpg", ".jpeg"].contains { path.lowercased().hasSuffix($0) }
    addObjects(of: mask)
    guard classValues.count <= ClassMapping.maximumClassCount else {
      if hasNumberedObjects { throw numberedObjects(path) }
      throw FileError(
        .tooManyValues, path: path,
        expected: "at most \(ClassMapping.maximumClassCount) different mask values in a set",
        found: "more",
        hint: "a mask has one value a class: save it without JPEG compression, smoothing or "
          + "numbers of single objects")
    }
  }

  /// Notes in how many pieces each value is, in a mask of several.
  private mutating func addObjects(of mask: MaskSummary) {
    let objects = mask.values.filter { $0.value != 0 && $0.value != ignored }
    guard !objects.isEmpty else { return }
    numbering.counts.insert(objects.count)
    let gapless = (1...objects.count).map { MaskValue(grey: $0).packed }
    numbering.isGapless = numbering.isGapless && objects.map(\.value) == gapless
    // More values than a scale has steps are no classes, or will be told of as such.
    if objects.count <= Self.plausibleClassCount, scales.count <= Self.plausibleClassCount {
      let values = objects.map { MaskValue(packed: $0.value) }
      if values.allSatisfy(\.isGrey) { scales.insert(values.map(\.red)) }
    }
    guard objects.count > 1 else { return }
    let values = objects.map(\.value)
    several.masks += 1
    several.areDisjoint = several.areDisjoint && several.values.isDisjoint(with: values)
    several.values.formUnion(values)
    pieces.all += objects.count
    pieces.single += objects.count { $0.pieces == 1 }
    pieces.large += objects.count { $0.pixels >= Self.leastObjectPixelCount }
  }

  /// Decides, after the last mask, whether what files call no data is of a class.
  ///
  /// It is where its value is named, where other masks have it as an ordinary one, and where there would be
  /// fewer than two classes without it; and 0 is, which programs write of a background by themselves.
  mutating func settle() {
    func count(_ values: [Int64]) {
      for value in values {
        if let pixels = noData.removeValue(forKey: value) { counts[value, default: 0] += pixels }
      }
    }
    let zero = MaskValue(grey: 0).packed
    count(noData.keys.filter { counts[$0] != nil || named.contains($0) || $0 == ignored })
    isZeroNoData = noData[zero] != nil
    count([zero])
    if classValues.count < 2 { count(Array(noData.keys)) }
  }

  // MARK: - Findings

  /// Whether nearly every value is one piece in each mask, and most are as large as an object.
  private var arePieces: Bool {
    !isNamed && pieces.all > 0 && pieces.single * 20 >= pieces.all * 19
      && pieces.large * 2 >= pieces.all
  }

  private var hasNumberedObjects: Bool {
    arePieces && objectValues.count > Self.plausibleClassCount
  }

  private func numberedObjects(_ path: String) -> FileError {
    FileError(
      .numberedObjects, path: path, expected: "masks of one value a class",
      found: "\(objectValues.count) values of one piece each, which look like numbers of objects",
      hint:
        "put these files into instances/ and masks of one value for all objects into masks/; if "
        + "the values are classes, name them in classes.json")
  }

  /// Refuses masks that number single objects.
  ///
  /// - Throws: `FileError` naming the first mask.
  func check() throws(FileError) {
    if hasNumberedObjects { throw numberedObjects(firstPath) }
  }

  /// What a user is to know of the values, a line each.
  var warnings: [String] {
    let classes = classValues.sorted()
    if let only = classes.first, classes.count == 1 {
      return [
        "all masks hold the one value \(MaskValue(packed: only)): there are no classes to tell apart"
      ]
    }
    var warnings = noDataLines
    let objects = objectValues.sorted().map { MaskValue(packed: $0) }
    if !hasNearValues, let reason = reasonForObjects {
      warnings.append(
        "\(reason) and are one piece each: they look "
          + "like numbers of objects, and are trained as \(objects.count) classes; if they are, put "
          + "these files into instances/ and masks of one value for all objects into masks/; if not, "
          + "a classes.json that names them keeps this still")
    }
    if let (first, other) = twoScales {
      func text(_ values: [Int]) -> String {
        "0" + values.dropLast().map { ", \($0)" }.joined() + " and \(values.last ?? 0)"
      }
      warnings.append(
        "some masks are of \(text(first)), others of \(text(other)), which makes \(classes.count) "
          + "classes; if they mean the same, save these masks alike")
    }
    if classes.count > 2, hasJPEG || hasNearValues {
      warnings.append(
        "the masks hold \(classes.count) values, some of them rare and next to others, as JPEG, smoothing "
          + "and scaling make them; each is a class, so save masks without loss")
    } else if classes.count > Self.plausibleClassCount {
      warnings.append(
        "\(classes.count) different mask values make \(classes.count) classes; masks saved as JPEG, "
          + "smoothed, or with numbers of single objects have more values than classes")
    }
    return warnings
  }

  /// What became of values that files call no data, a line each.
  private var noDataLines: [String] {
    let total = counts.values.reduce(0, +) + noData.values.reduce(0, +)
    // Of two classes 0 is the background.
    let zero =
      isZeroNoData && classValues.count > 2
      ? [
        "the value 0 is no data by the masks' files, and is taken for a class, as that of the background; "
          + "--ignore 0 leaves its pixels out"
      ] : []
    return zero
      + noData.sorted { $0.key < $1.key }.map { value, pixels in
        let share = String(format: "%.2f", 100 * Double(pixels) / Double(max(1, total)))
        return
          "the value \(MaskValue(packed: value)) is no data by the masks' files: \(share) % of "
          + "the pixels count as unlabelled; if it is a class, name it in classes.json"
      }
  }

  /// Why values look like numbers of few objects; nil where they do not.
  ///
  /// Classes may be one piece each too, as organs are. So they have to differ from mask to mask as numbers do,
  /// or be many in a set of few masks.
  private var reasonForObjects: String? {
    let objects = objectValues.sorted().map { MaskValue(packed: $0) }
    guard let first = objects.first, let last = objects.last, objects.count > 2, arePieces else {
      return nil
    }
    if pieces.single == pieces.all, numbering.isGapless, numbering.counts.count > 1 {
      return "the values 1 to \(objects.count) count from 1 in every mask"
    }
    let areMany = objects.count > Self.usualObjectClassCount && several.masks <= Self.fewMasks
    let areDisjoint = several.masks > 1 && several.areDisjoint
    guard areMany || areDisjoint || objects.count > 3 * Self.usualObjectClassCount else {
      return nil
    }
    return "the \(objects.count) values from \(first) to \(last) are "
      + (areDisjoint ? "others in every mask" : "many for classes")
  }

  /// Values beside 0 up to which masks are hardly of objects, if nothing else tells.
  private static let usualObjectClassCount = 4
  /// Masks up to which the same values in each may be numbers by chance.
  private static let fewMasks = 3

  /// The values beside 0 of two masks that have as many classes on two scales: 1, 2 and 127, 255.
  private var twoScales: (first: [Int], other: [Int])? {
    guard !isNamed else { return nil }
    // A mask that lacks some of the classes goes along with one that has them all.
    let whole = scales.filter { scale in
      !scales.contains { $0.count > scale.count && Set(scale).isSubset(of: $0) }
    }.sorted { $0.lexicographicallyPrecedes($1) }
    for (index, first) in whole.enumerated() {
      for other in whole[(index + 1)...] where other.count == first.count {
        guard let one = Self.range(of: first), let two = Self.range(of: other) else { continue }
        if one != two { return (first, other) }
      }
    }
    return nil
  }

  /// The greatest value of the range over which n values are spread evenly: n itself, that of 8 or of 16 bits.
  private static func range(of values: [Int]) -> Int? {
    [values.count, 255, 65_535].first { limit in
      // Halves of an odd range are rounded up or down.
      values.enumerated().allSatisfy { index, value in
        abs(value * values.count - limit * (index + 1)) < values.count
      }
    }
  }

  /// Whether rare grey values lie as lossy compression, smoothing and scaling leave them: next to both the
  /// darkest and the brightest frequent one, or all over the range between them.
  private var hasNearValues: Bool {
    let total = classValues.reduce(0) { $0 + (counts[$1] ?? 0) }
    let greys = classValues.map { MaskValue(packed: $0) }.filter(\.isGrey)
    func isRare(_ value: MaskValue) -> Bool { (counts[value.packed] ?? 0) * 100 < total }
    let rare = greys.filter(isRare).map(\.red)
    let frequent = greys.filter { !isRare($0) }.map(\.red)
    guard !isNamed, let low = frequent.min(), let high = frequent.max(), high - low > 64 else {
      return false
    }
    if [low, high].allSatisfy({ end in rare.contains { abs($0 - end) <= 16 } }) { return true }
    // Numbers of classes lie close together at one end; what scaling makes lies all over the range.
    let between = rare.filter { low < $0 && $0 < high }
    return between.count > 3 && (between.max() ?? 0) - (between.min() ?? 0) > 64
  }
}
