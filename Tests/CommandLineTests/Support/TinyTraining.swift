// Runs of `unet-dist train` that take well below a second, and what they leave behind.

import Files
import Foundation
import TestSupport
import Testing

/// The options of a network with hardly any weights, and runs that use it.
enum TinyTraining {
  /// A network of one pooling on tiles of 16 pixels, on one thread.
  static let network = [
    "--base-channels", "4", "--depth", "1", "--padding", "zero", "--tile", "16", "--threads", "1",
    "--preset", "paper", "--augment", "flip,rotate90,shift",
  ]

  /// `train` on a data set into `output` with this network and further options.
  static func arguments(data: String, output: String, _ options: [String] = []) -> [String] {
    ["train", "--data", data, "--output", output] + network + options
  }

  /// Writes the checkpoint of a network that was trained for two steps on `TinyImages.squares`.
  ///
  /// It is trained once for all tests.
  @discardableResult
  static func checkpoint(in folder: String, name: String = "trained.safetensors") throws -> String {
    let path = folder + "/" + name
    try trained.get().write(to: URL(fileURLWithPath: path))
    return path
  }

  private static let trained = Result<Data, any Error> {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let run = try ProgramRun.unetDist(
        ranks: 1,
        arguments(data: folder + "/data", output: folder + "/run", ["--steps", "2"]))
      #expect(run.succeeded, "\(run)")
      return try Data(contentsOf: URL(fileURLWithPath: folder + "/run/latest.safetensors"))
    }
  }
}

/// The folder of a finished run.
struct RunTrace {
  let path: String

  /// The objects of `log.jsonl`, in order.
  func log() throws -> [[String: Any]] {
    let text = try String(contentsOfFile: path + "/log.jsonl", encoding: .utf8)
    #expect(text.hasSuffix("\n"))
    return try text.split(separator: "\n").map { line in
      let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
      return try #require(value as? [String: Any], "\(line)")
    }
  }

  /// The lines of `log.jsonl` so far, of a run that is under way.
  var lineCount: Int {
    let bytes = (try? Data(contentsOf: URL(fileURLWithPath: path + "/log.jsonl"))) ?? Data()
    return bytes.count { $0 == UInt8(ascii: "\n") }
  }

  /// The lines of steps in `log.jsonl`.
  func steps() throws -> [[String: Any]] {
    try log().filter { $0["event"] == nil }
  }

  /// The loss of every step.
  func losses() throws -> [Double] {
    try steps().map { try #require($0["loss"] as? Double) }
  }

  /// The names of the files in the run's `checkpoints/`.
  func checkpointNames() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path + "/checkpoints").sorted()
  }

  /// The bits of every tensor of a checkpoint, the newest unless another is named.
  func tensors(_ name: String = "latest.safetensors") throws -> [String: [UInt32]] {
    let file = try SafetensorsFile.read(path + "/" + name, requireChecksum: true)
    return try Dictionary(
      uniqueKeysWithValues: file.names.map { name in
        (name, try file.floats(of: name).map(\.bitPattern))
      })
  }
}
