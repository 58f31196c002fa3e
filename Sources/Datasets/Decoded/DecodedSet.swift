// The decoded samples of a set, in files that all processes of a host share as memory.

import Files
import Foundation
import Imaging
import Synchronization
import Threading

/// The decoded samples of a set: their images in their stored types, and their masks in codes.
///
/// They lie in files that are mapped into memory, so that processes of a host have them once, and sets
/// larger than memory are read as they are needed. Nothing changes after initialisation; any thread may
/// read at any time.
package final class DecodedSet: Sendable {
  /// The form of the files; those of another one are made anew.
  static let format = 4

  /// What is known of each sample.
  let samples: [DecodedSample]
  /// The bytes of all samples.
  package let byteCount: Int
  private let parts: [MappedFile]
  /// The counts of masks by rows that were asked for.
  private let countsByRows = Mutex<[Int: [CodeCounts]]>([:])
  /// Keeps others from removing the files, which a network's file system would take from under the map.
  private let lock: UseLock?

  /// The files of a part, which one process has written.
  private struct Files {
    let samples: String
    let index: String

    init(_ part: Int, in folder: String) {
      samples = "\(folder)/\(part).samples"
      index = "\(folder)/\(part).json"
    }
  }

  /// What a complete set's folder says of itself.
  private struct Head: Codable {
    let format: Int
    let sampleCount: Int
    let partByteCounts: [Int]
  }

  /// Samples that a process has written, by their ids.
  private typealias Chunk = [Int: DecodedSample]

  /// The samples of a line of an index: enough for a thread to be worth its while.
  private static let chunkSampleCount = 256

  static let headName = "set.json"
  /// A million samples take less.
  private static let largestIndexByteCount = 2 << 30

  // MARK: - Reading

  /// The complete set in a folder, of so many samples, whose indices `team` reads.
  ///
  /// - Parameter isChecked: whether bytes are held against their digests, of as many samples as take little time.
  /// - Throws: `FileError` for files that are missing, cut, damaged or of another form.
  init(
    in folder: String, sampleCount: Int, team: ThreadTeam? = nil, isChecked: Bool = false
  ) throws {
    let path = "\(folder)/\(Self.headName)"
    func damage(_ path: String, _ found: String) -> FileError {
      FileError(
        path: path, expected: "a whole decoded set", found: found,
        hint: "remove its folder, so that it is made anew")
    }
    func decoded<Value: Decodable>(_: Value.Type, _ path: String) throws -> Value {
      let bytes = try InputFile.contents(of: path, limit: Self.largestIndexByteCount)
      guard let value = try? JSONDecoder.ofAnyNumbers.decode(Value.self, from: Data(bytes)) else {
        throw damage(path, "another text")
      }
      return value
    }
    func index(_ path: String) throws -> [(id: Int, sample: DecodedSample)] {
      let lines = try InputFile.contents(of: path, limit: Self.largestIndexByteCount).split(
        separator: 10)
      let read = { (line: ArraySlice<UInt8>) in
        try? JSONDecoder.ofAnyNumbers.decode(Chunk.self, from: Data(line))
      }
      return try (team?.map(lines, read) ?? lines.map(read)).flatMap { chunk in
        guard let chunk else { throw damage(path, "another text") }
        return chunk.map { (id: $0.key, sample: $0.value) }
      }
    }
    lock = UseLock(path)
    let head = try decoded(Head.self, path)
    guard head.format == Self.format, head.sampleCount == sampleCount else {
      throw damage(path, "form \(head.format) with \(head.sampleCount) samples")
    }
    var samples = [DecodedSample?](repeating: nil, count: sampleCount)
    var parts: [MappedFile] = []
    for (number, byteCount) in head.partByteCounts.enumerated() {
      let files = Files(number, in: folder)
      guard byteCount >= 0 else { throw damage(path, "\(byteCount) bytes") }
      parts.append(try MappedFile(files.samples, byteCount: byteCount))
      let entries = try index(files.index)
      for (id, sample) in entries {
        guard samples.indices.contains(id), sample.isPlausible,
          Self.contains(byteCount, sample.pixels, sample.pixelByteCount, part: number),
          Self.contains(byteCount, sample.mask, sample.maskByteCount, part: number)
        else { throw damage(files.index, "a sample that is not there") }
        samples[id] = sample
      }
      guard isChecked, let part = parts.last else { continue }
      let isSound = { (entry: (id: Int, sample: DecodedSample)) in
        entry.sample.digest.map { $0 == Self.digest(of: entry.sample, in: part) } ?? true
      }
      guard (team?.map(entries, isSound) ?? entries.map(isSound)).allSatisfy(\.self) else {
        throw damage(files.samples, "other bytes than were written")
      }
    }
    self.parts = parts
    self.samples = samples.compactMap(\.self)
    byteCount = head.partByteCounts.reduce(0, +)
    guard self.samples.count == sampleCount else {
      throw damage(folder, "\(self.samples.count) of \(sampleCount) samples")
    }
  }

  /// The bytes of a part whose digests are kept, and of each image and mask.
  private static let digestedByteCount = (part: 512 << 20, block: 16 << 20)

  /// Whether the digests are of all bytes, so that a later start finds whatever became of them.
  var isDigestedWhole: Bool {
    samples.allSatisfy {
      $0.digest != nil && max($0.pixelByteCount, $0.maskByteCount) <= Self.digestedByteCount.block
    }
  }

  /// The digest of a sample's first bytes.
  private static func digest(of sample: DecodedSample, in part: MappedFile) -> UInt64 {
    func digest(_ place: DecodedSample.Place, _ count: Int) -> UInt64 {
      let end = place.offset + min(count, digestedByteCount.block)
      return ByteDigest.of(UnsafeRawBufferPointer(rebasing: part.bytes[place.offset..<end]))
    }
    return digest(sample.pixels, sample.pixelByteCount)
      ^ (digest(sample.mask, sample.maskByteCount) &* 3)
  }

  private static func contains(
    _ byteCount: Int, _ place: DecodedSample.Place, _ count: Int, part: Int
  ) -> Bool {
    place.part == part && place.offset >= 0 && count <= byteCount
      && place.offset <= byteCount - count
  }

  /// A rectangle of a sample's image, as it is stored.
  ///
  /// - Precondition: the rectangle is not empty and lies in the image.
  func image(_ id: Int, rows: Range<Int>, columns: Range<Int>) -> Image {
    let sample = samples[id]
    precondition(
      !rows.isEmpty && !columns.isEmpty && rows.lowerBound >= 0 && rows.upperBound <= sample.height
        && columns.lowerBound >= 0 && columns.upperBound <= sample.width,
      "rows \(rows), columns \(columns) of \(sample.width)x\(sample.height)")
    let pixel = sample.channels * sample.type.byteCount
    let bytes = parts[sample.pixels.part].bytes
    var image = Image(
      width: columns.count, height: rows.count, channels: sample.channels,
      bitsPerSample: sample.bitsPerSample,
      samples: Image.Samples(sample.type, count: rows.count * columns.count * sample.channels) {
        target in
        let line = columns.count * pixel
        for (number, row) in rows.enumerated() {
          let start = sample.pixels.offset + (row * sample.width + columns.lowerBound) * pixel
          UnsafeMutableRawBufferPointer(rebasing: target[number * line..<(number + 1) * line])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + line]))
        }
      })
    image.missing = sample.missing
    return image
  }

  /// The labels of a rectangle of a sample's mask, where `labels` are those of its codes.
  ///
  /// - Precondition: as of `image`, `labels` are enough for any code (`MaskCodes.byteCount`), and the mask
  ///   has few enough values to have its codes kept.
  func labels(_ id: Int, rows: Range<Int>, columns: Range<Int>, _ labels: [UInt8]) -> [UInt8] {
    let sample = samples[id]
    let size = sample.codes.byteCount
    precondition(labels.count >= 1 << 8 * size && size > 0, "\(labels.count) labels of codes")
    return [UInt8](unsafeUninitializedCapacity: rows.count * columns.count) { result, count in
      forEachCode(of: sample, rows: rows, columns: columns) { code in
        result[count] = labels[code]
        count += 1
      }
    }
  }
}

// MARK: - Codes by rows

extension DecodedSet {
  /// How often each code of a mask occurs in some rows.
  struct CodeCounts: Sendable {
    let rows: Range<Int>
    let counts: [Int]
  }

  /// Pixels of rows that are counted together: a search among them takes less time than a tile.
  private static let countedPixelCount = 1 << 20

  /// How often each code of a sample's mask occurs, by blocks of rows from the top.
  ///
  /// Those of a large image are counted when they are first asked for.
  func codeCounts(_ id: Int) -> [CodeCounts] {
    let sample = samples[id]
    let height = max(1, Self.countedPixelCount / sample.width)
    guard sample.height > height else {
      return [CodeCounts(rows: 0..<sample.height, counts: sample.codes.meanings.map(\.pixels))]
    }
    if let known = countsByRows.withLock({ $0[id] }) { return known }
    let blocks = stride(from: 0, to: sample.height, by: height).map { top in
      let rows = top..<min(sample.height, top + height)
      var counts = [Int](repeating: 0, count: sample.codes.meanings.count)
      forEachCode(of: sample, rows: rows, columns: 0..<sample.width) { counts[$0] += 1 }
      return CodeCounts(rows: rows, counts: counts)
    }
    countsByRows.withLock { $0[id] = blocks }
    return blocks
  }

  /// Calls `body` with the codes of a rectangle of a mask, in rows from the top.
  @inline(__always)
  private func forEachCode(
    of sample: DecodedSample, rows: Range<Int>, columns: Range<Int>, _ body: (Int) -> Void
  ) {
    let bytes = parts[sample.mask.part].bytes
    let size = sample.codes.byteCount
    for row in rows {
      let start = sample.mask.offset + (row * sample.width + columns.lowerBound) * size
      let line = UnsafeRawBufferPointer(rebasing: bytes[start..<start + columns.count * size])
      if size == 1 {
        for code in line { body(Int(code)) }
      } else {
        for column in 0..<columns.count {
          body(Int(line.loadUnaligned(fromByteOffset: 2 * column, as: UInt16.self)))
        }
      }
    }
  }
}

// MARK: - Writing

extension DecodedSet {
  /// The part of a set that one process writes.
  struct PartWriter: ~Copyable {
    private let part: Int
    private let files: Files
    private var file: DurableFileWriter
    private let isKept: Bool
    private var samples: [Int: DecodedSample] = [:]
    private(set) var byteCount = 0

    /// Samples begin at cache lines.
    private static let alignment = 64

    /// A part without samples; `isKept` says that it is to outlive a power cut.
    init(_ part: Int, in folder: String, isKept: Bool = false) throws(FileError) {
      self.part = part
      self.isKept = isKept
      files = Files(part, in: folder)
      file = try DurableFileWriter(path: files.samples, isFlushed: false)
    }

    /// Adds a sample.
    mutating func append(
      _ id: Int, _ sample: DecodedSample, _ image: Image, codes: Image.Samples
    ) throws(FileError) {
      var sample = sample
      sample.pixels = try start()
      try append(image.samples)
      sample.mask = try start()
      try append(codes)
      samples[id] = sample
    }

    /// Adds a sample by the bands that it is decoded in; `progress` is told the part that is done.
    mutating func append(
      _ id: Int, _ bands: SampleBands, progress: (Double) -> Void
    ) throws(FileError) {
      samples[id] = try bands.write(to: &self, progress: progress)
    }

    /// Where the pixels lie that are appended next.
    mutating func start() throws(FileError) -> DecodedSample.Place {
      let padding = (Self.alignment - byteCount % Self.alignment) % Self.alignment
      let zeros = [UInt8](repeating: 0, count: padding)
      try zeros.span.withUnsafeBytes { bytes throws(FileError) in try file.append(bytes) }
      byteCount += padding
      return DecodedSample.Place(part: part, offset: byteCount)
    }

    /// Appends pixels, or their codes.
    mutating func append(_ samples: Image.Samples) throws(FileError) {
      try samples.withUnsafeBytes { bytes throws(FileError) in try file.append(bytes) }
      byteCount += samples.count * samples.sampleByteCount
      if isKept { file.beginFlush() }
    }

    /// Ends the part; `team` writes its index.
    mutating func finish(team: ThreadTeam? = nil) throws {
      if isKept { file.beginFlush(isLast: true) }
      try file.commit()
      var all = samples.sorted { $0.key < $1.key }
      if isKept {
        // Of a large set every so many-th: a stretch of damaged bytes is found all the same, one sample not.
        let step = byteCount / DecodedSet.digestedByteCount.part + 1
        let written = try MappedFile(files.samples, byteCount: byteCount)
        let digest = { (place: Int) in
          place % step == 0 ? DecodedSet.digest(of: all[place].value, in: written) : nil
        }
        let places = Array(all.indices)
        for (place, value) in (team?.map(places, digest) ?? places.map(digest)).enumerated() {
          all[place].value.digest = value
        }
      }
      let length = DecodedSet.chunkSampleCount
      let starts = Array(stride(from: 0, to: all.count, by: length))
      let write = { (start: Int) in
        let chunk = all[start..<min(start + length, all.count)].map { ($0.key, $0.value) }
        return Result { try JSONEncoder.ofAnyNumbers.encode(Chunk(uniqueKeysWithValues: chunk)) }
      }
      let lines = try (team?.map(starts, write) ?? starts.map(write)).map { try $0.get() }
      try DurableFile.write(Array(lines.joined(separator: [10])), to: files.index, isFlushed: false)
    }
  }

  /// Says that the parts in a folder are all of a set.
  static func seal(_ folder: String, partCount: Int, sampleCount: Int) throws {
    let sizes = try (0..<partCount).map { number in
      try InputFile(Files(number, in: folder).samples).byteCount
    }
    let head = Head(format: format, sampleCount: sampleCount, partByteCounts: sizes)
    try DurableFile.write(
      Array(try JSONEncoder().encode(head)), to: "\(folder)/\(headName)", isFlushed: false)
  }
}
