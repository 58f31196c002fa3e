// `unet-dist doctor`.

import ArgumentParser
import Communication
import Files
import Foundation
import Kernels
import Liveness
import MPICommunication

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Looks whether this host, or the ranks of a job, are fit to train.",
    discussion: """
      Alone it looks at one host, under mpirun at all of them, as train would be started. Each line is ok, a \
      warning or an error with what to do; after an error the exit status is not 0. It takes seconds.
      """)

  @Option(help: "The folder that runs are to be written to.", completion: .directory)
  var output = "."
  @Flag(help: "Print one JSON object.") var json = false

  func run() throws {
    try runCommand { communicator in
      let budget = try ThreadBudget.measure(for: communicator)
      let allowed = CoreSet.allowed
      let links = HostLinks(communicator)
      let environment = ProcessInfo.processInfo.environment
      let library = MPICommunicator.libraryVersion
      var findings = [
        HostChecks.cores(budget),
        HostChecks.binding(budget, allowed: allowed),
        HostChecks.memoryNodes(HostChecks.memoryNodes(), allowed: allowed),
        HostChecks.instructions(
          SystemFile.text(of: "/proc/cpuinfo") ?? ""),
        kernels(try communicator.allgatherv(Array(MatrixProduct.kernels.utf8))),
        HostChecks.memory(.measure(for: communicator)),
        ranks(communicator),
        HostChecks.library(
          library, builtWith: MPICommunicator.headerVersion,
          ofAll: try communicator.allgatherv(Array(library.utf8)).map {
            String(decoding: $0, as: UTF8.self)
          }),
      ]
      if communicator is MPICommunicator {
        findings.append(
          HostChecks.transports(
            MPICommunicator.transports, environment: environment, adapters: HostChecks.adapters(),
            hosts: links.leaders.count))
      }
      findings += [
        HostChecks.sharedMemory(
          freeByteCount: HostChecks.freeByteCount(in: "/dev/shm"),
          localRanks: communicator.localSize),
        HostChecks.limits(
          openFiles: HostChecks.limit(Int32(RLIMIT_NOFILE.rawValue)),
          addressSpaceByteCount: HostChecks.limit(Int32(RLIMIT_AS.rawValue))),
      ]
      // Only the first rank writes in a run.
      if communicator.rank == 0 { findings.append(disk()) }
      findings.append(
        try rate(communicator, RateChecks.products) {
          try RateChecks.measureProducts(threads: budget.threads)
        })
      findings.append(
        try rate(communicator, RateChecks.forwardPass) {
          try RateChecks.measureForwardPass(threads: budget.threads)
        })
      findings += try exchange(communicator, links, budget)
      try report(findings, communicator)
    }
  }

  /// Measures a rate on every rank, and judges this one's; collective.
  private func rate(
    _ communicator: any Communicator, _ judge: (Double, [Double]) -> Finding,
    _ measure: () throws -> Double
  ) throws -> Finding {
    let rate = try communicator.together(measure)
    var rates = [Double](repeating: 0, count: communicator.size)
    rates[communicator.rank] = rate
    return judge(rate, try communicator.allReduceSum(rates))
  }

  /// What is between the ranks and their hosts, told by rank 0; collective.
  private func exchange(
    _ communicator: any Communicator, _ links: HostLinks, _ budget: ThreadBudget
  ) throws -> [Finding] {
    guard communicator.size > 1 else { return [] }
    let names = try communicator.allgatherv(Array(communicator.hostName.utf8))
    let hosts = links.leaders.map { String(decoding: names[$0], as: UTF8.self) }
    let overlap = try Overlap.auto.resolved(
      threads: budget.threads, budget: budget, communicator: communicator)
    let rates = try RateChecks.measureExchange(communicator, overlap: overlap)
    let clocks = try links.clocks()
    let pairs = try links.rates()
    guard communicator.rank == 0 else { return [] }
    return [RateChecks.exchange(rates, hosts: hosts.count)]
      + LinkChecks.pairs(pairs, hosts: hosts) + LinkChecks.clocks(clocks, hosts: hosts)
  }

  private func kernels(_ all: [[UInt8]]) -> Finding {
    let own = HostChecks.kernels(
      MatrixProduct.kernels,
      pinned: ProcessInfo.processInfo.environment["UNET_DIST_BLAS_KERNELS"] != nil)
    guard Set(all).count > 1 else { return own }
    return Finding(
      own.name, own.found, .error,
      advice: "ranks have others: set UNET_DIST_BLAS_KERNELS to one name on all hosts")
  }

  private func ranks(_ communicator: any Communicator) -> Finding {
    let launcher = Launcher.detect(in: ProcessInfo.processInfo.environment)
    guard communicator is MPICommunicator else {
      return Finding("MPI", "not in use: one process")
    }
    return Finding(
      "MPI", "\(communicator.size) ranks by \(launcher?.command ?? "no known launcher")",
      advice: communicator.allowsOtherThreads
        ? nil : "the library allows no calls from other threads: leave --overlap off")
  }

  private func disk() -> Finding {
    var status = stat()
    guard stat(output, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      let found = access(output, F_OK) == 0 ? "another file" : "nothing"
      return Finding(
        "disk", "\(output): expected a folder, found \(found)", .error,
        advice: "make it (mkdir -p), or give --output another one")
    }
    do {
      let rate = try HostChecks.writingRate(in: output)
      return HostChecks.disk(
        path: output, freeByteCount: HostChecks.freeByteCount(in: output) ?? 0,
        bytesPerSecond: rate)
    } catch {
      return Finding(
        // Of the file by which it was tried nobody has heard.
        "disk", "\(output): cannot be written, \(error.code.map(FileError.reason) ?? error.found)",
        .error,
        advice: "give --output another folder")
    }
  }

  /// Gathers the findings of all ranks, and prints them on the first; collective.
  private func report(_ findings: [Finding], _ communicator: any Communicator) throws {
    let own = Diagnosis.Rank(
      rank: communicator.rank, host: communicator.hostName, findings: findings)
    let encoded = try communicator.together { Array(try JSONEncoder().encode(own)) }
    let all = try communicator.gatherv(encoded, to: 0)
    let hasFailed = try communicator.together { () throws -> Bool in
      guard communicator.rank == 0 else { return false }
      let ranks = try all.map { try JSONDecoder().decode(Diagnosis.Rank.self, from: Data($0)) }
      let diagnosis = Diagnosis(ranks)
      try printText(json ? diagnosis.json.json + "\n" : diagnosis.text)
      return diagnosis.status == .error
    }
    if try communicator.allReduceSum([hasFailed ? Int64(1) : 0])[0] > 0 {
      throw DiagnosisFailure()
    }
  }
}

/// An error among the findings, which have been printed.
private struct DiagnosisFailure: AgreedFailure {
  let reportingRank = 0
  let description = "doctor has found an error; see the lines above"
}
