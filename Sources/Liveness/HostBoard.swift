// The marks of progress of all ranks on a host, in memory that they share.

import CLiveness
import Glibc

/// A piece of shared memory with a place for the marks of each rank of a host.
///
/// The first rank makes it, the others open it by its name, and then the name is removed: so nothing stays
/// behind, however the ranks end.
package struct HostBoard: @unchecked Sendable {
  // Unchecked because of the pointer, to memory that is read and written by atomic operations only.

  private static let folder = "/dev/shm"
  /// What the names of boards begin with, before the number of the maker's process.
  static let prefix = "unet-dist-board-"

  /// Where it is, while it has a name.
  package let path: String
  private let marks: UnsafeMutablePointer<CLiveness_Marks>
  private let count: Int

  /// A new board for `count` ranks; nil where the system has no room for it.
  package static func make(count: Int) -> HostBoard? {
    removeNamesOfTheDead()
    let tag = String(UInt64.random(in: .min ... .max), radix: 16)
    let path = "\(folder)/\(prefix)\(getpid())-\(tag)"
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    // Reserved, because writing to what is not there would end the process.
    var code: CInt
    repeat {
      code = posix_fallocate(descriptor, 0, off_t(count * MemoryLayout<CLiveness_Marks>.stride))
    } while code == EINTR
    guard code == 0, let board = HostBoard(path: path, descriptor: descriptor, count: count)
    else {
      unlink(path)
      return nil
    }
    return board
  }

  /// The board that another rank has made; nil where it cannot be opened.
  package init?(path: String, count: Int) {
    let descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_uid == geteuid(),
      Int(status.st_size) >= count * MemoryLayout<CLiveness_Marks>.stride
    else { return nil }
    self.init(path: path, descriptor: descriptor, count: count)
  }

  private init?(path: String, descriptor: CInt, count: Int) {
    let byteCount = count * MemoryLayout<CLiveness_Marks>.stride
    let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    guard let memory, memory != MAP_FAILED else { return nil }
    marks = memory.bindMemory(to: CLiveness_Marks.self, capacity: count)
    self.path = path
    self.count = count
  }

  /// Removes the names of boards whose makers were killed before they could.
  ///
  /// A board without a name is still there for those who have it.
  private static func removeNamesOfTheDead() {
    guard let folder = opendir(folder) else { return }
    defer { closedir(folder) }
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      let number = name.hasPrefix(prefix) ? name.dropFirst(prefix.count).split(separator: "-") : []
      guard let process = number.first.flatMap({ Int($0) }), ProcessState(of: process) == nil else {
        continue
      }
      // Another user's is refused by the system.
      unlink("\(Self.folder)/\(name)")
    }
  }

  /// Takes the name away, when all who will ever open it have.
  package func removeName() { unlink(path) }

  /// Lets the others see this process's marks from now on, at place `place` as rank `rank`.
  package func join(place: Int, rank: Int) {
    let own = marks + place
    CLiveness_store(&own.pointee.rank, Int64(rank))
    CLiveness_store(&own.pointee.start, Int64(ProcessState(of: Int(getpid()))?.start ?? 0))
    CLiveness_move(own)
    CLiveness_store(&own.pointee.process, Int64(getpid()))
  }

  /// The marks of the ranks that have come, but for those that have ended in good order.
  package func sightings() -> [RankSighting] {
    (0..<count).compactMap { place in
      guard let sighting = RankSighting(marks + place) else { return nil }
      if sighting.phase == .end, sighting.process != Int(getpid()) {
        let state = ProcessState(of: sighting.process)
        let start = Int(CLiveness_load(&marks[place].start))
        guard let state, state.start == start, !state.hasEnded else { return nil }
      }
      return sighting
    }
  }

  /// Whether one of the ranks has told of a stall; else this one, at `place`, is to.
  func takeWord(place: Int) -> Bool {
    for other in 0..<count where CLiveness_load(&marks[other].spoken) != 0 { return false }
    CLiveness_store(&marks[place].spoken, 1)
    return true
  }

  /// The place of this process.
  var ownPlace: Int? {
    (0..<count).first { Int(CLiveness_load(&marks[$0].process)) == Int(getpid()) }
  }

  /// Handles to the processes of the other ranks that are still there.
  func otherProcesses() -> [CInt] {
    (0..<count).compactMap { place in
      let process = Int(CLiveness_load(&marks[place].process))
      let start = Int(CLiveness_load(&marks[place].start))
      guard process > 0, process != Int(getpid()) else { return nil }
      let handle = CLiveness_open_process(Int64(process))
      guard handle >= 0 else { return nil }
      // From here on the number is this process's or nobody's.
      guard ProcessState(of: process)?.start == start else {
        close(handle)
        return nil
      }
      return handle
    }
  }
}

extension RankSighting {
  /// What marks say; nil for a rank that has not come.
  init?(_ marks: UnsafeMutablePointer<CLiveness_Marks>) {
    let process = Int(CLiveness_load(&marks.pointee.process))
    guard process > 0, let phase = Progress.Phase(rawValue: CLiveness_load(&marks.pointee.phase))
    else { return nil }
    self.init(
      rank: Int(CLiveness_load(&marks.pointee.rank)), process: process,
      beats: Int(CLiveness_load(&marks.pointee.beats)), phase: phase,
      step: Int(CLiveness_load(&marks.pointee.step)),
      isWaiting: CLiveness_load(&marks.pointee.waits) > 0)
  }
}
