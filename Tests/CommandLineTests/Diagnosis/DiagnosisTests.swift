// What the checks of `doctor` say of what they are given, and how findings of ranks are told.

import Files
import Testing
import unet_dist

@Suite struct DiagnosisTests {
  @Test func ranksThatFoundTheSameShareALine() {
    let fine = Finding("memory", "9 MiB")
    let slow = Finding("computation", "5 GFLOP/s", advice: "look for other programs")
    let fast = Finding("computation", "50 GFLOP/s")
    let diagnosis = Diagnosis([
      .init(rank: 0, host: "a", findings: [fine, fast]),
      .init(rank: 1, host: "a", findings: [fine, fast]),
      .init(rank: 2, host: "b", findings: [fine, slow]),
    ])
    #expect(
      diagnosis.text == """
        ok       memory       9 MiB
        ok       computation  ranks 0-1: 50 GFLOP/s
        warning  computation  rank 2: 5 GFLOP/s
                              look for other programs

        """)
    #expect(diagnosis.status == .warning)
    #expect(
      diagnosis.json.json.hasPrefix(#"{"status": "warning", "ranks": [{"rank": 0, "host": "a", "#))
  }

  @Test func theWorstFindingDecides() {
    let error = Finding("disk", "full", .error, advice: "free some space")
    let warning = Finding("limits", "few", advice: "more")
    #expect(Diagnosis([.init(rank: 0, host: "", findings: [error, warning])]).status == .error)
    #expect(Diagnosis([.init(rank: 0, host: "", findings: [])]).status == .ok)
    // Without advice nothing is wrong.
    #expect(Finding("disk", "x", .error).status == .ok)
  }

  @Test func instructionsAreReadFromTheProcessorsFlags() {
    func found(_ flags: String) -> Finding {
      HostChecks.instructions("processor : 0\nflags\t\t: fpu \(flags)\nbugs: none\n")
    }
    #expect(found("fma avx2 avx512f").found == "AVX-512")
    #expect(found("fma avx2").status == .ok)
    #expect(found("avx2").status == .warning && found("").status == .warning)
    #expect(HostChecks.instructions("").status == .warning)
  }

  @Test func roomAndLimitsAreJudgedByWhatRanksWant() {
    func shared(_ mebibytes: Int?, _ ranks: Int) -> Finding.Status {
      HostChecks.sharedMemory(freeByteCount: mebibytes.map { $0 << 20 }, localRanks: ranks).status
    }
    #expect(shared(64, 4) == .ok && shared(63, 4) == .warning)
    #expect(shared(0, 1) == .ok && shared(nil, 1) == .warning && shared(nil, 2) == .error)
    #expect(HostChecks.limits(openFiles: 1024, addressSpaceByteCount: nil).status == .ok)
    #expect(HostChecks.limits(openFiles: 1023, addressSpaceByteCount: nil).status == .warning)
    #expect(HostChecks.limits(openFiles: nil, addressSpaceByteCount: 1 << 30).status == .warning)
    func disk(_ free: Int, _ rate: Double) -> Finding.Status {
      HostChecks.disk(path: "run", freeByteCount: free, bytesPerSecond: rate).status
    }
    #expect(disk(1 << 30, 20e6) == .ok)
    #expect(disk(1 << 30, 19e6) == .warning && disk(1 << 29, 1e9) == .warning)
    #expect(HostChecks.kernels("Cooperlake", pinned: false).status == .ok)
    #expect(HostChecks.kernels("Prescott", pinned: false).status == .warning)
  }

  @Test func aRankIsSlowBesideTheFastest() {
    #expect(RateChecks.computation(71, of: [71, 100]).status == .ok)
    #expect(RateChecks.computation(69, of: [69, 100]).status == .warning)
    #expect(RateChecks.exchange(bytesPerSecond: 1e6, hosts: 1).status == .ok)
    #expect(RateChecks.exchange(bytesPerSecond: 1e6, hosts: 2).status == .warning)
  }
}
