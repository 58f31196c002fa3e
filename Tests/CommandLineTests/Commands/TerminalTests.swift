// Terminals that are closed, full or unread: training goes on, and results are not lost in silence.

import Foundation
import TestSupport
import Testing

@Suite struct TerminalTests {
  /// Runs a shell's line with the program as $0 and a run folder as $1.
  private func shell(_ line: String, _ folder: String, timeLimit: Double = 40) throws -> ProgramRun
  {
    let program = try ProgramRun.builtProgram(named: "unet-dist").path
    return try ProgramRun(
      URL(fileURLWithPath: "/bin/bash"), arguments: ["-c", line, program, folder],
      timeLimit: timeLimit)
  }

  private static func train(_ folder: String, steps: Int = 200) throws -> String {
    try TinyImages.squares(folder + "/data")
    let arguments = TinyTraining.arguments(
      data: folder + "/data", output: folder + "/run",
      ["--steps", "\(steps)", "--global-batch", "1"])
    return "\"$0\" " + arguments.map { "'\($0)'" }.joined(separator: " ")
  }

  @Test(arguments: [
    ">&- 2>&- <&-", "> /dev/full 2> /dev/full", "2>&1 | head -n 1",
    // A reader that never reads, for longer than the run takes.
    "2> >(exec sleep 30 > /dev/null)",
  ])
  func trainingGoesOn(redirection: String) throws {
    try withTemporaryFolder { folder in
      // More lines than a pipe has room for.
      let command = try Self.train(folder, steps: 3000) + " " + redirection
      let run = try shell("set -o pipefail; \(command)", folder)
      #expect(run.succeeded, "\(run)")
      let trace = RunTrace(path: folder + "/run")
      #expect(try trace.steps().count == 3000)
      _ = try trace.tensors()
    }
  }

  @Test func aFileThatMayNotGrowIsOneError() throws {
    try withTemporaryFolder { folder in
      let run = try shell("ulimit -f 16; \(try Self.train(folder))", folder)
      run.expectOneError(naming: ["log.jsonl"])
    }
  }

  @Test func resultsThatCannotBeWrittenAreAnError() throws {
    try withTemporaryFolder { folder in
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      for target in ["> /dev/full", ">&-"] {
        let run = try shell("\"$0\" inspect '\(checkpoint)' \(target)", folder)
        run.expectOneError(naming: ["standard output"])
      }
      // A reader that has seen enough.
      let run = try shell(
        "set -o pipefail; \"$0\" inspect '\(checkpoint)' | head -n 1", folder)
      #expect(run.succeeded && run.errorLines.isEmpty, "\(run)")
    }
  }

  /// OpenBLAS would ask for its workspace for ever.
  @Test func tooLittleAddressSpaceIsOneError() throws {
    try withTemporaryFolder { folder in
      let run = try shell("ulimit -v 300000; \(try Self.train(folder))", folder, timeLimit: 30)
      run.expectOneError(naming: ["memory"])
    }
  }

  /// OpenBLAS would start a thread a core, and wait at the end for those that there was no room for.
  @Test func theEndWaitsForNoThreadThatCouldNotStart() throws {
    try withTemporaryFolder { folder in
      for kibibytes in stride(from: 200_000, through: 400_000, by: 50_000) {
        let run = try shell(
          "unset OPENBLAS_NUM_THREADS; ulimit -v \(kibibytes); \"$0\" --version", folder,
          timeLimit: 20)
        #expect(!run.timedOut, "\(kibibytes) KiB: \(run)")
      }
    }
  }

  @Test func anImageLargerThanTheMemoryIsOneError() throws {
    try withTemporaryFolder { folder in
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      let path = folder + "/large.npy"
      let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (30000, 30000), }"
      let padded = header.padding(toLength: 117, withPad: " ", startingAt: 0) + "\n"
      let start: [UInt8] = [0x93, 78, 85, 77, 80, 89, 1, 0, 118, 0]
      try (Data(start) + Data(padded.utf8)).write(to: URL(fileURLWithPath: path))
      #expect(truncate(path, 128 + 900_000_000) == 0)
      let run = try shell(
        "ulimit -v 1500000; \"$0\" predict --checkpoint '\(checkpoint)' '\(path)' --threads 1 "
          + "--output '\(folder)/out'", folder)
      run.expectOneError(naming: ["large.npy", "1716 MiB"])
    }
  }

  /// A file of 4 TiB, which takes no room on the disk: of no tensors, and of one that it has room for.
  @Test(arguments: [
    ("{}", "sparse.safetensors"),
    (
      #"{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}"#,
      "which memory has room for"
    ),
  ])
  func aCheckpointLargerThanTheMemoryIsOneError(header: String, named: String) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let path = folder + "/sparse.safetensors"
      let start = [UInt8(header.utf8.count), 0, 0, 0, 0, 0, 0, 0]
      try (Data(start) + Data(header.utf8)).write(to: URL(fileURLWithPath: path))
      #expect(truncate(path, off_t(start.count + header.utf8.count + 1 << 42)) == 0)
      let run = try ProgramRun.unetDist(
        ranks: 1, ["train", "--output", folder + "/run", "--load", path])
      run.expectOneError(naming: ["sparse.safetensors", named])
      // Of another program's file it wants a checksum first.
      let scored = try ProgramRun.unetDist(
        ranks: 1, ["evaluate", "--checkpoint", path, "--data", folder + "/data"])
      scored.expectOneError(naming: ["sparse.safetensors"])
    }
  }
}
