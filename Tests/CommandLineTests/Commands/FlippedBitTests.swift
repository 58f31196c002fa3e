// Bits that flip in the memory of one rank in the middle of a run.

import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct FlippedBitTests {
  /// Trains on the images in `folder`, disturbed by a fault if one is given.
  private static func train(
    _ folder: String, into name: String, ranks: Int, steps: Int, _ options: [String] = [],
    _ fault: Fault? = nil, disturb: (pid_t) -> Void = { _ in }
  ) throws -> ProgramRun {
    try ProgramRun.unetDist(
      ranks: ranks,
      TinyTraining.arguments(
        data: folder + "/data", output: folder + "/" + name,
        [
          "--steps", "\(steps)", "--global-batch", "3", "--optimizer", "adam", "--ema", "0.9",
          "--validation-fraction", "0.25", "--evaluate-every", "5", "--checkpoint-every", "4",
        ] + options),
      environment: try fault?.environment(trace: folder + "/trace") ?? [:], disturb: disturb)
  }

  /// Each step at another place: weights, moments and averages, of all tensors.
  @Test(arguments: ["forward", "backward", "update", "evaluate", "save"])
  func aHealedRunHasTheBitsOfAnUndisturbedOne(at moment: String) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let undisturbed = try Self.train(folder, into: "undisturbed", ranks: 1, steps: 20)
      #expect(undisturbed.succeeded, "\(undisturbed)")
      let fault = Fault(kind: "flip", rank: 1, moment: moment, seed: 11)
      let run = try Self.train(folder, into: "healed", ranks: 3, steps: 20, ["--heal"], fault)
      #expect(run.succeeded, "\(run)")
      let flips = Fault.count(in: folder + "/trace")
      #expect(flips >= 4, "\(run)")
      let healed = RunTrace(path: folder + "/healed")
      let told = try healed.log().filter { $0["event"] as? String == "healed" }
      #expect(told.count == flips && told.allSatisfy { $0["ranks"] as? [Int] == [1] }, "\(told)")
      let isSame =
        try healed.tensors() == RunTrace(path: folder + "/undisturbed").tensors()
      #expect(isSame, "\(run)")
    }
  }

  /// What one rank alone has, and what two have of which nobody was asked to heal.
  @Test(arguments: [
    (1, []), (2, []),
    // Of a network that is large enough for every rank to have a shard.
    (3, ["--shard-optimizer", "--heal", "--base-channels", "16", "--bucket-kib", "16"]),
  ])
  func aFlipEndsTheRunBeforeItIsUsed(_ ranks: Int, _ options: [String]) throws {
    for (seed, moment) in ["forward", "backward", "update"].enumerated() {
      try withTemporaryFolder { folder in
        try TinyImages.squares(folder + "/data")
        // Of the buffers, weights and three parts of the state, one of the state.
        let fault = Fault(
          kind: "flip", rank: ranks - 1, moment: moment, step: 7,
          seed: ranks == 3 ? Self.seedsOfState[seed] : seed)
        let run = try Self.train(folder, into: "run", ranks: ranks, steps: 20, options, fault)
        run.expectOneError(
          naming: ["after step 6 bits of the ", " have changed on rank \(ranks - 1)"])
        #expect(Fault.count(in: folder + "/trace") == 1)
        #expect(
          try RunTrace(path: folder + "/run").checkpointNames()
            == ["step-00000004.safetensors", "step-00000005.safetensors"])
      }
    }
  }

  /// Seeds by which a bit of the optimiser's state is flipped in step 7.
  private static let seedsOfState = [6, 3, 1]

  @Test func theProgramByItselfKnowsNoFaults() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let run = try ProgramRun.unetDist(
        ranks: 1,
        TinyTraining.arguments(
          data: folder + "/data", output: folder + "/run", ["--steps", "2"]),
        environment: ["UNET_DIST_FAULT": "throw:0:forward:1"])
      #expect(run.succeeded, "\(run)")
    }
  }

  /// A file system without locks: who holds the folder stands in a file, which the dead do not keep.
  @Test func aFolderIsHeldWithoutLocks() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let holder = folder + "/run/.lock-holder"
      let killed = try Self.train(
        folder, into: "run", ranks: 1, steps: 1_000_000, [],
        Fault(kind: "nolocks", moment: "start", step: 0, seed: 1)
      ) { process in
        guard RunTrace(path: folder + "/run").lineCount > 6 else { return }
        #expect(FileManager.default.fileExists(atPath: holder))
        kill(process, SIGKILL)
      }
      #expect(killed.exitStatus == 137, "\(killed)")
      #expect(FileManager.default.fileExists(atPath: holder))
      let nolocks = Fault(kind: "nolocks", moment: "start", step: 0)
      let next = try Self.train(
        folder, into: "run", ranks: 1, steps: 8, ["--resume"], nolocks)
      #expect(next.succeeded, "\(next)")
      #expect(!FileManager.default.fileExists(atPath: holder))
      // Of another host only time can tell.
      let text = #"{"host":"elsewhere","process":7,"start":1,"time":"2026-01-01T00:00:00Z"}"#
      try Data(text.utf8).write(to: URL(fileURLWithPath: holder))
      let refused = try Self.train(
        folder, into: "run", ranks: 1, steps: 12, ["--resume"], nolocks)
      refused.expectOneError(naming: ["process 7 on elsewhere, since 2026", "wait for it to end"])
      let then = timeval(tv_sec: time(nil) - 400, tv_usec: 0)
      utimes(holder, [then, then])
      let taken = try Self.train(
        folder, into: "run", ranks: 1, steps: 12, ["--resume"], nolocks)
      #expect(taken.succeeded, "\(taken)")
      #expect(!FileManager.default.fileExists(atPath: holder))
    }
  }
}
