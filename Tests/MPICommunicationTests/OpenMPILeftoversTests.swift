// What is taken away of dead jobs, and what is not.

import Foundation
import MPICommunication
import TestSupport
import Testing

@Suite struct OpenMPILeftoversTests {
  @Test func onlyWhatIsNobodysGoes() throws {
    let folder = try ScratchFolder()
    let user = geteuid()
    let sessions = "\(folder.path)/ompi.here.\(user)"
    let live = "\(sessions)/pid.\(getpid())"
    // Numbers of processes end before this one.
    let dead = "\(sessions)/pid.999999999"
    for path in [live, dead, dead + "/0"] {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    let segments = [
      "vader_segment.here.0.1.0", "vader_segment.there.0.1.0", "vader_segment.here.0.2.0",
    ]
    for name in segments {
      try Data(count: 4096).write(to: URL(fileURLWithPath: "\(folder.path)/\(name)"))
    }
    // One is mapped, by this process.
    let file = open("\(folder.path)/\(segments[2])", O_RDWR)
    defer { close(file) }
    let memory = mmap(nil, 4096, PROT_READ, MAP_SHARED, file, 0)
    defer { munmap(memory, 4096) }
    func remains() throws -> Set<String> {
      Set(
        try FileManager.default.subpathsOfDirectory(atPath: folder.path).map {
          "\(folder.path)/\($0)"
        })
    }
    let before = try remains()
    OpenMPILeftovers.remove(memory: folder.path, temporary: folder.path, host: "here")
    #expect(try remains() == before, "a job may be about to begin")
    OpenMPILeftovers.remove(
      memory: folder.path, temporary: folder.path, host: "here", age: 0)
    let left = try remains()
    #expect(left == before.subtracting([dead, dead + "/0", "\(folder.path)/\(segments[0])"]))
  }
}
