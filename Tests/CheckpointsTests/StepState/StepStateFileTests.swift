// Files of step states: what is whole is found, and nothing else is taken for it.

import Checkpoints
import Files
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct StepStateFileTests {
  /// Not a multiple of a block, so that the last share is another one.
  static let elementCount = 2 * FloatBuffer.blockSize + 1000

  static func layout(
    _ folder: String, ranks: Int, chunks: [[Range<Int>]]? = nil
  ) throws -> StepStateLayout {
    StepStateLayout(
      mark: try StepStateMark(run: folder, states: folder, host: "here"),
      elementCount: elementCount, stateNames: ["momentum", "average"], chunks: chunks,
      localSize: ranks, metadataCapacity: 500)
  }

  /// Parameters, and two parts of the optimiser's state, of the state after `step` steps.
  static func values(_ step: Int) -> [[Float]] {
    (0..<3).map { part in
      (0..<elementCount).map { Float(step * 100 + part) + Float($0) / 1000 }
    }
  }

  /// Lets every rank keep a state, and the first one what is said of it.
  static func keep(
    _ step: Int, slot: Int, in file: StepStateFile, ranks: [Int]? = nil, says: Bool = true
  ) {
    if says {
      let text = Array("{\"step\":\"0\",\"seed\":\"\(step)\"}".utf8)
      #expect(file.write(StepStateMetadata(step: step, epoch: 7, text: text), slot: slot))
    }
    for rank in ranks ?? Array(0..<file.layout.localSize) {
      // Where chunks are kept, they lie side by side.
      let own = values(step).enumerated().map { part, values in
        guard part > 0, let chunks = file.layout.chunks else { return values }
        return chunks[rank].flatMap { values[$0] }
      }
      let copies = own.map { values in
        let copy = UnsafeMutablePointer<Float>.allocate(capacity: max(1, values.count))
        copy.initialize(from: values, count: values.count)
        return copy
      }
      defer { for copy in copies { copy.deallocate() } }
      file.write(step: step, slot: slot, localRank: rank, from: copies.map { UnsafePointer($0) })
    }
  }

  /// A file of the states after steps 1 and 2, in the slots 0 and 1.
  private static func twoStates(in folder: ScratchFolder, ranks: Int) throws -> StepStateFile {
    let file = try StepStateFile.make(layout(folder.path, ranks: ranks), in: folder.path)
    try reserve(file)
    keep(1, slot: 0, in: file)
    keep(2, slot: 1, in: file)
    return file
  }

  static func reserve(_ file: StepStateFile) throws {
    for slot in 0..<StepStateLayout.slotCount {
      for rank in 0..<file.layout.localSize { try file.reserve(slot: slot, localRank: rank) }
    }
  }

  /// The newest state that is whole and as it was written: its step and its values.
  static func newest(_ path: String) throws -> (
    step: Int, values: [[Float]], entries: [String: String]
  )? {
    let states = try KeptStates(path)
    for generation in try states.generations() where try states.isIntact(generation) {
      let values = try (0..<3).map { part in
        let buffer = FloatBuffer(count: elementCount)
        for range in states.ranges(ofPart: part) {
          try states.read(generation, part: part, range, into: buffer.base + range.lowerBound)
        }
        return Array(buffer.floats)
      }
      return (generation.step, values, generation.metadata.entries ?? [:])
    }
    return nil
  }

  private static func bytes(_ path: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: path))
  }

  @Test(arguments: [1, 2, 3, 5]) func whatRanksHaveSharedOutIsWhole(ranks: Int) throws {
    let folder = try ScratchFolder()
    let file = try StepStateFile.make(Self.layout(folder.path, ranks: ranks), in: folder.path)
    try Self.reserve(file)
    #expect(try Self.newest(file.path) == nil)
    Self.keep(4, slot: 0, in: file)
    Self.keep(5, slot: 1, in: file)
    let newest = try #require(try Self.newest(file.path))
    #expect(newest.step == 5)
    #expect(newest.values == Self.values(5))
    #expect(newest.entries == ["step": "5", "epoch": "7", "seed": "5"])
    #expect(file.hasAllPieces(ofStep: 5, slot: 1) && !file.hasAllPieces(ofStep: 5, slot: 0))
    #expect(Array(file.buffer(part: 2, slot: 1).floats) == Self.values(5)[2])
  }

  @Test func chunksOfAShardedOptimizerAreWholeTogether() throws {
    let folder = try ScratchFolder()
    let block = FloatBuffer.blockSize
    let chunks = [
      [0..<block, 2 * block..<2 * block + 500],
      [block..<2 * block, 2 * block + 500..<Self.elementCount],
    ]
    let layout = try Self.layout(folder.path, ranks: 2, chunks: chunks)
    #expect(layout.isWhole)
    #expect(try !Self.layout(folder.path, ranks: 1, chunks: [chunks[0]]).isWhole)
    let file = try StepStateFile.make(layout, in: folder.path)
    try Self.reserve(file)
    Self.keep(9, slot: 2, in: file)
    #expect(try Self.newest(file.path)?.values == Self.values(9))
  }

  /// Wherever a process is killed while it writes the next state, the one before is still there.
  @Test func aKillAtAnyPointLeavesAWholeState() throws {
    let folder = try ScratchFolder()
    let file = try Self.twoStates(in: folder, ranks: 2)
    let before = try Self.bytes(file.path)
    // Killed after some ranks, with or without what is said of the state.
    Self.keep(3, slot: 0, in: file, ranks: [])
    #expect(try Self.newest(file.path)?.step == 2)
    Self.keep(3, slot: 0, in: file, ranks: [1], says: false)
    #expect(try Self.newest(file.path)?.step == 2)
    Self.keep(3, slot: 0, in: file, ranks: [0], says: false)
    let after = try Self.bytes(file.path)
    #expect(try Self.newest(file.path)?.step == 3)

    // Bytes of both states in any mixture: the new ones as far as a cut, from either end.
    let changed = before.indices.filter { before[$0] != after[$0] }
    let first = try #require(changed.first)
    let last = try #require(changed.last)
    let path = folder.path + "/cut"
    var cuts = Set((0..<60).map { first + (last - first) * $0 / 60 })
    // All that are near records and metadata.
    cuts.formUnion(changed.prefix(300).map { $0 + 1 })
    for cut in cuts.sorted() {
      for mixture in [
        after.prefix(cut) + before.dropFirst(cut), before.prefix(cut) + after.dropFirst(cut),
      ] {
        try mixture.write(to: URL(fileURLWithPath: path))
        chmod(path, 0o600)
        let found = try #require(try Self.newest(path), "cut at \(cut)")
        #expect([2, 3].contains(found.step), "cut at \(cut)")
        #expect(found.values == Self.values(found.step), "cut at \(cut)")
        #expect(found.entries["seed"] == "\(found.step)", "cut at \(cut)")
      }
    }
  }

  @Test func aFlippedBitIsFound() throws {
    let folder = try ScratchFolder()
    let file = try Self.twoStates(in: folder, ranks: 2)
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      let part = Int.random(in: 0..<3, using: &generator)
      let place = Int.random(in: 0..<Self.elementCount, using: &generator)
      let values = file.buffer(part: part, slot: 1)
      let whole = values.base[place]
      values.base[place] = Float(bitPattern: whole.bitPattern ^ 1 << UInt32.random(in: 0..<32))
      #expect(try Self.newest(file.path)?.step == 1, "part \(part), float \(place)")
      values.base[place] = whole
    }
    #expect(try Self.newest(file.path)?.step == 2)
  }

  /// Whoever copies knows better than the digest of the copy.
  @Test func whatIsNotSoundIsNotTaken() throws {
    let folder = try ScratchFolder()
    let file = try Self.twoStates(in: folder, ranks: 1)
    let values = Self.values(3).map { values in
      let copy = FloatBuffer(count: values.count)
      for (index, value) in values.enumerated() { copy.base[index] = value }
      return copy
    }
    var asked: [[Range<Int>]] = [[], [], []]
    for damaged in [2, nil] {
      asked = [[], [], []]
      file.write(
        step: 3, slot: 2, localRank: 0, from: values.map { UnsafePointer($0.base) }
      ) { part, floats, range in
        asked[part].append(range)
        return floats[range.lowerBound] == values[part].base[range.lowerBound] && part != damaged
      }
      #expect(file.write(StepStateMetadata(step: 3, epoch: 7, text: Array("{}".utf8)), slot: 2))
      // It counts as put there, so that nobody waits for it.
      #expect(file.hasAllPieces(ofStep: 3, slot: 2))
      #expect(try Self.newest(file.path)?.step == (damaged == nil ? 3 : 2))
    }
    for ranges in asked {
      #expect(ranges.flatMap { $0 }.elementsEqual(0..<Self.elementCount))
    }
  }

  @Test func whatIsSaidAnewIsSaidOfTheSameState() throws {
    let folder = try ScratchFolder()
    let file = try StepStateFile.make(Self.layout(folder.path, ranks: 1), in: folder.path)
    try Self.reserve(file)
    Self.keep(3, slot: 0, in: file)
    for number in 0..<5 {
      let text = Array("{\"n\":\"\(number)\"}".utf8)
      #expect(file.write(StepStateMetadata(step: 3, epoch: 1, text: text), slot: 0))
      #expect(try Self.newest(file.path)?.entries["n"] == "\(number)")
    }
    let tooLong = [UInt8](repeating: 32, count: 501)
    #expect(!file.write(StepStateMetadata(step: 3, epoch: 1, text: tooLong), slot: 0))
  }

  @Test func othersFilesAndDamagedOnesAreRefused() throws {
    let folder = try ScratchFolder()
    let file = try StepStateFile.make(Self.layout(folder.path, ranks: 1), in: folder.path)
    try Self.reserve(file)
    Self.keep(1, slot: 0, in: file)
    let whole = try Self.bytes(file.path)
    let path = folder.path + "/other"
    func refuses(_ bytes: Data, mode: mode_t = 0o600) throws -> Bool {
      try bytes.write(to: URL(fileURLWithPath: path))
      chmod(path, mode)
      return (try? KeptStates(path)) == nil
    }
    #expect(try !refuses(whole))
    #expect(try refuses(whole, mode: 0o644))
    for count in [0, 7, 39, 200, whole.count - 1] { #expect(try refuses(whole.prefix(count))) }
    #expect(try refuses(whole + [0]))
    // Each byte of the header, but for digits of the length that make it no other.
    for index in 0..<300 {
      var bytes = whole
      bytes[index] ^= 0x10
      #expect(try refuses(bytes), "byte \(index)")
    }
  }

  @Test func leftoversGoAndWhatIsOfUseStays() throws {
    let folder = try ScratchFolder()
    let states = folder.path + "/states"
    try Folder.make(states)
    func make(_ run: String, named: Bool) throws -> StepStateMark {
      let run = "\(folder.path)/\(run)"
      try Folder.make(run)
      let mark = try StepStateMark(run: run, states: states, host: "here")
      let layout = StepStateLayout(
        mark: mark, elementCount: 10, stateNames: [], chunks: nil, localSize: 1,
        metadataCapacity: 10)
      _ = try StepStateFile.make(layout, in: states)
      if named { try mark.write(in: run) }
      return mark
    }
    let waiting = try make("waiting", named: true)
    let goneOn = try make("gone-on", named: true)
    let newer = try make("gone-on", named: true)
    let finished = try make("finished", named: true)
    StepStateMark.remove(in: folder.path + "/finished")
    let removed = try make("removed", named: true)
    try FileManager.default.removeItem(atPath: folder.path + "/removed")
    // Moved, and another run is in its place.
    let moved = try make("moved", named: true)
    try FileManager.default.moveItem(
      atPath: folder.path + "/moved", toPath: folder.path + "/moved-to")
    try Folder.make(folder.path + "/moved")
    // In use by a start that has not named itself yet.
    let mark = try StepStateMark(run: folder.path + "/waiting", states: states, host: "here")
    let beginning = try StepStateFile.make(
      StepStateLayout(
        mark: mark, elementCount: 10, stateNames: [], chunks: nil, localSize: 1,
        metadataCapacity: 10), in: states)

    // Another host cannot know.
    StepStateFolder(path: states, host: "there").removeLeftovers()
    let here = StepStateFolder(path: states, host: "here")
    func isThere(_ mark: StepStateMark) -> Bool { !here.files(of: mark).isEmpty }
    #expect(isThere(goneOn) && isThere(finished) && isThere(removed))
    here.removeLeftovers()
    #expect(isThere(waiting) && isThere(newer) && isThere(mark))
    #expect(!isThere(goneOn) && !isThere(finished))
    func age(_ mark: StepStateMark, seconds: Int) {
      let then = timeval(tv_sec: time(nil) - seconds, tv_usec: 0)
      utimes(here.files(of: mark)[0], [then, then])
    }
    // Where a folder is not to be seen, it may come again for an hour.
    #expect(isThere(removed) && isThere(moved))
    for mark in [removed, moved] { age(mark, seconds: 3700) }
    here.removeLeftovers()
    #expect(!isThere(removed) && isThere(moved))
    // Nobody comes for them in a week.
    age(waiting, seconds: 8 * 86_400)
    here.removeLeftovers()
    #expect(!isThere(waiting) && isThere(newer))
    withExtendedLifetime(beginning) {}
  }
}

@Suite struct StepStateMarkTests {
  @Test func isOfItsFolderAlone() throws {
    let folder = try ScratchFolder()
    let run = folder.path + "/run"
    try Folder.make(run)
    let mark = try StepStateMark(run: run, states: "/dev/shm", host: "a")
    #expect(StepStateMark.read(in: run, host: "a") == nil)
    try mark.write(in: run)
    #expect(StepStateMark.read(in: run, host: "a") == mark)
    // The same folder by a link, and seen from another host.
    symlink(run, folder.path + "/link")
    #expect(StepStateMark.read(in: folder.path + "/link", host: "b") == mark)
    try FileManager.default.copyItem(atPath: run, toPath: folder.path + "/copy")
    #expect(StepStateMark.read(in: folder.path + "/copy", host: "a") == nil)
    // Moved, it is the same to its own host; others cannot tell.
    try FileManager.default.moveItem(atPath: run, toPath: folder.path + "/moved")
    #expect(StepStateMark.read(in: folder.path + "/moved", host: "a") == mark)
    #expect(StepStateMark.read(in: folder.path + "/moved", host: "b") == nil)
    #expect(try StepStateMark(run: folder.path, states: "s", host: "a").token != mark.token)
    try Data("{}".utf8).write(to: URL(fileURLWithPath: folder.path + "/copy/.step-state"))
    #expect(StepStateMark.read(in: folder.path + "/copy", host: "a") == nil)
  }
}
