// Sets that are decoded once: parts of images, and what is kept of them for the next start.

import Datasets
import Files
import Foundation
import Imaging
import Tensors
import Testing
import Threading

@Suite struct DecodedSetTests {
  /// Images of all types of samples and of several sizes, with masks of several kinds.
  private func folder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for (number, name) in ["a", "b", "c", "d", "e"].enumerated() {
      let (width, height) = (5 + number, 9 - number)
      let samples = (0..<width * height).map { ($0 * 37 + number * 11) % 200 }
      let masks = samples.map { UInt8($0 > 120 ? 255 : $0 > 60 ? 7 : 0) }
      let image = Image(
        width: width, height: height, channels: 1, bitsPerSample: number == 1 ? 16 : 8,
        samples: number == 1
          ? .uint16(samples.map { UInt16($0 * 300) }) : .uint8(samples.map { UInt8($0) }))
      try folder.png("images/\(name).png", image)
      try folder.png(
        "masks/\(name).png",
        Image(
          width: width, height: height, channels: 1, bitsPerSample: 8, samples: .uint8(masks)))
    }
    return folder
  }

  private func dataset(
    _ folder: TemporaryFolder, _ cache: CacheChoice = .none, notes: Notes? = nil,
    team: ThreadTeam? = nil
  ) throws -> Dataset {
    var decoding = Decoding(cache: cache, team: team)
    decoding.note = { notes?.lines.append($0) }
    decoding.progress = { notes?.progress.append([$0, Double($1)]) }
    let index = try SampleIndex.folder(folder.path, decoding)
    return try Dataset(index, mapping: ClassMapping(scanning: index))
  }

  /// What a decoding says.
  private final class Notes {
    var lines: [String] = []
    var progress: [[Double]] = []
  }

  private func images(_ dataset: Dataset) throws -> [DatasetImage] {
    try (0..<dataset.count).map { try dataset.image($0) }
  }

  @Test func partsAreThoseOfTheWhole() throws {
    let dataset = try dataset(folder())
    for id in 0..<dataset.count {
      let (whole, source) = (try dataset.image(id), dataset.source(id))
      for (rows, columns) in [(0..<1, 0..<1), (2..<5, 1..<4), (1..<3, 0..<whole.width)] {
        let part = try source.part(rows: rows, columns: columns)
        #expect(part.rows == rows && part.columns == columns && part.weights == nil)
        let places = rows.flatMap { row in columns.map { row * whole.width + $0 } }
        #expect(part.pixels == places.map { whole.pixels[$0] })
        #expect(part.labels == places.map { whole.labels[$0] })
      }
      var counts = [Int](repeating: 0, count: 256)
      for label in whole.labels { counts[Int(label)] += 1 }
      #expect(source.labelCounts() == counts && counts[0] > 0 && counts[1] > 0)
      let second = whole.labels.indices.filter { whole.labels[$0] == 1 }
      #expect(second.indices.map { source.place(of: 1, index: $0) } == second)
    }
  }

  @Test func anyThreadsDecodeTheSame() throws {
    let folder = try folder()
    let alone = try images(dataset(folder))
    for threads in [1, 2, 3] {
      let team = ThreadTeam(count: threads)
      #expect(try images(dataset(folder, team: team)) == alone)
    }
  }

  /// The index of a large set is written and read in pieces, each by one thread.
  @Test func manySamplesAreKeptByAnyThreads() throws {
    let (folder, cache) = (try TemporaryFolder(), try TemporaryFolder())
    for number in 0..<600 {
      func image(_ samples: [UInt8]) -> Image {
        Image(width: 2, height: 1, channels: 1, bitsPerSample: 8, samples: .uint8(samples))
      }
      let name = String(1_000 + number)
      try folder.png("images/\(name).png", image([UInt8(number % 256), UInt8(number / 256)]))
      try folder.png("masks/\(name).png", image([0, 255]))
    }
    let team = ThreadTeam(count: 3)
    let first = try images(dataset(folder, .folder(cache.path), team: team))
    #expect(first.map(\.name) == (0..<600).map { String(1_000 + $0) })
    #expect(try images(dataset(folder)) == first)
    for team in [nil, team] {
      let notes = Notes()
      #expect(try images(dataset(folder, .folder(cache.path), notes: notes, team: team)) == first)
      #expect(notes.lines.isEmpty && notes.progress.isEmpty)
    }
  }

  /// Images of several types and channels, TIFFs that are read by rectangles and one that is not, with
  /// pixels that are not measured, and objects that touch across the borders of bands.
  private func mixedFolder(numbered: Bool) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let (width, height) = (7, 23)
    let samples = (0..<width * height).map { ($0 * 37) % 200 }
    let masks = samples.indices.map { place in
      numbered ? (place / width / 3 + 10 * (place % width / 3)) % 4 : samples[place] / 70
    }
    func image(_ samples: Image.Samples, bits: Int) -> Image {
      Image(width: width, height: height, channels: 1, bitsPerSample: bits, samples: samples)
    }
    let floats = samples.map { $0 == 37 ? Float.nan : Float($0) - 50 }
    try TIFFFile.write(
      image(.uint8(samples.map { UInt8($0) }), bits: 8), to: folder.place("images/a.tif"))
    try NumPyFile.write(floats, shape: [height, width], to: folder.place("images/b.npy"))
    try folder.png("images/c.png", image(.uint16(samples.map { UInt16($0 * 9) }), bits: 16))
    for name in ["a.tif", "b.png", "c.tif"] {
      let mask = image(.uint8(masks.map { UInt8($0) }), bits: 8)
      for part in numbered ? ["masks", "instances"] : ["masks"] {
        if name.hasSuffix("png") {
          try folder.png("\(part)/\(name)", mask)
        } else {
          try TIFFFile.write(mask, to: folder.place("\(part)/\(name)"))
        }
      }
    }
    return folder
  }

  /// Everything that follows from decoded images, whatever bands they were decoded in.
  @Test(arguments: [
    IntensityNormalization(), IntensityNormalization(rule: .percentiles),
    IntensityNormalization(rule: .set), IntensityNormalization(missingValue: 111),
  ])
  func bandsAreTheSameAsTheWhole(_ normalization: IntensityNormalization) throws {
    for numbered in [false, true] {
      let folder = try mixedFolder(numbered: numbered)
      func images(_ limit: Int) throws -> ([DatasetImage], [[Int]], [String]) {
        var decoding = Decoding(
          DecodedForm(normalization: normalization, instanceBorders: numbered),
          team: ThreadTeam(count: 2))
        decoding.wholeByteLimit = limit
        var parts: [Double] = []
        decoding.progress = { done, _ in parts.append(done) }
        let index = try SampleIndex.folder(folder.path, decoding)
        #expect(parts == parts.sorted() && parts.last == 3 && (limit == .max || parts[0] < 1))
        let dataset = try Dataset(
          index, mapping: ClassMapping(scanning: index),
          normalization: normalization.fitted(to: index, ids: [0, 1]))
        let places = (0..<dataset.count).map { id in
          (0..<5).map { dataset.source(id).place(of: 1, index: $0) }
        }
        let mapping = dataset.mapping.classes.map { "\($0.value) \($0.pixelCount)" }
        return (try self.images(dataset), places, mapping + dataset.mapping.warnings)
      }
      let whole = try images(.max)
      #expect(whole.0.contains { $0.labels.contains(ignoredLabel) })
      // Of one row, of three, and of eight that do not part the rows evenly.
      for limit in [1, 21, 60] {
        let bands = try images(limit)
        #expect(bands.0 == whole.0 && bands.1 == whole.1 && bands.2 == whole.2)
      }
    }
  }

  @Test func whatIsWrongInABandIsSaidWithItsPlace() throws {
    let folder = try TemporaryFolder()
    let values = (0..<7 * 23).map { $0 == 7 * 20 + 3 ? Float(0.5) : 1 }
    for part in ["images", "masks"] {
      try NumPyFile.write(values, shape: [23, 7], to: folder.place("\(part)/a.npy"))
    }
    var decoding = Decoding()
    for limit in [Int.max, 60] {
      decoding.wholeByteLimit = limit
      let error = #expect(throws: FileError.self) {
        try SampleIndex.folder(folder.path, decoding)
      }
      #expect(error?.found == "0.5 at x 3, y 20")
    }
  }

  @Test func aKeptSetIsNotDecodedAgain() throws {
    let (folder, cache) = (try folder(), try TemporaryFolder())
    let notes = Notes()
    let first = try images(dataset(folder, .folder(cache.path), notes: notes))
    #expect(notes.lines.count == 1 && notes.lines[0].contains("are kept in \(cache.path)/"))
    #expect(notes.progress.last == [5, 5])
    let names = try Folder.names(in: cache.path)
    #expect(names.count == 1)

    let again = Notes()
    #expect(try images(dataset(folder, .folder(cache.path), notes: again)) == first)
    #expect(again.lines.isEmpty && again.progress.isEmpty)
    // A path from another folder names the same set.
    let link = cache.path + "/../" + (cache.path as NSString).lastPathComponent
    #expect(try images(dataset(folder, .folder(link), notes: again)) == first)
    #expect(try again.progress.isEmpty && Folder.names(in: cache.path) == names)
    // Without a cache nothing is left.
    _ = try images(dataset(folder, .none, notes: again))
    #expect(try Folder.names(in: cache.path) == names && again.lines.isEmpty)
  }

  @Test func aSetThatHasChangedTakesThePlaceOfTheOlderOne() throws {
    let (folder, cache) = (try folder(), try TemporaryFolder())
    _ = try dataset(folder, .folder(cache.path))
    let before = try Folder.names(in: cache.path)
    // The same size, another time.
    let path = folder.path + "/masks/a.png"
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: path)
    let notes = Notes()
    _ = try dataset(folder, .folder(cache.path), notes: notes)
    let after = try Folder.names(in: cache.path)
    #expect(notes.progress.last == [5, 5] && after.count == 1 && after != before)
    // Another form is another set.
    let form = DecodedForm(normalization: IntensityNormalization(missingValue: 3))
    _ = try SampleIndex.folder(folder.path, Decoding(form, cache: .folder(cache.path)))
    #expect(try Folder.names(in: cache.path).count == 2)
  }

  @Test func aSetThatIsInUseStays() throws {
    let (folder, cache) = (try folder(), try TemporaryFolder())
    func change(_ seconds: Double) throws {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSince1970: seconds)],
        ofItemAtPath: folder.path + "/masks/a.png")
    }
    let used = try dataset(folder, .folder(cache.path))
    let images = try images(used)
    try change(1e9)
    _ = try dataset(folder, .folder(cache.path))
    #expect(try Folder.names(in: cache.path).count == 2)
    #expect(try self.images(used) == images)
    try withExtendedLifetime(used) { try change(1e9 + 1) }
    _ = try dataset(folder, .folder(cache.path))
    #expect(try Folder.names(in: cache.path).count <= 2)
  }

  /// Whatever is done to the files of a kept set, it is made anew and right.
  @Test(arguments: [
    "cut", "removed", "emptied", "garbage", "offset", "count", "text", "zeros", "flip",
  ])
  func aDamagedSetIsMadeAnew(_ damage: String) throws {
    let (folder, cache) = (try folder(), try TemporaryFolder())
    let first = try images(dataset(folder, .folder(cache.path)))
    let set = cache.path + "/" + (try Folder.names(in: cache.path)[0])
    func edit(_ name: String, _ change: (String) -> String) throws {
      let text = try String(contentsOfFile: "\(set)/\(name)", encoding: .utf8)
      let changed = change(text)
      #expect(changed != text)
      try changed.write(toFile: "\(set)/\(name)", atomically: false, encoding: .utf8)
    }
    switch damage {
    case "cut": #expect(truncate("\(set)/0.samples", 100) == 0)
    case "zeros", "flip":
      let path = "\(set)/0.samples"
      var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      if damage == "flip" {
        bytes[bytes.count - 1] ^= 16
      } else {
        bytes.resetBytes(in: bytes.startIndex..<bytes.endIndex)
      }
      try bytes.write(to: URL(fileURLWithPath: path))
    case "removed": try FileManager.default.removeItem(atPath: "\(set)/0.json")
    case "emptied": #expect(truncate("\(set)/set.json", 0) == 0)
    case "garbage": try edit("0.json") { _ in "{\"byteCount\":1,\"samples\":[]}" }
    case "offset":
      try edit("0.json") { $0.replacingOccurrences(of: "\"offset\":0", with: "\"offset\":9999999") }
    case "count":
      try edit("0.json") {
        $0.replacingOccurrences(of: "\"width\":5", with: "\"width\":4611686018427387904")
      }
    default:
      try edit("set.json") {
        $0.replacingOccurrences(of: "\"sampleCount\":5", with: "\"sampleCount\":6")
      }
    }
    let notes = Notes()
    #expect(try images(dataset(folder, .folder(cache.path), notes: notes)) == first)
    #expect(notes.lines.count == 2 && notes.lines[0].contains("are damaged, and are made anew"))
    #expect(try Folder.names(in: cache.path).count == 1)
  }

  @Test func whatOthersLeftIsRemovedAndNothingElse() throws {
    let (folder, cache) = (try folder(), try TemporaryFolder())
    let old = String(repeating: "0a", count: 16) + "-" + String(repeating: "1b", count: 16)
    let young = String(repeating: "2c", count: 16) + "-" + String(repeating: "1b", count: 16)
    for name in [old, young, ".unet-dist-decoding-old", ".unet-dist-decoding-new", "mine"] {
      try cache.text("\(name)/file", "")
    }
    for name in [old, ".unet-dist-decoding-old", "mine"] {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -40 * 86_400)],
        ofItemAtPath: "\(cache.path)/\(name)")
    }
    _ = try dataset(folder, .folder(cache.path))
    let names = Set(try Folder.names(in: cache.path))
    #expect(names.count == 4)
    #expect(names.isSuperset(of: [young, ".unet-dist-decoding-new", "mine"]))
  }

  @Test func aFolderThatCannotBeWrittenIsNamed() throws {
    let (folder, file) = (try folder(), try TemporaryFolder())
    let path = try file.text("file", "")
    let error = #expect(throws: FileError.self) { try dataset(folder, .folder(path)) }
    #expect(error?.path.hasPrefix(path) == true)
    // A sample that cannot be decoded leaves nothing in the cache.
    #expect(truncate(folder.path + "/masks/c.png", 60) == 0)
    let damaged = #expect(throws: FileError.self) {
      try dataset(folder, .folder(file.path + "/new"))
    }
    #expect(damaged?.path.hasSuffix("masks/c.png") == true)
    #expect(try Folder.names(in: file.path + "/new").isEmpty)
  }

  /// More values than a byte tells, which are numbers of objects and no classes.
  @Test func masksOfManyValuesAreKept() throws {
    let folder = try TemporaryFolder()
    let values = (0..<300).map { UInt16($0 * 3) }
    for kind in ["images", "masks", "instances"] {
      try folder.png(
        "\(kind)/a.png",
        Image(
          width: 100, height: 3, channels: 1, bitsPerSample: 16, samples: .uint16(values)))
    }
    let index = try SampleIndex.folder(folder.path)
    let error = #expect(throws: FileError.self) { try ClassMapping(scanning: index) }
    #expect(error?.kind == .tooManyValues)
    // Of a mapping of these values there can be no labels.
    let few = try ClassMapping(scanning: [("m", .grey([[0, 3]]))])
    let stranger = #expect(throws: FileError.self) { try Dataset(index, mapping: few) }
    #expect(stranger?.kind == .unknownValue && stranger?.found == "6 at x 2, y 0")
  }
}
