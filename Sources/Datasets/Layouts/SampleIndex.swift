// The list of samples of a data set: which image belongs to which mask, in a fixed order.

package import Files
import Foundation
package import Imaging

/// The samples of a data set, sorted by the bytes of their names, with their files.
///
/// The order does not depend on the file system or the locale, so every rank that sees the same
/// files gives every sample the same id.
package struct SampleIndex: Sendable {
  /// The size of an image as stored.
  package struct Size: Sendable, Equatable, CustomStringConvertible {
    /// Columns.
    package let width: Int
    /// Rows.
    package let height: Int
    /// Samples a pixel.
    package let channels: Int

    /// Width x height x channels.
    package var description: String { "\(width)x\(height)x\(channels)" }
  }

  /// One sample: an image, and its mask where there is one.
  package struct Entry: Sendable, Equatable {
    /// The position in `entries`.
    package let id: Int
    /// Where it is read from.
    package let source: SampleSource
    /// The image's size as it is used; nil in an index made for prediction, which decodes nothing.
    ///
    /// Its channels are those of the set, which the stored ones become by ``ImageChannels``.
    package fileprivate(set) var size: Size?
    /// The channels that it may have; nil in an index made for prediction.
    package var channels: ImageChannels?

    /// The file's stem; pages of a stack are called `STEM-0001`, `STEM-0002`, ...
    package var name: String { source.name }
    /// The image's file, or that of its first channel.
    package var imagePath: String { source.image.first.path }
    /// The image's page in its file, from 0.
    package var imagePage: Int { source.image.first.page }
    /// The mask's file; nil in an index made for prediction.
    package var maskPath: String? { source.mask?.first.path }
    /// The mask's page in its file, from 0.
    package var maskPage: Int { source.mask?.first.page ?? 0 }
    /// Where the image's objects are numbered; nil where they are not.
    var instances: InstanceSource? { source.instances }

    /// The image as it is stored.
    ///
    /// - Parameter missingValue: the value of samples that are no measurement, in addition to what files name.
    /// - Throws: `FileError` for a file that cannot be decoded.
    package func image(missingValue: Double? = nil) throws(FileError) -> Image {
      try source.image.read(missingValue: missingValue)
    }
  }

  /// The samples; a sample's id is its position here.
  package private(set) var entries: [Entry]
  /// What the set calls the values of its masks.
  package let classNames: ClassNameSource
  /// The mask value that the set says is of no class.
  package let ignored: MaskValue?
  /// The values that the set says its masks have, where it does.
  let knownValues: KnownValues?
  /// What was recognised, guessed and passed over, a line each.
  package let notes: [String]
  /// What was made alike or left out of the images, a line each.
  package private(set) var remarks: [String] = []
  /// The decoded samples; nil in an index made for prediction.
  let decoded: DecodedSet?
  /// How they were decoded.
  package let form: DecodedForm
  /// The files that were passed over because they cannot be opened; of an index made for prediction.
  package private(set) var unreadable: [UnreadableFile] = []

  /// The channels of every image; nil in an index made for prediction.
  package var channels: Int? { entries.first?.size?.channels }

  /// Whether the objects of the images are numbered.
  package var hasInstances: Bool { entries.contains { $0.instances != nil } }

  /// What the set itself says that each sample is for; empty unless it names some for either part.
  package var parts: [SamplePart?] {
    let parts = entries.map(\.source.part)
    return parts.contains(.training) && parts.contains(.validation) ? parts : []
  }

  /// One line a sample, `NAME WIDTHxHEIGHTxCHANNELS`: equal on two ranks that see the same set.
  package var listing: [String] {
    entries.map { entry in entry.size.map { "\(entry.name) \($0)" } ?? entry.name }
  }

  /// The names of the samples whose objects are numbered.
  package var instanceListing: [String] {
    entries.filter { $0.instances != nil }.map { "instances \($0.name)" }
  }

  /// The index of samples that were found, which are decoded; collective.
  ///
  /// Every file is decoded once, to know that it can be and that the sizes agree.
  ///
  /// - Throws: `FileError`, naming the file.
  package init(_ found: FoundSamples, _ decoding: Decoding = Decoding()) throws {
    let sources = try decoding.crew.together { try Self.sorted(found.sources) }
    let decoded = try decoding.decoded(sources)
    (self.decoded, form) = (decoded, decoding.form)
    (entries, remarks) = try decoding.crew.together { try Self.entries(sources, decoded) }
    classNames = found.classNames
    (ignored, knownValues) = (found.ignored, found.knownValues)
    let overlap = decoded.samples.reduce(0) { $0 + $1.overlapCount }
    notes =
      found.notes + [found.test?.note].compactMap(\.self) + Self.fileNotes(sources)
      + (overlap == 0
        ? [] : ["pixels of several objects, each taken for the first one's: \(overlap)"])
      + [Self.missingNote(decoded)].compactMap(\.self)
  }

  /// What is passed over or taken in an own way of what image files hold.
  private static func fileNotes(_ sources: [SampleSource]) -> [String] {
    var contents: [String: ImageFile.Contents] = [:]
    for source in sources where source.contents != nil {
      contents[source.image.first.path] = source.contents
    }
    /// How many files there are, by the name of the first one.
    func files(_ isOne: (ImageFile.Contents) -> Bool) -> String? {
      let paths = contents.filter { isOne($0.value) }.keys.sorted(by: Paths.precedes)
      guard let first = paths.first else { return nil }
      return paths.count == 1 ? first : "\(first) and \(paths.count - 1) more"
    }
    return [
      files { $0.passedOverCount > 0 }.map {
        "\($0): passed over pages that are smaller copies, photographs of the slide or transparency masks"
      },
      files { $0.volumeCount > 1 }.map {
        "\($0): volumes along the fourth axis are taken for channels"
      },
    ].compactMap(\.self)
  }

  /// How many pixels hold no measurement, where some do.
  private static func missingNote(_ decoded: DecodedSet) -> String? {
    let missing = decoded.samples.reduce(0) { $0 + $1.summary.missingPixels }
    guard missing > 0 else { return nil }
    let share = 100 * Double(missing) / Double(decoded.samples.reduce(0) { $0 + $1.pixelCount })
    return String(
      format: "no measurement: %.2f %% of the pixels, which are neither learnt nor scored", share)
  }

  // MARK: - Finding

  /// The samples of a folder, or a table of them, in any layout that is known (see `DatasetLayouts`).
  ///
  /// - Throws: `FileError`, naming the file.
  package static func folder(
    _ path: String, layout: LayoutChoice = .automatic, _ decoding: Decoding = Decoding()
  ) throws -> SampleIndex {
    try SampleIndex(
      decoding.crew.together { try DatasetLayouts.found(at: path, layout) }, decoding)
  }

  /// The samples of two folders, of two stacks with equally many pages, or of two single files
  /// (``FoundSamples/pair(images:masks:)``).
  ///
  /// - Throws: `FileError`, naming the file.
  package static func pair(
    images: String, masks: String, _ decoding: Decoding = Decoding()
  ) throws -> SampleIndex {
    try SampleIndex(
      decoding.crew.together { try FoundSamples.pair(images: images, masks: masks) }, decoding)
  }

  /// An index made for prediction.
  init(images: [SampleSource], notes: [String], unreadable: [UnreadableFile]) throws {
    entries = try Self.sorted(images).enumerated().map { Entry(id: $0, source: $1, size: nil) }
    (classNames, ignored, knownValues) = (.given([:]), nil, nil)
    (self.notes, self.unreadable) = (notes + Self.fileNotes(images), unreadable)
    (decoded, form) = (nil, DecodedForm())
  }

  // MARK: - What all layouts share

  /// Sorts by the bytes of the names and refuses two of one name.
  private static func sorted(_ sources: [SampleSource]) throws -> [SampleSource] {
    let sorted = sources.sorted { Paths.precedes($0.name, $1.name) }
    for (first, second) in zip(sorted, sorted.dropFirst()) where first.name == second.name {
      throw duplicateName(second.name, second.image.first.path, first.image.first.path)
    }
    return sorted
  }

  /// The error of a file of which a sample has the name of another one's.
  static func duplicateName(_ name: String, _ path: String, _ other: String) -> FileError {
    FileError(
      .duplicateName, path: path, expected: "one sample called \(name)", found: "\(other) too",
      hint: "rename one of the files")
  }

  /// The index with its images in `channels`, or nil where one of them cannot have them.
  package func adapted(to channels: Int) -> SampleIndex? {
    var result = self
    for (id, entry) in entries.enumerated() {
      guard let size = entry.size, entry.channels?.canBe(channels) == true else { return nil }
      result.entries[id].size = Size(width: size.width, height: size.height, channels: channels)
    }
    return result
  }

  /// The entries of decoded samples, of which all images can have the same channels.
  private static func entries(
    _ sources: [SampleSource], _ decoded: DecodedSet
  ) throws -> (entries: [Entry], remarks: [String]) {
    var entries: [Entry] = []
    for (source, sample) in zip(sources, decoded.samples) {
      let channels = sample.possibleChannels
      if let first = entries.first, let other = first.channels, !channels.goes(with: other) {
        throw FileError(
          .channelsDiffer, path: source.image.first.description,
          expected: "\(kind(other.stored)), as \(first.imagePath)", found: kind(sample.channels),
          hint: "convert the images of a set to one kind")
      }
      let size = Size(width: sample.width, height: sample.height, channels: sample.channels)
      entries.append(Entry(id: entries.count, source: source, size: size, channels: channels))
    }
    let (common, remark) = ImageChannels.reconciled(entries.compactMap(\.channels))
    for id in entries.indices {
      guard let size = entries[id].size else { continue }
      entries[id].size = Size(width: size.width, height: size.height, channels: common)
    }
    func alpha(_ kind: String, _ hasIt: (DecodedSample) -> Bool) -> String? {
      let count = decoded.samples.count(where: hasIt)
      guard count > 0 else { return nil }
      let total = entries.count
      let which =
        count < total
        ? "\(count) of the \(total) \(kind)s" : total == 1 ? "the \(kind)" : "all \(total) \(kind)s"
      return "\(which) \(count == 1 ? "has" : "have") alpha, which is left out"
    }
    return (
      entries,
      [remark, alpha("image") { $0.hasLostAlpha }, alpha("mask") { $0.hasLostMaskAlpha }]
        .compactMap(\.self)
    )
  }

  /// The sums of a sample's channels, those of the set.
  func sums(of id: Int) -> [IntensityFit.Sums] {
    guard let sample = decoded?.samples[id], let channels else { return [] }
    return sample.possibleChannels.sources(of: channels).map { sample.sums[$0] }
  }

  /// What an image of so many channels is called in messages.
  static func kind(_ channels: Int) -> String {
    switch channels {
    case 1: "a grey image (1 channel)"
    case 3: "an RGB image (3 channels)"
    default: "an image of \(channels) channels"
    }
  }
}
