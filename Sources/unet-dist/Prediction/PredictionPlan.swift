// Which images are predicted how, and which files become of them; settled before anything is computed.

import Checkpoints
import Communication
import Configuration
import Datasets
import Files
import Foundation
import Imaging

/// What `predict` is to do.
struct PredictionPlan {
  /// An image, and how it is predicted.
  struct Item {
    let entry: SampleIndex.Entry
    /// Whether it goes by windows, which the ranks share, since it is too large to be held.
    let isLarge: Bool
    let format: PictureFormat
  }

  /// The pages of a file that give one file of pages.
  struct Stack {
    let name: String
    let path: String
    /// The pages in their order.
    let pages: [Item]
  }

  /// Images that are held as a whole and have files of their own.
  private(set) var whole: [Item]
  /// Images that go by windows and have files of their own.
  private(set) var large: [Item]
  /// Files whose pages' results are pages again.
  private(set) var stacks: [Stack]
  /// Pages that fail with another one of their stack.
  let lostPageCount: Int
  /// Failures so far: of files that cannot be opened, and of those whose results would have one name.
  private(set) var failures: [PredictionFailure]
  /// All images, those that cannot be opened too.
  let imageCount: Int

  /// The plan for the images of an index.
  ///
  /// - Throws: `FileError`, `ConfigurationError` for what could not be written.
  init(
    _ index: SampleIndex, _ request: PredictionRequest, channels: Int, keepsGoing: Bool
  ) throws {
    var failures = index.unreadable.map {
      PredictionFailure(name: $0.name, imageCount: 1, message: "\($0.error)")
    }
    var failedPaths: Set<String> = []
    var items: [Item] = []
    let pagesOf = Dictionary(grouping: index.entries, by: \.imagePath)
    for entry in index.entries {
      do {
        let isLarge =
          try LargeImage(
            entry, channels: channels,
            wholeByteLimit: request.optionForWholeImages == nil
              ? LargeImage.wholeByteLimit : ImageFile.maximumDecodedByteCount) != nil
        if isLarge, let option = request.optionForWholeImages {
          throw Self.refusal(of: option, for: entry)
        }
        let isPage = (pagesOf[entry.imagePath]?.count ?? 1) > 1
        let format = try request.format ?? Self.usualFormat(of: entry, isKept: isLarge || isPage)
        items.append(Item(entry: entry, isLarge: isLarge, format: format))
      } catch let error as FileError where keepsGoing {
        failures.append(
          PredictionFailure(name: entry.name, imageCount: 1, message: "\(error)"))
        failedPaths.insert(entry.imagePath)
      }
    }
    let isPage = { (item: Item) in
      item.format == .tiff && (pagesOf[item.entry.imagePath]?.count ?? 1) > 1
    }
    whole = items.filter { !isPage($0) && !$0.isLarge }
    large = items.filter { !isPage($0) && $0.isLarge }
    let complete = Dictionary(grouping: items.filter(isPage), by: \.entry.imagePath)
      // A stack without one of its pages would be another.
      .filter { path, _ in !failedPaths.contains(path) }
    lostPageCount =
      items.count(where: isPage) - complete.values.reduce(0) { $0 + $1.count }
    stacks =
      complete.map { path, pages in
        Stack(
          name: pages[0].entry.source.group, path: path,
          pages: pages.sorted { $0.entry.imagePage < $1.entry.imagePage })
      }
      .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    self.failures = failures
    imageCount = index.entries.count + index.unreadable.count
    if keepsGoing { leaveOutClashes(request) }
    try checkFiles(index, request)
  }

  /// The kind of file that keeps what is known of an image: its stack, and what its file says of its place.
  private static func usualFormat(
    of entry: SampleIndex.Entry, isKept: Bool
  ) throws(FileError) -> PictureFormat {
    if isKept { return .tiff }
    return try TIFFOrigin(entry.imagePath, page: entry.imagePage).isKnown ? .tiff : .png
  }

  /// The error of an option by which an image would have to be held that cannot be.
  private static func refusal(
    of option: String, for entry: SampleIndex.Entry
  ) -> FileError {
    FileError(
      path: entry.imagePath,
      expected: "an image of at most \(ImageFile.maximumDecodedByteCount >> 20) MiB,"
        + " which --\(option) needs as a whole",
      found: "a larger one", hint: "leave the option out, or cut the image into parts")
  }

  /// The files that become of an image that has its own.
  private static func files(of item: Item, _ request: PredictionRequest) -> [String] {
    let names =
      request.pictures.map { item.entry.name + $0.suffix(item.format) }
      + request.arrays.map { item.entry.name + $0 }
    return names.map { request.output + "/" + $0 }
  }

  /// The files that become of a stack.
  private static func files(of stack: Stack, _ request: PredictionRequest) -> [String] {
    let names =
      request.pictures.map { stack.name + $0.suffix(.tiff) }
      + stack.pages.flatMap { page in request.arrays.map { page.entry.name + $0 } }
    return names.map { request.output + "/" + $0 }
  }

  /// The files that become of everything.
  private func files(_ request: PredictionRequest) -> [String] {
    (whole + large).flatMap { Self.files(of: $0, request) }
      + stacks.flatMap { Self.files(of: $0, request) }
  }

  /// Lets everything fail whose results would have the names of another one's: of a stack `a.tif` and an image
  /// `a.tif` elsewhere neither is more right.
  private mutating func leaveOutClashes(_ request: PredictionRequest) {
    var counts: [String: Int] = [:]
    for file in files(request) { counts[file, default: 0] += 1 }
    var clashes: [PredictionFailure] = []
    func fails(_ files: [String], _ name: String, _ path: String, imageCount: Int) -> Bool {
      guard let file = files.first(where: { counts[$0, default: 0] > 1 }) else { return false }
      let error = FileError(
        path: path, expected: "a result of its own", found: "two results for \(file)",
        hint: "rename one of the images")
      clashes.append(PredictionFailure(name: name, imageCount: imageCount, message: "\(error)"))
      return true
    }
    func fails(_ item: Item) -> Bool {
      fails(Self.files(of: item, request), item.entry.name, item.entry.imagePath, imageCount: 1)
    }
    whole.removeAll { fails($0) }
    large.removeAll { fails($0) }
    stacks.removeAll {
      fails(Self.files(of: $0, request), $0.name, $0.path, imageCount: $0.pages.count)
    }
    failures += clashes
  }

  /// Refuses to write over an image that is read, or twice to one file.
  private func checkFiles(
    _ index: SampleIndex, _ request: PredictionRequest
  ) throws(ConfigurationError) {
    let read = Set(index.entries.flatMap(\.source.imagePaths).map(Self.canonical))
    var written: Set<String> = []
    for path in files(request) {
      if read.contains(Self.canonical(path)) {
        throw ConfigurationError(
          option: "output", expected: "a folder whose files are not those to segment",
          found: "\(path), which is an input", hint: "choose another folder")
      }
      if !written.insert(path).inserted {
        throw ConfigurationError(
          option: "output", expected: "one result for each file",
          found: "two results for \(path)", hint: "rename one of the images")
      }
    }
  }

  private static func canonical(_ path: String) -> String {
    URL(fileURLWithPath: path).resolvingSymlinksInPath().standardizedFileURL.path
  }

  /// What the ranks must agree on so that their results belong together.
  static func digests(_ index: SampleIndex) -> [NamedDigest] {
    [
      NamedDigest(
        name: "list of images",
        lines: index.entries.map { "\($0.name) \($0.imagePath) \($0.imagePage)" }
          + index.unreadable.map { "\($0.name) cannot be opened" })
    ]
  }
}

/// An image that was not predicted, and why.
struct PredictionFailure: Codable {
  /// The image's name, by which failures are sorted.
  let name: String
  /// How many images it is: a stack fails with all its pages.
  let imageCount: Int
  /// One line with the path and the reason.
  let message: String
}
