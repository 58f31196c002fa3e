// `evaluate` with metrics of borders and objects, as a user starts it.

import Foundation
import TestSupport
import Testing

@Suite struct EvaluateMetricsTests {
  private static func evaluate(
    _ folder: String, ranks: Int = 1, _ options: [String]
  ) throws -> ProgramRun {
    let checkpoint = try TinyTraining.checkpoint(in: folder)
    return try ProgramRun.unetDist(
      ranks: ranks,
      ["evaluate", "--checkpoint", checkpoint, "--data", folder + "/data"] + options)
  }

  private static func images(_ folder: String) throws {
    try TinyImages.squares(folder + "/data", count: 5, side: 37)
    try TinyImages.halves(folder + "/data", count: 5, side: 37)
  }

  private static let all = ["--metrics", "pixels,boundaries,objects"]

  @Test func theSameScoresOnAnyNumberOfRanksAndThreads() throws {
    try withTemporaryFolder { folder in
      try Self.images(folder)
      func run(_ ranks: Int, _ options: [String]) throws -> (output: String, table: String) {
        let path = folder + "/images.csv"
        let run = try Self.evaluate(
          folder, ranks: ranks, Self.all + ["--json", "--per-image", path] + options)
        #expect(run.succeeded && !run.standardError.contains("warning"), "\(run)")
        return (run.standardOutput, try String(contentsOfFile: path, encoding: .utf8))
      }
      let alone = try run(1, [])
      for (ranks, options) in [(3, []), (2, ["--threads", "1"]), (1, ["--threads", "3"])] {
        let other = try run(ranks, options)
        #expect(other.output == alone.output, "\(ranks) ranks")
        #expect(other.table == alone.table, "\(ranks) ranks")
      }
    }
  }

  @Test func theObjectHasAllScores() throws {
    try withTemporaryFolder { folder in
      try Self.images(folder)
      let pixels = try Self.evaluate(folder, ["--json"]).jsonObject()
      let scores = try Self.evaluate(folder, Self.all + ["--json"]).jsonObject()
      for name in ["loss", "mean_iou", "pixel_error"] {
        #expect(scores[name] as? Double == pixels[name] as? Double, "\(name)")
      }
      let classes = try #require(scores["classes"] as? [[String: Any]])
      #expect(classes.map { $0["value"] as? Int } == [0, 255])
      #expect(classes.map { $0["name"] as? String } == ["value 0", "value 255"])
      let border = try #require(scores["border_class"] as? [String: Any])
      #expect(border["value"] as? Int == 0)
      let boundaries = try #require(scores["boundaries"] as? [String: Any])
      for name in ["v_rand", "v_info", "rand_error", "boundary_pixel_error", "warping_error"] {
        let best = try #require(boundaries[name] as? [String: Double])
        #expect((0...1).contains(try #require(best["value"])), "\(name)")
        #expect((0.05...0.95).contains(try #require(best["threshold"])), "\(name)")
      }
      #expect((boundaries["surfaces"] as? [Any])?.count == 2)
      let objects = try #require(scores["objects"] as? [String: Any])
      #expect(objects["reference_objects"] as? Int == 10)
      #expect(objects["reference"] as? String == "instances")
      #expect(objects.count == 17 && objects["ap_50"] is Double && objects["pq"] is Double)
      let only = try Self.evaluate(folder, ["--json", "--metrics", "objects"]).jsonObject()
      #expect(only.keys.sorted() == ["border_class", "objects"])
    }
  }

  @Test func aTableForPeopleSaysWhatTheBorderIs() throws {
    try withTemporaryFolder { folder in
      try Self.images(folder)
      let run = try Self.evaluate(folder, Self.all + ["--border-class", "255"])
      #expect(run.succeeded, "\(run)")
      for part in [
        "class 1 (value 255) is the border or background", "V_Rand", "ASSD", "SEG", "PQ", "IoU",
      ] {
        #expect(run.standardOutput.contains(part), "\(part) in \(run)")
      }
    }
  }

  @Test func aLineForEachImageAndTheTotal() throws {
    try withTemporaryFolder { folder in
      try Self.images(folder)
      let path = folder + "/images.csv"
      let json = try Self.evaluate(folder, Self.all + ["--json", "--per-image", path]).jsonObject()
      let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        .map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
      #expect(lines.count == 7 && Set(lines.map(\.count)).count == 1)
      #expect(lines.map(\.[0]) == ["image"] + (0..<5).map { "cell-\($0)" } + ["total"])
      let column = try #require(lines[0].firstIndex(of: "mean_iou"))
      let mean = try #require(json["mean_iou"] as? Double)
      #expect(abs((Double(lines[6][column]) ?? -1) - mean) < 1e-12)
      let references = try #require(lines[0].firstIndex(of: "reference_objects"))
      #expect(lines.dropFirst().map { Double($0[references]) } == [2, 2, 2, 2, 2, 10])
      let rand = try #require(lines[0].firstIndex(of: "v_rand"))
      let values = try lines[1...5].map { try #require(Double($0[rand])) }
      let best = try #require(
        (json["boundaries"] as? [String: Any])?["v_rand"] as? [String: Double])
      #expect(abs(values.reduce(0, +) / 5 - (best["value"] ?? 0)) < 1e-12)
    }
  }

  @Test func oneErrorForWhatCannotBe() throws {
    try withTemporaryFolder { folder in
      try Self.images(folder)
      let unknown = try Self.evaluate(folder, ["--metrics", "pixels,edges"])
      #expect(!unknown.succeeded, "\(unknown)")
      #expect(unknown.standardError.contains("pixels, boundaries, objects"), "\(unknown)")
      let unused = try Self.evaluate(folder, ["--border-class", "255"])
      #expect(!unused.succeeded && unused.standardError.contains("--metrics"), "\(unused)")
      for (options, name) in [
        (["--metrics", "objects", "--border-class", "wall"], "--border-class"),
        (["--per-image", folder + "/none/images.csv"], "none/images.csv"),
      ] {
        let run = try Self.evaluate(folder, ranks: 2, options)
        run.expectOneError(naming: [name])
      }
      try FileManager.default.removeItem(atPath: folder + "/data/instances/cell-3.png")
      try TinyImages.png(folder + "/data/instances/cell-3.png", width: 9, height: 9) { _, _, _ in 1
      }
      let size = try Self.evaluate(folder, ranks: 2, ["--metrics", "objects"])
      size.expectOneError(naming: ["instances/cell-3.png", "37x37", "9x9"])
    }
  }
}
