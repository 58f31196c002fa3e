// The values of all masks of a set, and what is odd about them.

import Files
import Imaging

/// The pixels of each value in the masks seen so far, and signs that values are no classes.
struct MaskCensus {
  private(set) var counts: [Int64: Int] = [:]
  /// The value that is no class.
  private let ignored: Int64?
  /// Whether somebody has named the values: then they are classes.
  private let isNamed: Bool

  /// The pairs of a mask and an object's value in masks of several, those of one piece, and their pixels.
  private var pieces = (all: 0, single: 0, pixels: 0)
  /// Whether each mask has the values 1...n for some n, and the n there are.
  private var numbering: (isGapless: Bool, counts: Set<Int>) = (true, [])
  /// Whether a mask has more than one value beside 0.
  private var hasSeveral = false
  private var hasJPEG = false
  private var firstPath = ""

  /// More values than this are hardly classes without names.
  private static let plausibleClassCount = 32
  /// Objects are larger than this on average, in pixels; noise is not.
  private static let leastObjectPixelCount = 12

  init(ignored: MaskValue? = nil, isNamed: Bool = false) {
    self.ignored = ignored?.packed
    self.isNamed = isNamed
  }

  /// The values of classes.
  private var classValues: [Int64] { counts.keys.filter { $0 != ignored } }
  private var objectValues: [Int64] { classValues.filter { $0 != 0 } }

  // MARK: - Counting

  /// Adds a mask.
  ///
  /// - Throws: `FileError` naming `path` where there are more values than classes can be, and for one
  ///   that is no mask.
  mutating func add(_ mask: Image, path: String) throws(FileError) {
    let values = try MaskValue.packedValues(of: mask, path: path)
    try add(MaskSummary(values, width: mask.width), path: path)
  }

  /// Adds a mask of which this is known.
  mutating func add(_ mask: MaskSummary, path: String) throws(FileError) {
    for value in mask.values { counts[value.value, default: 0] += value.pixels }
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
    guard objects.count > 1 else { return }
    hasSeveral = true
    pieces.all += objects.count
    pieces.single += objects.count { $0.pieces == 1 }
    pieces.pixels += objects.reduce(0) { $0 + $1.pixels }
  }

  // MARK: - Findings

  /// Whether nearly every value is one piece in each mask, and as large as an object.
  private var arePieces: Bool {
    !isNamed && pieces.all > 0 && pieces.single * 20 >= pieces.all * 19
      && pieces.pixels >= Self.leastObjectPixelCount * pieces.all
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
    var warnings: [String] = []
    let objects = objectValues.sorted().map { MaskValue(packed: $0) }
    if objects.count > 2, arePieces, pieces.single == pieces.all, numbering.isGapless,
      numbering.counts.count > 1
    {
      warnings.append(
        "the values 1 to \(objects.count) count from 1 in every mask and are one piece each: they look "
          + "like numbers of objects, and are trained as \(objects.count) classes; if they are, put "
          + "these files into instances/ and masks of one value for all objects into masks/")
    }
    if objects == [MaskValue(grey: 1), MaskValue(grey: 255)], !hasSeveral {
      warnings.append(
        "some masks are of 0 and 1, others of 0 and 255, which makes 3 classes; if 1 and 255 mean the "
          + "same, save these masks alike")
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

  /// Whether rare grey values lie next to both the darkest and the brightest frequent one.
  private var hasNearValues: Bool {
    let total = classValues.reduce(0) { $0 + (counts[$1] ?? 0) }
    let greys = classValues.map { MaskValue(packed: $0) }.filter(\.isGrey).map { value in
      (value: value.red, isRare: (counts[value.packed] ?? 0) * 100 < total)
    }
    let frequent = greys.filter { !$0.isRare }.map(\.value)
    guard let low = frequent.min(), let high = frequent.max(), high - low > 64 else { return false }
    func rareCount(_ range: ClosedRange<Int>) -> Int {
      greys.count { $0.isRare && range.contains($0.value) }
    }
    return rareCount(low - 16...low + 16) > 1 && rareCount(high - 16...high + 16) > 1
  }
}
