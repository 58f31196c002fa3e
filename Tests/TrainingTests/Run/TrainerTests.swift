// Runs that are disturbed in the middle: what is found, what is kept, and what is advised.

import Checkpoints
import Communication
import Configuration
import Files
import Foundation
import Kernels
import Liveness
import Logging
import Network
import Tensors
import TestSupport
import Testing
import Training

@Suite struct TrainerTests {
  private static func configuration(_ output: String) -> TrainingConfiguration {
    var configuration = TrainingConfiguration()
    configuration.output = output
    configuration.stepState = .folder((output as NSString).deletingLastPathComponent)
    configuration.preset = .paper
    configuration.provenance.given = ["augment"]
    configuration.baseChannels = 2
    configuration.depth = 1
    configuration.padding = .zero
    configuration.tile = 16
    configuration.steps = 6
    configuration.globalBatch = 3
    configuration.checkpointEvery = 1
    configuration.evaluateEvery = 0
    // So that only saving compares the ranks.
    configuration.checkReplicas = 0
    configuration.threads = 1
    configuration.logLevel = .error
    return configuration
  }

  /// What each rank of a run ended with, nil for none; `body` disturbs it.
  private static func failures(
    ranks: Int, _ configuration: TrainingConfiguration,
    _ body: @escaping @Sendable (Trainer, any Communicator) throws -> Void
  ) -> [String?] {
    ThreadedCommunicator.run(ranks: ranks) { communicator -> String? in
      do {
        try body(Trainer(configuration, communicator: communicator), communicator)
        return nil
      } catch {
        return "\(error)"
      }
    }.map { try? $0.get() }
  }

  private static func checkpoints(in output: String) throws -> [String] {
    try Folder.names(in: output + "/checkpoints").sorted()
  }

  /// Makes the first bias minus infinity, behind the first weights, 9 a channel.
  ///
  /// Before a ReLU it gives finite losses and gradients, so only a look at the weights finds it.
  private static func poison(_ trainer: Trainer) {
    trainer.parameters.base[9 * 2] = -.infinity
  }

  /// One rank alone is asked, and every one ends after the same step.
  @Test func allRanksStopWhereOneIsAsked() throws {
    let folder = try ScratchFolder()
    let configuration = Self.configuration(folder.path + "/run")
    let statuses = ThreadedCommunicator.run(ranks: 3) { communicator -> JobStatus in
      // The other two are asked by another signal in a step that never comes.
      var steps = 0
      let trainer = try Trainer(configuration, communicator: communicator) {
        steps += 1
        return steps == (communicator.rank == 2 ? 2 : 3) ? .user1 : nil
      }
      return try trainer.run()
    }
    #expect(try statuses.map { try $0.get() } == [.stopped, .stopped, .stopped])
    #expect(
      try Self.checkpoints(in: configuration.output)
        == ["step-00000001.safetensors", "step-00000002.safetensors"])
  }

  /// What other hosts have kept is known with their reports of the next step; no line is lost or out of order.
  @Test(arguments: [1, 2, 3]) func aStepIsToldOfWhenAllHostsHaveKeptIt(ranksPerHost: Int) throws {
    let folder = try ScratchFolder()
    var configuration = Self.configuration(folder.path + "/run")
    configuration.checkpointEvery = 0
    configuration.shardOptimizer = true
    configuration.optimizer = .adam
    let log = configuration.output + "/log.jsonl"
    @Sendable func told() -> Int {
      let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
      return text.split(separator: "\n").count { $0.hasPrefix("{\"step\"") }
    }
    let seen = ThreadedCommunicator.run(ranks: 3, ranksPerHost: ranksPerHost) {
      [configuration] communicator -> [Int] in
      var seen: [Int] = []
      // Asked when this rank has kept the step before, and nobody knows that of others yet.
      let trainer = try Trainer(configuration, communicator: communicator) {
        if communicator.rank == 0 { seen.append(told()) }
        return nil
      }
      #expect(try trainer.run() == .success)
      return seen
    }
    let first = try #require(seen.first).get()
    #expect(first.prefix(6) == (ranksPerHost == 3 ? [0, 1, 2, 3, 4, 5] : [0, 0, 1, 2, 3, 4]))
    #expect(told() == 6)
  }

  /// Written behind the run's back or not, a checkpoint is the same.
  @Test(arguments: [false, true]) func aCheckpointIsTheSameWhoeverWritesIt(isSharded: Bool) throws {
    let folder = try ScratchFolder()
    var files: [SafetensorsFile] = []
    for isKept in [false, true] {
      var configuration = Self.configuration("\(folder.path)/run-\(isKept)")
      if !isKept { configuration.stepState = .off }
      configuration.keep = 10
      configuration.shardOptimizer = isSharded
      configuration.optimizer = .adam
      configuration.ema = 0.9
      let failures = Self.failures(ranks: 3, configuration) { trainer, _ in
        _ = try trainer.run()
      }
      #expect(failures == [nil, nil, nil])
      #expect(try Self.checkpoints(in: configuration.output).count == 6)
      for step in 1...6 {
        files.append(
          try SafetensorsFile.read(
            configuration.output + "/checkpoints/step-0000000\(step).safetensors",
            requireChecksum: true))
      }
    }
    for (own, other) in zip(files, files.dropFirst(6)) {
      #expect(own.names == other.names)
      for name in own.names { #expect(try own.floats(of: name) == other.floats(of: name)) }
      // They name the folders of their runs, and where states are kept.
      func others(_ file: SafetensorsFile) -> [String: String] {
        file.metadata.filter { !["configuration", "checksum"].contains($0.key) }
      }
      #expect(others(own) == others(other))
    }
  }

  @Test(arguments: [false, true]) func theStateAfterEachStepIsKept(isSharded: Bool) throws {
    let folder = try ScratchFolder()
    let path = folder.path
    var configuration = Self.configuration(path + "/run")
    configuration.checkpointEvery = 0
    configuration.shardOptimizer = isSharded
    let failures = Self.failures(ranks: 2, configuration) { trainer, communicator in
      for count in 1...5 {
        try trainer.advance(to: count)
        guard communicator.rank == 0 else { continue }
        let mark = try #require(
          StepStateMark.read(in: path + "/run", host: communicator.hostName))
        let files = StepStateFolder(path: path, host: "threads").files(of: mark)
        let states = try KeptStates(try #require(files.first))
        let newest = try #require(try states.generations().first)
        #expect(files.count == 1 && newest.step == count)
        #expect(try states.isIntact(newest))
        #expect(try states.generations().map(\.step) == Array([count, count - 1].prefix(count)))
        let parameters = FloatBuffer(count: trainer.parameters.count)
        try states.read(newest, part: 0, 0..<parameters.count, into: parameters.base)
        #expect(Array(parameters.floats) == Array(trainer.parameters.floats))
      }
    }
    #expect(failures == [nil, nil])
  }

  /// What a fault has spoilt must not be gone on from.
  @Test func spoiltStatesAreNotKept() throws {
    let folder = try ScratchFolder()
    var configuration = Self.configuration(folder.path + "/run")
    configuration.checkReplicas = 1
    let failures = Self.failures(ranks: 3, configuration) { trainer, communicator in
      try trainer.advance(to: 2)
      if communicator.rank == 1 { trainer.parameters.base[40] += 1 }
      try trainer.advance(to: 4)
    }
    #expect(failures.allSatisfy { $0?.contains("have changed on rank 1") == true })
    #expect(
      try !Folder.names(in: folder.path).contains { $0.hasPrefix("unet-dist-state-") })
  }

  @Test func aFlippedBitIsFoundBeforeItIsSaved() throws {
    let folder = try ScratchFolder()
    let configuration = Self.configuration(folder.path + "/run")
    let failures = Self.failures(ranks: 3, configuration) { trainer, communicator in
      try trainer.advance(to: 2)
      if communicator.rank == 1 {
        let value = trainer.parameters.base[40]
        trainer.parameters.base[40] = Float(bitPattern: value.bitPattern ^ 1)
      }
      try trainer.advance(to: 3)
    }
    for failure in failures {
      let text = try #require(failure)
      #expect(text.contains("after step 3 the weights"), "\(text)")
    }
    #expect(
      failures.contains { $0?.contains("checkpoints/step-00000002.safetensors") == true },
      "\(failures)")
    #expect(
      try Self.checkpoints(in: configuration.output)
        == ["step-00000001.safetensors", "step-00000002.safetensors"])
  }

  /// The bits of a checkpoint's tensors.
  private static func tensors(_ output: String, step: Int) throws -> [String: [UInt32]] {
    let file = try SafetensorsFile.read(
      output + "/checkpoints/step-0000000\(step).safetensors", requireChecksum: true)
    return try Dictionary(
      uniqueKeysWithValues: file.names.map { ($0, try file.floats(of: $0).map(\.bitPattern)) })
  }

  /// Flips a bit in the weights of rank 1.
  private static func flip(_ trainer: Trainer, _ communicator: any Communicator) {
    guard communicator.rank == 1 else { return }
    let value = trainer.parameters.base[40]
    trainer.parameters.base[40] = Float(bitPattern: value.bitPattern ^ 1 << 30)
  }

  /// Weights that damaged ones have made a gradient of are not those of the run.
  @Test(arguments: [false, true]) func aHealedRunHasTheBitsOfAnUndisturbedOne(
    isSharded: Bool
  ) throws {
    let folder = try ScratchFolder()
    var configuration = Self.configuration(folder.path + "/run")
    configuration.ema = 0.9
    configuration.shardOptimizer = isSharded
    #expect(
      Self.failures(ranks: 3, configuration) { trainer, _ in _ = try trainer.run() }
        == [nil, nil, nil])
    var healing = configuration
    healing.output = folder.path + "/healed"
    healing.heal = true
    #expect(
      Self.failures(ranks: 3, healing) { trainer, communicator in
        for step in 2...5 {
          try trainer.advance(to: step)
          Self.flip(trainer, communicator)
        }
        _ = try trainer.run()
      } == [nil, nil, nil])
    let isSame =
      try Self.tensors(configuration.output, step: 6) == Self.tensors(healing.output, step: 6)
    #expect(isSame)
    let log = try String(contentsOfFile: healing.output + "/log.jsonl", encoding: .utf8)
    let told = log.split(separator: "\n").filter { $0.contains("\"event\": \"healed\"") }
    #expect(told.count == 4, "\(log)")
    #expect(told.allSatisfy { $0.contains("\"what\": \"weights\", \"ranks\": [1]") }, "\(told)")
  }

  @Test func aCheckpointSaysHowItWasVerified() throws {
    let folder = try ScratchFolder()
    func verification(
      ranks: Int, _ change: (inout TrainingConfiguration) -> Void = { _ in }
    ) throws -> String? {
      var configuration = Self.configuration(folder.path + "/run-\(UUID().uuidString)")
      change(&configuration)
      #expect(
        Self.failures(ranks: ranks, configuration) { trainer, _ in try trainer.advance(to: 1) }
          .allSatisfy { $0 == nil })
      let path = configuration.output + "/checkpoints/step-00000001.safetensors"
      return try Checkpoint.read(path).checkpoint.verification?.description
    }
    let guarded = "guarded by digests between updates: weights and optimiser state"
    #expect(try verification(ranks: 1) == "finite, and no more")
    #expect(try verification(ranks: 1) { $0.checkReplicas = 10 } == guarded)
    #expect(try verification(ranks: 2) == "compared over 2 ranks: weights and optimiser state")
    #expect(
      try verification(ranks: 3) {
        $0.checkReplicas = 1
        $0.shardOptimizer = true
      } == "compared over 3 ranks: weights; " + guarded)
  }

  @Test func theLastGoodCheckpointOutlivesAPoisonedStep() throws {
    let folder = try ScratchFolder()
    var configuration = Self.configuration(folder.path + "/run")
    configuration.keep = 1
    let failures = Self.failures(ranks: 2, configuration) { trainer, _ in
      try trainer.advance(to: 2)
      Self.poison(trainer)
      try trainer.advance(to: 3)
    }
    let good = configuration.output + "/checkpoints/step-00000002.safetensors"
    #expect(
      failures[0]?.contains("step 3: the update has made the weights infinite") == true
        && failures[0]?.contains("the last good checkpoint is \(good)") == true,
      "\(failures)")
    #expect(failures[1] != nil)
    #expect(try Self.checkpoints(in: configuration.output) == ["step-00000002.safetensors"])
    _ = try Checkpoint.read(good)
  }

  @Test func aRunInANewFolderNamesTheCheckpointItStartedFrom() throws {
    let folder = try ScratchFolder()
    let first = Self.configuration(folder.path + "/run")
    let trained = Self.failures(ranks: 1, first) { trainer, _ in try trainer.advance(to: 2) }
    #expect(trained == [nil])
    let start = first.output + "/checkpoints/step-00000002.safetensors"

    var second = Self.configuration(folder.path + "/other")
    second.resume = .checkpoint(start)
    let poisoned = Self.failures(ranks: 1, second) { trainer, _ in
      Self.poison(trainer)
      try trainer.advance(to: 3)
    }
    #expect(poisoned[0]?.contains("the last good checkpoint is \(start)") == true, "\(poisoned)")

    second.output = folder.path + "/third"
    let flipped = Self.failures(ranks: 2, second) { trainer, communicator in
      if communicator.rank == 1 { trainer.parameters.base[40] += 1 }
      try trainer.advance(to: 3)
    }
    #expect(flipped.contains { $0?.contains("resume from \(start)") == true }, "\(flipped)")
  }

  @Test func anOptionOfANewerVersionIsAnErrorOfTheFile() throws {
    let folder = try ScratchFolder()
    let first = Self.configuration(folder.path + "/run")
    let trained = Self.failures(ranks: 1, first) { trainer, _ in try trainer.advance(to: 1) }
    #expect(trained == [nil])
    let path = first.output + "/checkpoints/step-00000001.safetensors"
    var (checkpoint, _) = try Checkpoint.read(path)
    checkpoint.configuration += "moon-phase: full\n"
    checkpoint.version = "9.8.7"
    let newer = folder.path + "/newer.safetensors"
    try checkpoint.write(
      to: newer, layout: .init(), parameters: FloatBuffer(count: 0), state: [])

    var second = Self.configuration(folder.path + "/other")
    second.resume = .checkpoint(newer)
    let failures = Self.failures(ranks: 1, second) { _, _ in }
    let text = try #require(failures[0])
    #expect(text.contains(newer) && text.contains("moon-phase"), "\(text)")
    #expect(text.contains("resume with version 9.8.7"), "\(text)")
  }
}
