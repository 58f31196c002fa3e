// Which environments mean that MPI is to be used.

import Communication
import MPICommunication
import Testing

@Suite struct LauncherTests {
  @Test func processStartedByHandIsAlone() throws {
    #expect(Launcher.detect(in: [:]) == nil)
    // Inside a batch script, not started by srun.
    #expect(
      Launcher.detect(in: ["SLURM_JOB_ID": "1", "SLURM_NTASKS": "8", "SLURM_PROCID": "0"]) == nil)
    let communicator = try Job.join(environment: [:])
    #expect(communicator is SoloCommunicator)
    #expect(!MPICommunicator.isInitialized)
  }

  @Test func launchersAreKnown() {
    #expect(
      Launcher.detect(in: ["OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_RANK": "3"])
        == Launcher(command: "mpirun", rank: 3, size: 8, servesMPI: true))
    #expect(
      Launcher.detect(in: ["PMI_SIZE": "4", "PMI_RANK": "0"])
        == Launcher(command: "mpiexec", rank: 0, size: 4, servesMPI: true))
    let step = ["SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"]
    #expect(
      Launcher.detect(in: step.merging(["PMIX_RANK": "2"]) { $1 })
        == Launcher(command: "srun", rank: 2, size: 4, servesMPI: true))
    #expect(
      Launcher.detect(in: step)
        == Launcher(command: "srun", rank: 2, size: 4, servesMPI: false))
  }

  @Test func longSilenceOfMpirunIsWarnedOf() {
    let mpirun = Launcher(command: "mpirun", rank: 0, size: 4, servesMPI: true)
    let name = "OMPI_MCA_oob_tcp_keepalive_time"
    #expect(mpirun.keepaliveWarning(in: [:])?.contains("--mca oob_tcp_keepalive_time 30") == true)
    // Open MPI's own default, and none at all.
    #expect(mpirun.keepaliveWarning(in: [name: "300"]) != nil)
    #expect(mpirun.keepaliveWarning(in: [name: "0"]) != nil)
    // 30 s, and then nine times 20 s.
    #expect(mpirun.keepaliveWarning(in: [name: "30"]) != nil)
    let probing = [
      "OMPI_MCA_oob_tcp_keepalive_intvl": "10", "OMPI_MCA_oob_tcp_keepalive_probes": "6",
    ]
    #expect(mpirun.keepaliveWarning(in: probing.merging([name: "30"]) { $1 }) == nil)
    #expect(mpirun.keepaliveWarning(in: probing) != nil)
    let srun = Launcher(command: "srun", rank: 0, size: 4, servesMPI: true)
    #expect(srun.keepaliveWarning(in: [:]) == nil)
  }

  @Test func tasksWithoutMPIAreAnError() {
    #expect(throws: LaunchError.self) {
      try Job.join(environment: ["SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4"])
    }
    #expect(!MPICommunicator.isInitialized)
  }
}
