// Whether a launcher such as mpirun started this process, read from the environment.

/// The program that started this process as one rank of several.
package struct Launcher: Sendable, Equatable {
  /// The name of its command.
  package let command: String

  /// This process's rank, where the launcher tells.
  package let rank: Int?

  /// The number of ranks, where the launcher tells.
  package let size: Int?

  /// Whether it provides what MPI needs for the ranks to find each other.
  package let servesMPI: Bool

  /// A launcher with all that is known of it.
  package init(command: String, rank: Int?, size: Int?, servesMPI: Bool) {
    self.command = command
    self.rank = rank
    self.size = size
    self.servesMPI = servesMPI
  }

  /// The launcher that left its marks in `environment`, or nil for a process started by hand.
  ///
  /// Knows Open MPI's `mpirun`, the launchers that speak PMI (MPICH, Intel MPI, `srun --mpi=pmi2`)
  /// or PMIx (`srun --mpi=pmix`, `prun`), and `srun` of several tasks without any of them.
  package static func detect(in environment: [String: String]) -> Launcher? {
    func number(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }

    if let size = number("OMPI_COMM_WORLD_SIZE") {
      return Launcher(
        command: "mpirun", rank: number("OMPI_COMM_WORLD_RANK"), size: size, servesMPI: true)
    }
    let slurmSize = number("SLURM_STEP_NUM_TASKS")
    let command = environment["SLURM_STEP_ID"] == nil ? "mpiexec" : "srun"
    if let rank = number("PMI_RANK") {
      return Launcher(
        command: command, rank: rank, size: number("PMI_SIZE") ?? slurmSize, servesMPI: true)
    }
    if let rank = number("PMIX_RANK") {
      return Launcher(command: command, rank: rank, size: slurmSize, servesMPI: true)
    }
    // A batch script has SLURM_NTASKS too; only srun sets the variables of a step.
    if environment["SLURM_STEP_ID"] != nil, let slurmSize, slurmSize > 1 {
      return Launcher(
        command: command, rank: number("SLURM_PROCID"), size: slurmSize, servesMPI: false)
    }
    return nil
  }
}

extension Launcher {
  /// Seconds of silence after which a launcher should take a host for lost.
  private static let longestSilence = 180

  /// What to do so that a launcher over several hosts notices a lost one, or nil.
  ///
  /// Open MPI's `mpirun` hands its parameters on in the environment: after `time` seconds of silence it asks
  /// `probes` times, every `intvl` seconds. By its defaults, 300, 20 and 9, it waits for eight minutes.
  package func keepaliveWarning(in environment: [String: String]) -> String? {
    guard command == "mpirun" else { return nil }
    func number(_ name: String, _ preset: Double) -> Double {
      environment["OMPI_MCA_oob_tcp_keepalive_\(name)"].flatMap { Double($0) } ?? preset
    }
    let time = number("time", 300)
    let silence = time + number("intvl", 20) * number("probes", 9)
    guard time <= 0 || silence > Double(Self.longestSilence) else { return nil }
    return """
      mpirun will be slow to notice a lost host; start it with --mca oob_tcp_keepalive_time 30 \
      --mca oob_tcp_keepalive_intvl 10 --mca oob_tcp_keepalive_probes 6
      """
  }
}

/// A job whose processes did not find each other.
package struct LaunchError: Error, CustomStringConvertible {
  /// The launcher, as the environment describes it.
  package let launcher: Launcher

  /// The number of ranks that MPI sees, where it was asked.
  package let joinedSize: Int?

  /// An error of `launcher`; `joinedSize` is nil where MPI was not asked.
  package init(launcher: Launcher, joinedSize: Int?) {
    self.launcher = launcher
    self.joinedSize = joinedSize
  }

  /// One sentence for the user.
  package var description: String {
    let started = "\(launcher.command) started \(launcher.size.map(String.init) ?? "several") ranks"
    guard let joinedSize else {
      return "\(started) without MPI: start them with srun --mpi=pmix or with mpirun"
    }
    return """
      \(started) but MPI sees \(joinedSize): the launcher belongs to another MPI library than the \
      one this program was built with; use that library's mpirun
      """
  }
}
