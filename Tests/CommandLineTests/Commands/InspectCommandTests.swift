// `unet-dist inspect` as a user starts it.

import Checkpoints
import Files
import Foundation
import Network
import Tensors
import TestSupport
import Testing

@Suite struct InspectCommandTests {
  @Test func thePaperNetwork() throws {
    let table = try ProgramRun.unetDist("inspect")
    #expect(table.succeeded, "\(table)")
    for text in ["31,030,658", "167,322,556,672", "down.4.conv2", "head", "572", "388"] {
      #expect(table.standardOutput.contains(text), "\(text) in \(table)")
    }
    let object = try ProgramRun.unetDist("inspect", "--json").jsonObject()
    #expect(object["parameters"] as? Int == 31_030_658)
    #expect(object["multiply_adds"] as? Int == 167_322_556_672)
    #expect(object["output"] as? Int == 388)
    #expect((object["layers"] as? [Any])?.count == 27)
  }

  @Test func theFolderOfARunStandsForItsBestCheckpoint() throws {
    try withTemporaryFolder { folder in
      let checkpoint = try TinyTraining.checkpoint(in: folder, name: "best.safetensors")
      let byFile = try ProgramRun.unetDist("inspect", checkpoint, "--threads", "1")
      let byFolder = try ProgramRun.unetDist("inspect", folder, "--threads", "1")
      #expect(byFolder.succeeded && byFolder.standardOutput == byFile.standardOutput, "\(byFolder)")
    }
  }

  @Test func thePlanNamesAnAlgorithmForEveryFunction() throws {
    let table = try ProgramRun.unetDist("inspect", "--plan")
    for text in ["winograd by tiles", "winograd by channels", "doubling by tiles", "patches"] {
      #expect(table.standardOutput.contains(text), "\(text) in \(table)")
    }
    let object = try ProgramRun.unetDist("inspect", "--json").jsonObject()
    let layers = try #require(object["layers"] as? [[String: Any]])
    var plans: [String: [String: Any]] = [:]
    for layer in layers {
      guard let name = layer["name"] as? String else { continue }
      plans[name] = layer["plan"] as? [String: Any]
    }
    // Every layer but the poolings; only the first has no gradient of its input.
    #expect(plans.count == 23)
    #expect(plans.filter { $0.value["input_gradient"] is NSNull }.map(\.key) == ["down.0.conv1"])
    let bottleneck = try #require(plans["down.4.conv2"]?["forward"] as? [String: Any])
    #expect(bottleneck["algorithm"] as? String == "winograd")
    #expect(bottleneck["schedule"] as? String == "channels")
    // 7 x 7 tiles of 36 planes.
    #expect(bottleneck["multiply_adds"] as? Int == 36 * 49 * 1024 * 1024)
  }

  @Test func anIllegalTileNamesLegalOnes() throws {
    let run = try ProgramRun.unetDist("inspect", "--tile", "570")
    #expect(run.exitStatus == 64, "\(run)")
    #expect(run.standardOutput.isEmpty)
    #expect(run.standardError.contains("--tile"), "\(run)")
    #expect(run.standardError.contains("556 and 572"), "\(run)")
  }

  @Test func aCheckpointSaysHowItWasVerified() throws {
    try withTemporaryFolder { folder in
      let path = try TinyTraining.checkpoint(in: folder)
      let run = try ProgramRun.unetDist("inspect", path)
      let line = run.standardOutput.split(separator: "\n").first { $0.hasPrefix("verified ") }
      #expect(
        line?.hasSuffix("  guarded by digests between updates: weights and optimiser state")
          == true, "\(run)")
    }
  }

  @Test func aCheckpointNamesItsNetwork() throws {
    try withTemporaryFolder { folder in
      let configuration = UNetConfiguration(baseChannels: 4, depth: 1, padding: .zero)
      let network = UNet(configuration)
      let path = folder + "/some.safetensors"
      let json = String(
        decoding: try JSONEncoder().encode(configuration), as: UTF8.self)
      let values = FloatBuffer(count: network.layout.count)
      let entries = network.layout.parameters.dropLast().map { parameter in
        SafetensorsFile.Entry(
          name: parameter.name, shape: parameter.shape,
          values: UnsafeBufferPointer(rebasing: values.floats.prefix(parameter.slot.count)))
      }
      try SafetensorsFile.write(
        entries, metadata: ["configuration.network": json, "tile": "32", "step": "7"], to: path)

      let object = try ProgramRun.unetDist("inspect", path, "--json").jsonObject()
      #expect(object["parameters"] as? Int == network.layout.count)
      #expect(object["tile"] as? Int == 32)
      #expect(object["missing_parameters"] as? [String] == ["head.bias"])
      let checkpoint = try #require(object["checkpoint"] as? [String: Any])
      #expect((checkpoint["metadata"] as? [String: String])?["step"] == "7")
      #expect((checkpoint["tensors"] as? [Any])?.count == entries.count)

      let text = try ProgramRun.unetDist("inspect", path, "--tile", "64")
      #expect(text.standardOutput.contains("tile 64 x 64 x 1"), "\(text)")
      #expect(text.standardOutput.contains("head.bias"), "\(text)")
      let both = try ProgramRun.unetDist("inspect", path, "--depth", "2")
      #expect(both.exitStatus == 64, "\(both)")
      #expect(both.standardError.contains("--depth"), "\(both)")

      // What a stranger wrote must not trap.
      let absurd = folder + "/absurd.safetensors"
      let broken = json.replacingOccurrences(of: "\"depth\":1", with: "\"depth\":-1")
      #expect(broken != json)
      try SafetensorsFile.write(
        entries, metadata: ["configuration.network": broken], to: absurd)
      let run = try ProgramRun.unetDist("inspect", absurd)
      #expect([1, 64].contains(run.exitStatus), "\(run)")
      #expect(run.standardError.contains("depth"), "\(run)")
    }
  }

  @Test func theVersion() throws {
    #expect(try ProgramRun.unetDist("--version").standardOutput == "\(Version.number)\n")
  }
}
