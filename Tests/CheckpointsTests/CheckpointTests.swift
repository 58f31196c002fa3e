// What a checkpoint says of its run: round trips, older and newer files.

import Checkpoints
import Datasets
import Files
import Foundation
import Kernels
import Network
import Tensors
import TestSupport
import Testing

@Suite struct CheckpointTests {
  /// The metadata of a file that version 0.1.0 wrote.
  private static func golden(
    _ name: String = "checkpoint-format-1"
  ) throws -> (checkpoint: Checkpoint, file: SafetensorsFile) {
    try Checkpoint.read(Fixtures.path(name))
  }

  @Test func aFileOfFormat1HasWhatItWasWrittenWith() throws {
    let (checkpoint, file) = try Self.golden()
    #expect(
      checkpoint.network
        == UNetConfiguration(baseChannels: 2, depth: 1, padding: .zero, dropout: 0.5))
    #expect(checkpoint.classes.names == ["background and borders", "cell"])
    #expect(checkpoint.normalization == IntensityNormalization())
    #expect((checkpoint.step, checkpoint.epoch, checkpoint.seed, checkpoint.tile) == (2, 0, 3, 16))
    #expect(checkpoint.optimizer == .adam && checkpoint.best?.step == 2)
    #expect(checkpoint.version == nil && checkpoint.revision == nil)

    let layout = UNet(checkpoint.network).layout
    try Checkpoint.check(file, has: layout)
    let parameters = FloatBuffer(count: layout.count)
    try Checkpoint.load(file, layout: layout, into: parameters)
    // The head's bias is the last parameter.
    #expect(Array(parameters.floats.suffix(2)) == [-0.001976586878299713, 0.0019765866454690695])
    try Checkpoint.load(file, layout: layout, prefix: "optimizer.variance.", into: parameters)
    #expect(Array(parameters.floats.suffix(2)) == [0.0008510876214131713, 0.000851087796036154])
  }

  /// One that version 0.2.0 wrote, with all that had come to the format until then.
  @Test func aFileWithAveragesHasWhatItWasWrittenWith() throws {
    let (checkpoint, file) = try Self.golden("checkpoint-format-1-with-averages")
    #expect(checkpoint.network.normalization == .batch && checkpoint.optimizer == .adamw)
    #expect((checkpoint.step, checkpoint.epoch, checkpoint.seed, checkpoint.tile) == (4, 0, 3, 16))
    #expect(checkpoint.best?.step == 4 && checkpoint.patience?.evaluations == 0)
    #expect(checkpoint.threshold?.step == 4 && checkpoint.divisionDigest?.count == 64)
    #expect(checkpoint.version == "0.2.0" && checkpoint.arithmetic != nil)
    #expect(
      checkpoint.verification
        == .init(comparedRanks: 1, comparesState: true, isGuarded: true))
    let layout = UNet(checkpoint.network).layout
    let parameters = FloatBuffer(count: layout.count)
    try Checkpoint.loadEvaluated(file, layout: layout, into: parameters)
    let bias = try #require(layout.parameters.first { $0.name == "head.bias" })
    #expect(
      bias.fileValues(from: parameters.base) == (try file.floats(of: "optimizer.average.head.bias"))
    )
  }

  /// What was written before is written again bit by bit: nothing is added to it or lost.
  @Test(arguments: [
    ("checkpoint-format-1", ["momentum", "variance"]),
    ("checkpoint-format-1-with-averages", ["momentum", "variance", "average"]),
  ])
  func aFileOfFormat1IsWrittenAgainAsItWas(_ name: String, _ parts: [String]) throws {
    let (checkpoint, file) = try Self.golden(name)
    let layout = UNet(checkpoint.network).layout
    func values(_ prefix: String) throws -> FloatBuffer {
      let buffer = FloatBuffer(count: layout.count)
      try Checkpoint.load(file, layout: layout, prefix: prefix, into: buffer)
      return buffer
    }
    try withTemporaryFolder { folder in
      let path = folder + "/again.safetensors"
      try checkpoint.write(
        to: path, layout: layout, parameters: values(""),
        state: parts.map { ($0, try values("optimizer.\($0).")) })
      let golden = try Data(
        contentsOf: URL(fileURLWithPath: Fixtures.path(name)))
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == golden)
    }
  }

  /// Other classes and channels: the head and the first layer keep what they were initialised with.
  @Test func whatFitsIsTakenForFineTuning() throws {
    let (checkpoint, file) = try Self.golden()
    var other = checkpoint.network
    other.classes = 5
    other.inputChannels = 3
    let layout = UNet(other).layout
    let parameters = FloatBuffer(count: layout.count)
    parameters.floats.update(repeating: 7)
    let result = try Checkpoint.loadMatching(file, layout: layout, into: parameters)
    #expect(
      result.fresh == [
        "down.0.conv1.weight (there [2, 1, 3, 3], here [2, 3, 3, 3])",
        "head.weight (there [2, 2, 1, 1], here [5, 2, 1, 1])", "head.bias (there [2], here [5])",
      ])
    #expect(result.loaded.count == layout.parameters.count - 3)
    for parameter in layout.parameters {
      let values = parameter.fileValues(from: parameters.base)
      let isFresh = result.fresh.contains { $0.hasPrefix(parameter.name + " ") }
      let expected =
        isFresh ? [Float](repeating: 7, count: values.count) : try file.floats(of: parameter.name)
      #expect(values == expected, "\(parameter.name)")
    }
    #expect(Checkpoint.network(of: file) == checkpoint.network)
    #expect(result.unused.isEmpty)

    // A network without the deepest level has no place for its tensors.
    var shallow = checkpoint.network
    shallow.depth -= 1
    let part = UNet(shallow).layout
    if let left = try? Checkpoint.loadMatching(
      file, layout: part, into: FloatBuffer(count: part.count))
    {
      #expect(
        !left.unused.isEmpty
          && left.unused.allSatisfy { name in
            !part.parameters.contains { $0.name == name } && !name.hasPrefix("optimizer.")
          })
      #expect(left.summary.contains("that are not in this network: \(left.unused[0])"))
    }

    var wider = checkpoint.network
    wider.baseChannels = 6
    let foreign = UNet(wider).layout
    let error = #expect(throws: FileError.self) {
      try Checkpoint.loadMatching(
        file, layout: foreign, into: FloatBuffer(count: foreign.count))
    }
    #expect(error?.found.contains("1 of 16 tensors") == true, "\(String(describing: error))")
  }

  @Test func everyPropertyComesBack() throws {
    var checkpoint = try Self.golden().checkpoint
    checkpoint.network.dropout = 0.25
    checkpoint.network.upsampling = .transposed
    checkpoint.normalization = IntensityNormalization(rule: .unchanged, floor: 0.5)
    checkpoint.version = "7.8.9"
    checkpoint.revision = "abc-modified"
    checkpoint.verification = .init(comparedRanks: 3, comparesState: false, isGuarded: true)
    checkpoint.best = .init(step: 1, meanIntersectionOverUnion: 0.5)
    try withTemporaryFolder { folder in
      let layout = UNet(checkpoint.network).layout
      let parameters = FloatBuffer(count: layout.count)
      for index in 0..<layout.count { parameters.base[index] = Float(index) }
      let path = folder + "/a.safetensors"
      try checkpoint.write(
        to: path, layout: layout, parameters: parameters, state: [("momentum", parameters)])
      let (read, file) = try Checkpoint.read(path)
      #expect(read == checkpoint)
      for prefix in ["", "optimizer.momentum."] {
        let values = FloatBuffer(count: layout.count)
        try Checkpoint.load(file, layout: layout, prefix: prefix, into: values)
        #expect(Array(values.floats) == Array(parameters.floats))
      }
    }
  }

  /// As a file of an older version lacks what came later, and of a newer one has more.
  @Test func missingPropertiesAreTheDefaultsAndOthersArePassedOver() throws {
    var metadata = try Self.golden().file.metadata
    metadata["configuration.network"] =
      #"{"baseChannels":2,"depth":1,"classes":2,"inputChannels":1,"squeeze":{"ratio":4}}"#
    metadata["normalization"] = #"{"percentiles":[1,99]}"#
    metadata["moon"] = "full"
    // The padding is the default then, and the tile must be one for it.
    metadata["tile"] = "20"
    let checkpoint = try Checkpoint(metadata: metadata, path: "a")
    #expect(checkpoint.network == UNetConfiguration(baseChannels: 2, depth: 1))
    #expect(checkpoint.normalization == IntensityNormalization())
  }

  @Test(arguments: [
    ("format", "unet-dist 2"), ("optimizer", "lion"), ("step", "-1"),
    ("configuration.network", #"{"padding":"reflect"}"#),
  ])
  func whatThisVersionDoesNotKnowIsRefused(_ key: String, _ value: String) throws {
    var metadata = try Self.golden().file.metadata
    metadata[key] = value
    let error = #expect(throws: FileError.self) {
      try Checkpoint(metadata: metadata, path: "a")
    }
    #expect(error?.expected == "a \(key) that this version understands")
    #expect(error?.hint == "read it with the version that wrote it")
  }

  @Test func missingKeysAreNamed() throws {
    for key in ["format", "classes", "configuration", "seed", "data_digest"] {
      var metadata = try Self.golden().file.metadata
      metadata[key] = nil
      let error = #expect(throws: FileError.self) {
        try Checkpoint(metadata: metadata, path: "a")
      }
      #expect(error?.expected.contains(key) == true)
    }
  }
}
