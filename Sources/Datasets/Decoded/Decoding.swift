// The decoding of a set, once, by all processes of a host.

import Files
import Foundation
import Imaging
import Synchronization
package import Threading

/// How, by whom and where a set is decoded.
package struct Decoding {
  /// What is kept of the samples.
  package var form: DecodedForm
  /// Where they are kept.
  package var cache: CacheChoice
  /// Who decodes.
  package var crew: any DecodingCrew
  /// The threads of this process; nil for the calling one.
  package var team: ThreadTeam?
  /// Bytes of samples beyond which an image is decoded by bands of rows; what is decoded is the same.
  package var wholeByteLimit = LargeImage.wholeByteLimit
  /// Told how many of how many samples of its own this process has decoded, a large one in part.
  package var progress: (_ done: Double, _ of: Int) -> Void = { _, _ in }
  /// Told what a user is to know, a line each.
  package var note: (String) -> Void = { _ in }

  /// A decoding; by default alone, by one thread, and kept nowhere.
  package init(
    _ form: DecodedForm = DecodedForm(), cache: CacheChoice = .none,
    crew: any DecodingCrew = SoloCrew(), team: ThreadTeam? = nil
  ) {
    self.form = form
    self.cache = cache
    self.crew = crew
    self.team = team
  }

  /// A folder that the leader of a host has found or made.
  private struct Finding: Codable {
    var folder: String
    /// Whether there is a set in it that others have written.
    var isComplete: Bool
  }

  /// The decoded samples of a set, by their positions; collective.
  ///
  /// Processes that see the same files share the work: their leader looks whether the set is kept; if not,
  /// each process decodes an equal share, a large image by bands of rows as it is written. All map what was
  /// written before it gets its name in the cache. The files of a set that is not kept have no names any more
  /// when this returns, and are gone with the processes.
  ///
  /// - Throws: `FileError` of the first sample in each share that cannot be decoded.
  func decoded(_ sources: [SampleSource]) throws -> DecodedSet {
    let cache = DecodedCache(self.cache)
    let name = try crew.together { try DecodedCache.name(of: sources, as: form) }
    let crew = try crew.sharing(Array(name.utf8))
    let isLeader = crew.place == 0
    // What the leader has found whole it need not read again.
    var keptSet: DecodedSet?
    let found = try shared(in: crew) {
      if let path = cache.path(of: name) {
        keptSet = kept(in: path, count: sources.count)
        if keptSet != nil { return Finding(folder: path, isComplete: true) }
      }
      var isNamed = false
      if case .folder = self.cache { isNamed = true }
      return Finding(folder: try cache.makeFolder(isNamed: isNamed), isComplete: false)
    }
    do {
      // Every process comes here, whatever its leader has found: all meet again behind it.
      try crew.together {
        guard !found.isComplete else { return }
        defer { ImageFile.releaseKept() }
        do {
          try decodeShare(of: sources, by: crew, into: found.folder, isKept: cache.folder != nil)
        } catch let error as FileError where [ENOSPC, EDQUOT].contains(error.code) {
          throw FileError(
            .system, path: error.path, expected: "room for all decoded images",
            found: FileError.reason(error.code ?? ENOSPC),
            hint: "give --cache a folder with more, or --cache none for that of temporary files")
        }
      }
      try crew.together {
        guard isLeader && !found.isComplete else { return }
        try DecodedSet.seal(found.folder, partCount: crew.count, sampleCount: sources.count)
      }
      var set = try crew.together {
        try keptSet ?? DecodedSet(in: found.folder, sampleCount: sources.count, team: team)
      }
      // All have mapped it, so it may be called otherwise, or have no name any more; the disk has had time. Every crew
      // comes by the same calls, whatever it has found: they go over the ranks of all hosts.
      let (byteCount, isFlushed) = (set.byteCount, !set.isDigestedWhole)
      let finding = try shared(in: crew) {
        guard !found.isComplete, byteCount >= cache.leastByteCount,
          let kept = try keep(found.folder, as: name, in: cache, isFlushed: isFlushed)
        else { return found }
        note(
          "decoded images (\(byteCount >> 20) MiB) are kept in \(kept.folder) for the next start")
        return Finding(folder: kept.folder, isComplete: kept.isOther)
      }
      let isOther = finding.isComplete && !found.isComplete
      set = try crew.together {
        // Another process was faster: one set in memory is enough, if that is sound.
        let other =
          isOther
          ? try? DecodedSet(
            in: finding.folder, sampleCount: sources.count, team: team, isChecked: true) : nil
        return other ?? set
      }
      if isLeader, !found.isComplete, isOther || finding.folder == found.folder {
        DecodedCache.remove(found.folder)
      }
      return set
    } catch {
      if isLeader && !found.isComplete { DecodedCache.remove(found.folder) }
      throw error
    }
  }

  /// Gives a set its name in the cache; where that cannot be, in a cache that nobody has named, says so.
  private func keep(
    _ path: String, as name: String, in cache: DecodedCache, isFlushed: Bool
  ) throws(FileError) -> (folder: String, isOther: Bool)? {
    do {
      return try cache.keep(path, as: name, isFlushed: isFlushed)
    } catch {
      if case .folder = self.cache { throw error }
      note("the decoded images are not kept for the next start: \(error)")
      return nil
    }
  }

  /// What the leader finds, in all processes of its crew.
  private func shared(
    in crew: any DecodingCrew, _ find: () throws -> Finding
  ) throws -> Finding {
    let own = try crew.together {
      crew.place == 0 ? Array(try JSONEncoder().encode(find())) : []
    }
    return try JSONDecoder().decode(Finding.self, from: Data(try crew.fromLeader(own)))
  }

  /// The set that is kept in a folder, where it is there and whole.
  private func kept(in path: String, count: Int) -> DecodedSet? {
    guard Folder.isFolder(path) else { return nil }
    do {
      let set = try DecodedSet(in: path, sampleCount: count, team: team, isChecked: true)
      DecodedCache.touch(path)
      return set
    } catch {
      note("the decoded images in \(path) are damaged, and are made anew")
      DecodedCache.remove(path)
      return nil
    }
  }

  /// Decodes this process's share, several samples at once, and writes them.
  private func decodeShare(
    of sources: [SampleSource], by crew: any DecodingCrew, into folder: String, isKept: Bool
  ) throws {
    let own = Array(stride(from: crew.place, to: sources.count, by: crew.count))
    let part = SharedPart(try DecodedSet.PartWriter(crew.place, in: folder, isKept: isKept))
    var (next, largest, previous) = (0, Int.max, 1)
    while next < own.count {
      // One alone at first, which tells how many may be in memory at once.
      let threads = team?.count ?? 1
      let room = largest == .max ? 1 : max(1, Self.batchByteCount / max(1, largest))
      let count = min(own.count - next, threads == 1 ? 1 : min(room, 32 * threads, 4 * previous))
      // A few more each time, since the next ones may be larger than all before.
      previous = count
      for (offset, result) in results(
        of: own[next..<next + count].map { ($0, sources[$0]) }, to: part
      ).enumerated() {
        switch try result.get() {
        case .whole(let byteCount): largest = largest == .max ? byteCount : max(largest, byteCount)
        case .large(let bands):
          let before = Double(next) + Double(offset)
          try part.writer.withLock {
            try $0.append(own[next + offset], bands) { progress(before + $0, own.count) }
          }
          // The next ones may be as large: one at a time.
          largest = Self.batchByteCount
        }
      }
      next += count
      progress(Double(next), own.count)
    }
    try part.writer.withLock { try $0.finish(team: team) }
  }

  /// Bytes of samples that are decoded at once.
  private static let batchByteCount = 256 << 20

  /// The part that a process writes, by all of its threads.
  private final class SharedPart: Sendable {
    let writer: Mutex<DecodedSet.PartWriter>

    init(_ writer: consuming sending DecodedSet.PartWriter) { self.writer = Mutex(writer) }
  }

  /// What has become of a sample.
  private enum Outcome {
    /// It is written, and took so many bytes of memory.
    case whole(byteCount: Int)
    /// It is yet to be decoded as it is written.
    case large(SampleBands)
  }

  /// Decodes and writes a sample, unless it is large.
  private func outcome(
    _ id: Int, _ source: SampleSource, to part: SharedPart
  ) -> Result<Outcome, FileError> {
    do throws(FileError) {
      let bands = try SampleBands(source, form, wholeByteLimit: wholeByteLimit)
      if bands.isLarge { return .success(.large(bands)) }
      let (sample, image, codes) = try bands.decoded()
      try part.writer.withLock { writer throws(FileError) in
        try writer.append(id, sample, image, codes: codes)
      }
      return .success(.whole(byteCount: sample.pixelByteCount + 12 * sample.pixelCount))
    } catch { return .failure(error) }
  }

  /// What has become of some samples, by all threads.
  private func results(
    of samples: [(id: Int, source: SampleSource)], to part: SharedPart
  ) -> [Result<Outcome, FileError>] {
    let decode = { (sample: (id: Int, source: SampleSource)) in
      outcome(sample.id, sample.source, to: part)
    }
    return team?.map(samples, decode) ?? samples.map(decode)
  }
}
