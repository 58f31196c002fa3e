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
      let arguments = try Self.prepare(
        folder, ["--evaluate-every", "0", "--checkpoint-every", "0"])
      let trace = RunTrace(path: folder + "/run")
      func run(steps: Int, stopping: Bool) throws -> ProgramRun {
        var hasSent = false
        return try Self.run(folder, arguments + ["--steps", "\(steps)"]) { process in
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

  /// A job whose run was killed is queued again if it would come further.
  @Test(arguments: [true, false]) func aKilledRunIsQueuedAgain(hasSaved: Bool) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let arguments = try Self.prepare(
        folder, ["--evaluate-every", "0", "--checkpoint-every", hasSaved ? "2" : "0"])
      let trace = RunTrace(path: folder + "/run")
      let run = try Self.run(folder, arguments + ["--steps", "1000000"]) { process in
        guard trace.lineCount > 3,
          !hasSaved || FileManager.default.fileExists(atPath: trace.path + "/latest.safetensors"),
          let program = Self.child(of: process)
        else { return }
        kill(program, SIGKILL)
      }
      #expect(run.exitStatus == 137, "\(run)")
      #expect(run.standardOutput.contains("queued again") == hasSaved, "\(run)")
      let asked = try? String(contentsOfFile: folder + "/asked", encoding: .utf8)
      #expect(asked == (hasSaved ? "requeue 42\n" : nil))
    }
  }

  /// What the script has started in the background: srun, which is the program by then.
  private static func child(of process: pid_t) -> pid_t? {
    let path = "/proc/\(process)/task/\(process)/children"
    let text = try? String(contentsOfFile: path, encoding: .utf8)
    return text?.split(separator: " ").compactMap { pid_t($0) }.first {
      (try? String(contentsOfFile: "/proc/\($0)/comm", encoding: .utf8)) == "unet-dist\n"
    }
  }

  /// Makes the commands of Slurm's.
  ///
  /// - Returns: the arguments of the script: without `train`, the folder and the threads, which are its own.
  private static func prepare(_ folder: String, _ more: [String]) throws -> [String] {
    try write(
      "#!/bin/sh\n[ \"$1\" = --mpi=list ] && { echo pmix; exit; }\n"
        + "while [ \"${1#--}\" != \"$1\" ]; do shift; done\nexec \"$@\"\n",
      to: folder + "/bin/srun")
    try write("#!/bin/sh\necho \"$@\" >> '\(folder)/asked'\n", to: folder + "/bin/scontrol")
    let options = TinyTraining.arguments(data: folder + "/data", output: "", more)
    return options.enumerated().filter { index, text in
      !["train", "--output", "", "--threads"].contains(text)
        && !(index > 0 && options[index - 1] == "--threads")
    }.map(\.element)
  }

  /// Runs the script, as job 42, into `folder`/run.
  private static func run(
    _ folder: String, _ arguments: [String], disturb: (pid_t) -> Void
  ) throws -> ProgramRun {
    try ProgramRun(
      URL(fileURLWithPath: "/bin/bash"), arguments: [script.path] + arguments,
      environment: [
        "PATH": folder + "/bin:/usr/bin:/bin", "OUTPUT": folder + "/run", "SLURM_JOB_ID": "42",
        "SLURM_NTASKS": "1", "SLURM_JOB_NODELIST": "node", "SLURM_SUBMIT_DIR": folder,
        "SLURM_CPUS_PER_TASK": "1",
        "UNET_DIST": try ProgramRun.builtProgram(named: "unet-dist").path,
      ], timeLimit: 40, disturb: disturb)
  }

  private static func write(_ text: String, to path: String) throws {
    let file = URL(fileURLWithPath: path)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
  }
}
