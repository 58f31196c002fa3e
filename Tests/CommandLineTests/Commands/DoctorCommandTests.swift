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
            "cores", "instructions", "matrix kernels", "memory", "MPI", "/dev/shm", "limits",
          ] + (rank == 0 ? ["disk"] : []) + ["computation"]
            + (rank == 0 && ranks > 1 ? ["all-reduce"] : []))
        #expect(
          findings.allSatisfy { ($0["advice"] is String) == ($0["status"] as? String != "ok") })
      }
      // What was written to measure the disk is gone.
      #expect(try Folder.names(in: folder).isEmpty)
    }
  }

  @Test func aFolderThatCannotBeWrittenIsAnError() throws {
    try withTemporaryFolder { folder in
      let run = try ProgramRun.unetDist(
        ranks: 1, ["doctor", "--output", folder + "/none"])
      run.expectOneError(naming: ["doctor"])
      #expect(run.standardOutput.contains("error    disk"), "\(run)")
    }
  }
}
