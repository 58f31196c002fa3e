// `unet-dist doctor`, alone and on several ranks.

import Files
import Foundation
import TestSupport
import Testing

@Suite struct DoctorCommandTests {
  @Test(arguments: [1, 2])
  func everyRankTellsOfItsHost(_ ranks: Int) throws {
    try withTemporaryFolder { folder in
      let run = try ProgramRun.unetDist(
        ranks: ranks, ["doctor", "--json", "--output", folder])
      let object = try run.jsonObject()
      let all = try #require(object["ranks"] as? [[String: Any]])
      #expect(all.map { $0["rank"] as? Int } == Array(0..<ranks))
      for (rank, entry) in all.enumerated() {
        let findings = try #require(entry["findings"] as? [[String: Any]])
        let names = findings.compactMap { $0["name"] as? String }
        #expect(
          names == [
            "cores", "binding", "NUMA", "instructions", "matrix kernels", "memory", "MPI",
            "MPI library",
          ] + (ranks > 1 ? ["transports"] : []) + ["/dev/shm", "limits"]
            + (rank == 0 ? ["disk"] : [])
            + ["sgemm", "forward pass"] + (rank == 0 && ranks > 1 ? ["all-reduce"] : []))
        let found = Dictionary(
          findings.map { ($0["name"] as? String ?? "", $0["found"] as? String ?? "") },
          uniquingKeysWith: { first, _ in first })
        #expect(found["MPI library"]?.hasSuffix("the one it was built with") == true, "\(found)")
        #expect(
          found["transports"].map { $0.contains("pml ob1, btl ") || $0.contains("device ") } ?? true
        )
        #expect(
          findings.allSatisfy { ($0["advice"] is String) == ($0["status"] as? String != "ok") })
      }
      // What was written to measure the disk is gone.
      #expect(try Folder.names(in: folder).isEmpty)
    }
  }

  @Test func whatIsNoFolderIsAnErrorOfOneLine() throws {
    try withTemporaryFolder { folder in
      let file = folder + "/file"
      try Data().write(to: URL(fileURLWithPath: file))
      for (path, found) in [(folder + "/none", "nothing"), (file, "another file")] {
        let run = try ProgramRun.unetDist(ranks: 1, ["doctor", "--output", path])
        run.expectOneError(naming: ["doctor"])
        let line = "\(path): expected a folder, found \(found)\n"
        #expect(
          run.standardOutput.contains("error    disk") && run.standardOutput.contains(line),
          "\(run)")
      }
    }
  }
}
