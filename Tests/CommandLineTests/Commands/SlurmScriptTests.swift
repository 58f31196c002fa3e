// The batch script for Slurm, with made-up commands of Slurm's.

import Foundation
import TestSupport
import Testing

@Suite struct SlurmScriptTests {
  private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Scripts/slurm.sbatch")

  /// As before the time limit, where the job queues itself again, and as at a preemption or scancel, where that
  /// is Slurm's to decide; then as the job is started again.
  @Test(arguments: [SIGUSR1, SIGTERM]) func savesAndGoesOn(signal: Int32) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      try Self.write(
        "#!/bin/sh\n[ \"$1\" = --mpi=list ] && { echo pmix; exit; }\n"
          + "while [ \"${1#--}\" != \"$1\" ]; do shift; done\nexec \"$@\"\n",
        to: folder + "/bin/srun")
      try Self.write("#!/bin/sh\necho \"$@\" >> '\(folder)/asked'\n", to: folder + "/bin/scontrol")
      let options = TinyTraining.arguments(
        data: folder + "/data", output: "", ["--evaluate-every", "0", "--checkpoint-every", "0"])
      // Without `train`, the folder and the threads, which are the script's.
      let arguments =
        options.enumerated().filter { index, text in
          !["train", "--output", "", "--threads"].contains(text)
            && !(index > 0 && options[index - 1] == "--threads")
        }.map(\.element)
      let trace = RunTrace(path: folder + "/run")
      func run(steps: Int, stopping: Bool) throws -> ProgramRun {
        var hasSent = false
        return try ProgramRun(
          URL(fileURLWithPath: "/bin/bash"),
          arguments: [Self.script.path] + arguments + ["--steps", "\(steps)"],
          environment: [
            "PATH": folder + "/bin:/usr/bin:/bin", "OUTPUT": trace.path, "SLURM_JOB_ID": "42",
            "SLURM_NTASKS": "1", "SLURM_JOB_NODELIST": "node", "SLURM_SUBMIT_DIR": folder,
            "SLURM_CPUS_PER_TASK": "1",
            "UNET_DIST": try ProgramRun.builtProgram(named: "unet-dist").path,
          ], timeLimit: 40
        ) { process in
          guard stopping, !hasSent, trace.lineCount > 3 else { return }
          hasSent = true
          kill(process, signal)
        }
      }
      let first = try run(steps: 1_000_000, stopping: true)
      let asked = try? String(contentsOfFile: folder + "/asked", encoding: .utf8)
      if signal == SIGUSR1 {
        #expect(first.succeeded, "\(first)")
        #expect(first.standardOutput.contains("queued again, to go on from"), "\(first)")
        #expect(asked == "requeue 42\n")
      } else {
        #expect(first.exitStatus == 85, "\(first)")
        #expect(first.standardOutput.contains("OUTPUT=\(trace.path) goes on from"), "\(first)")
        #expect(asked == nil)
      }
      let reached = try #require(trace.steps().last?["step"] as? Int)
      let second = try run(steps: reached + 5, stopping: false)
      #expect(second.succeeded, "\(second)")
      #expect(try trace.steps().map { $0["step"] as? Int } == Array(1...reached + 5))
    }
  }

  private static func write(_ text: String, to path: String) throws {
    let file = URL(fileURLWithPath: path)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
  }
}
