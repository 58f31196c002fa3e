// What the checks of `doctor` say of what they are given, and how findings of ranks are told.

import Communication
import Files
import TestSupport
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
    for judge in [RateChecks.products, RateChecks.forwardPass] {
      #expect(judge(71, [71, 100]).status == .ok && judge(69, [69, 100]).status == .warning)
    }
    let rates = ExchangeRates(tree: 1e6, library: 2e6)
    #expect(RateChecks.exchange(rates, hosts: 1).status == .ok)
    #expect(RateChecks.exchange(rates, hosts: 2).status == .warning)
    // What is measured has its name.
    #expect(
      RateChecks.exchange(rates, hosts: 1).found.contains("1.0 MB/s of gradients by the tree"))
    #expect(RateChecks.exchange(rates, hosts: 1).found.contains("2.0 MB/s by --reduction fast"))
  }

  @Test func bindingIsToldWhereItIsFineToo() {
    func binding(own: Range<Int>, host: Range<Int>, ranks: Int) -> Finding {
      let budget = ThreadBudget(
        own: CoreSet(own), localRanks: (0..<ranks).map { _ in CoreSet(own) },
        reachable: CoreSet(host),
        processorLimit: nil)
      return HostChecks.binding(budget, allowed: CoreSet(own))
    }
    #expect(
      binding(own: 0..<8, host: 0..<8, ranks: 2)
        == Finding("binding", "none, all cores of this host"))
    let one = binding(own: 3..<4, host: 0..<8, ranks: 1)
    #expect(one.found == "to core 3, 1 of 8" && one.status == .warning)
    #expect(binding(own: 0..<4, host: 0..<8, ranks: 1).found == "to cores 0-3, 4 of 8")
  }

  @Test func aRankOverSeveralMemoryNodesIsAdvisedToBeSeveral() {
    let nodes = [0: CoreSet(0..<4), 1: CoreSet(4..<8), 2: CoreSet([Int]())]
    func found(_ cores: Range<Int>) -> Finding {
      HostChecks.memoryNodes(nodes, allowed: CoreSet(cores))
    }
    #expect(found(4..<6) == Finding("NUMA", "cores of memory node 1, of 2"))
    #expect(
      found(2..<6).status == .warning && found(2..<6).found == "cores of memory nodes 0-1, of 2")
    #expect(HostChecks.memoryNodes([0: CoreSet(0..<4)], allowed: CoreSet(0..<4)).status == .ok)
    #expect(HostChecks.memoryNodes([:], allowed: CoreSet(0..<4)).status == .ok)
  }

  @Test func theLibraryIsHeldAgainstTheOneOfTheBuild() {
    func status(_ loaded: String, _ built: String, _ all: [String]? = nil) -> Finding.Status {
      HostChecks.library(loaded, builtWith: built, ofAll: all ?? [loaded]).status
    }
    #expect(status("Open MPI v4.1.4", "Open MPI 4.1.4") == .ok)
    #expect(status("Open MPI v5.0.1", "Open MPI 4.1.4") == .warning)
    #expect(status("MPICH Version: 4.0.2", "MPICH 4.0.2") == .ok)
    #expect(status("Intel(R) MPI Library 4.0.2", "MPICH 4.0.2") == .warning)
    #expect(
      status("Open MPI v4.1.4", "Open MPI 4.1.4", ["Open MPI v4.1.4", "Open MPI v4.1.5"]) == .error)
  }

  @Test func transportsAreTheLibrarysAndTheUsersWords() {
    func finding(_ components: [String], _ adapters: [String], _ hosts: Int) -> Finding {
      HostChecks.transports(
        components, environment: ["OMPI_MCA_btl": "tcp,self", "HOME": "/root"], adapters: adapters,
        hosts: hosts)
    }
    let tcp = ["pml ob1", "btl self", "btl tcp"]
    #expect(
      finding(tcp, [], 2)
        == Finding("transports", "pml ob1, btl self, btl tcp; by OMPI_MCA_btl=tcp,self"))
    #expect(
      finding(tcp, ["mlx5_0"], 1).status == .ok && finding(tcp, ["mlx5_0"], 2).status == .warning)
    #expect(finding(["pml ucx"], ["mlx5_0"], 2).status == .ok)
    #expect(finding([], [], 1).found.hasPrefix("the library does not tell"))
  }

  @Test func everyPairOfHostsIsInOneRound() {
    for count in 0...9 {
      let rounds = HostLinks.rounds(of: count)
      let pairs = rounds.flatMap { $0 }
      #expect(pairs.count == count * (count - 1) / 2 && Set(pairs).count == pairs.count)
      for round in rounds {
        let hosts = round.flatMap { [$0.first, $0.second] }
        #expect(Set(hosts).count == hosts.count && hosts.allSatisfy { 0..<count ~= $0 })
      }
    }
  }

  @Test func hostsAreMeasuredByTheirFirstRanks() throws {
    // Ranks 0 and 1 on a host, 2 on another, 3 and 4 on a third.
    let results = ThreadedCommunicator.run(ranks: 5) { communicator in
      let links = HostLinks(communicator, leaders: [0, 0, 2, 3, 3])
      return (try links.clocks(), try links.rates(floatCount: 1001))
    }
    for (rank, result) in results.enumerated() {
      let (clocks, rates) = try result.get()
      #expect(clocks.count == (rank == 0 ? 2 : 0))
      // It is one clock, read by threads of one process.
      #expect(clocks.allSatisfy { abs($0.offset) <= $0.uncertainty })
      #expect(Set(rates.keys) == [.init(0, 1), .init(0, 2), .init(1, 2)])
      #expect(rates.values.allSatisfy { $0 > 0 && $0.isFinite })
    }
  }

  @Test func theSlowPairAndTheFarClockAreToldFirst() {
    let hosts = ["a", "b", "c"]
    let pairs = LinkChecks.pairs(
      [.init(0, 1): 1e9, .init(0, 2): 4e8, .init(1, 2): 9e8], hosts: hosts)
    #expect(pairs.map(\.status) == [.warning, .ok, .ok])
    #expect(pairs[0].found == "a - c: 400.0 MB/s of gradients summed")
    #expect(LinkChecks.pairs([.init(0, 1): 4e7], hosts: hosts)[0].status == .warning)
    let clocks = LinkChecks.clocks(
      [.init(offset: 0.002, uncertainty: 0.0001), .init(offset: -1.3, uncertainty: 0.2)],
      hosts: hosts)
    #expect(clocks.map(\.status) == [.warning, .ok])
    #expect(clocks[0].found == "c: 1.300 s behind a, give or take 200.000 ms")
    #expect(clocks[1].found == "b: 2.000 ms ahead of a, give or take 0.100 ms")
    // What may be the way of the message is no fault of the clock.
    #expect(
      LinkChecks.clocks([.init(offset: 1.1, uncertainty: 0.2)], hosts: hosts)[0].status == .ok)
  }

  @Test func manyPairsThatAreWellAreAFewLines() {
    let pairs = (0..<20).map {
      Finding("pair of hosts", "\($0)", advice: $0 == 19 ? "mend it" : nil)
    }
    let text = Diagnosis([
      .init(rank: 0, host: "a", findings: pairs), .init(rank: 1, host: "b", findings: []),
    ]).text
    #expect(text.split(separator: "\n").count == 12 + 2 + 1)
    #expect(text.contains("pair of hosts  0\n") && text.contains("mend it"))
    #expect(text.hasSuffix("pair of hosts  and 7 more; all with --json\n"))
  }
}
