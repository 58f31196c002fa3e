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
      var findings = [
        HostChecks.cores(budget),
        HostChecks.instructions(
          SystemFile.text(of: "/proc/cpuinfo") ?? ""),
        kernels(try communicator.allgatherv(Array(MatrixProduct.kernels.utf8))),
        HostChecks.memory(.measure(for: communicator)),
        mpi(communicator),
        HostChecks.sharedMemory(
          freeByteCount: HostChecks.freeByteCount(in: "/dev/shm"),
          localRanks: communicator.localSize),
        HostChecks.limits(
          openFiles: HostChecks.limit(Int32(RLIMIT_NOFILE.rawValue)),
          addressSpaceByteCount: HostChecks.limit(Int32(RLIMIT_AS.rawValue))),
      ]
      // Only the first rank writes in a run.
      if communicator.rank == 0 { findings.append(disk()) }
      let rate = try communicator.together {
        try RateChecks.measureComputation(threads: budget.threads)
      }
      var rates = [Double](repeating: 0, count: communicator.size)
      rates[communicator.rank] = rate
      findings.append(RateChecks.computation(rate, of: try communicator.allReduceSum(rates)))
      if communicator.size > 1 {
        let leads = communicator.rank == communicator.localLeader ? Int64(1) : 0
        let hosts = Int(try communicator.allReduceSum([leads])[0])
        let exchange = try RateChecks.measureExchange(communicator)
        if communicator.rank == 0 {
          findings.append(RateChecks.exchange(bytesPerSecond: exchange, hosts: hosts))
        }
      }
      try report(findings, communicator)
    }
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

  private func mpi(_ communicator: any Communicator) -> Finding {
    let launcher = Launcher.detect(in: ProcessInfo.processInfo.environment)
    guard let communicator = communicator as? MPICommunicator else {
      return Finding("MPI", "not in use: one process")
    }
    return Finding(
      "MPI",
      "\(communicator.size) ranks by \(launcher?.command ?? "no known launcher"), \(MPICommunicator.libraryVersion)",
      advice: communicator.allowsOtherThreads
        ? nil : "the library allows no calls from other threads: leave --overlap off")
  }

  private func disk() -> Finding {
    do {
      let rate = try HostChecks.writingRate(in: output)
      return HostChecks.disk(
        path: output, freeByteCount: HostChecks.freeByteCount(in: output) ?? 0,
        bytesPerSecond: rate)
    } catch {
      return Finding("disk", "\(error)", .error, advice: "give --output another folder")
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
