// Every sample once an epoch, through kills, resumes and other numbers of ranks.

import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct ExactlyOnceTests {
  /// A sample as a rank has computed it: the draw keys its augmentation in the epoch.
  private struct Drawn: Hashable {
    let epoch: Int
    let sample: Int
    let draw: Int
  }

  /// What the log of a run says was computed, with how often.
  private static func counts(_ folder: String) throws -> [Drawn: Int] {
    var counts: [Drawn: Int] = [:]
    for line in try RunTrace(path: folder).steps() {
      let epoch = try #require(line["epoch"] as? Int)
      let samples = try #require(line["samples"] as? [Int])
      let draws = try #require(line["draws"] as? [Int])
      #expect(samples.count == draws.count)
      for (sample, draw) in zip(samples, draws) {
        counts[Drawn(epoch: epoch, sample: sample, draw: draw), default: 0] += 1
      }
    }
    return counts
  }

  private static func train(
    _ folder: String, into name: String, ranks: Int, _ options: [String] = [],
    disturb: (pid_t) -> Void = { _ in }
  ) throws -> ProgramRun {
    try ProgramRun.unetDist(
      ranks: ranks,
      TinyTraining.arguments(
        data: folder + "/data", output: folder + "/" + name,
        [
          "--epochs", "20", "--global-batch", "5", "--validation-fraction", "0.1", "--log-samples",
          "--checkpoint-every", "7", "--evaluate-every", "0",
        ] + options),
      timeLimit: 60, disturb: disturb)
  }

  @Test func throughKillsResumesAndOtherRanks() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", count: 13)
      let whole = try Self.train(folder, into: "whole", ranks: 1)
      #expect(whole.succeeded, "\(whole)")
      let expected = try Self.counts(folder + "/whole")
      // Each draw once an epoch; the same ones in every epoch, and as many of each of the 12 images.
      #expect(expected.values.allSatisfy { $0 == 1 })
      let epochs = Dictionary(grouping: expected.keys, by: \.epoch).mapValues { drawn in
        drawn.map { "\($0.sample) \($0.draw)" }.sorted()
      }
      #expect(epochs.count == 20 && Set(epochs.values).count == 1)
      let images = Dictionary(grouping: expected.keys, by: \.sample).mapValues(\.count)
      #expect(images.count == 12 && Set(images.values).count == 1)

      let trace = RunTrace(path: folder + "/parts")
      for (ranks, lines) in [(2, 12), (3, 40), (1, 60)] {
        let run = try Self.train(folder, into: "parts", ranks: ranks, ["--resume-or-start"]) {
          process in
          guard trace.lineCount > lines else { return }
          let victims = ranks == 1 ? [process] : Array(ProgramRun.ranks(of: process).values)
          for victim in victims { kill(victim, SIGKILL) }
        }
        #expect(!run.timedOut, "\(run)")
      }
      let last = try Self.train(folder, into: "parts", ranks: 4, ["--resume-or-start"])
      #expect(last.succeeded, "\(last)")
      let isSame = try Self.counts(folder + "/parts") == expected
      #expect(isSame)
      #expect(try trace.losses() == RunTrace(path: folder + "/whole").losses())
    }
  }
}
