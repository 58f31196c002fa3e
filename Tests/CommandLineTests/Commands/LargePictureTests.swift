// `predict` on pictures that go by windows: the files of the whole image, on any number of ranks.

import Files
import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct LargePictureTests {
  /// So many that a picture of a few pixels has more bytes than are held.
  private static let channels = 72

  /// Samples of float32, rows x columns x channels.
  private static func samples(height: Int, width: Int) -> [Float] {
    (0..<height * width).flatMap { pixel in
      let (y, x) = pixel.quotientAndRemainder(dividingBy: width)
      let square = (x / 9 + y / 7) % 3 == 0
      return (0..<channels).map { channel in
        Float((x * 7 + y * 13 + channel * 5) % 11) + (square && channel < 4 ? 40 : 0)
      }
    }
  }

  /// An uncompressed TIFF of one strip.
  private static func tiff(_ path: String, height: Int, width: Int) throws {
    func bytes(_ value: Int, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    let values = samples(height: height, width: width)
    var data = Data([0x49, 0x49, 42, 0] + bytes(8 + 4 * values.count, 4))
    values.withUnsafeBytes { data.append(contentsOf: $0) }
    // Bits and formats of the channels follow the directory.
    let directory = data.count
    let behind = directory + 2 + 12 * 10 + 4
    let fields = [
      (256, 1, width), (257, 1, height), (258, channels, behind), (259, 1, 1), (262, 1, 1),
      (273, 1, 8), (277, 1, channels), (278, 1, height), (279, 1, 4 * values.count),
      (339, channels, behind + 4 * channels),
    ]
    data.append(contentsOf: bytes(fields.count, 2))
    for (tag, count, value) in fields {
      data.append(contentsOf: bytes(tag, 2) + bytes(4, 2) + bytes(count, 4) + bytes(value, 4))
    }
    data.append(contentsOf: bytes(0, 4))
    for value in [32, 3] {
      for _ in 0..<channels { data.append(contentsOf: bytes(value, 4)) }
    }
    try data.write(to: URL(fileURLWithPath: path))
  }

  /// A folder with a checkpoint for images of many channels.
  private static func checkpoint(_ folder: String) throws -> String {
    for name in ["images", "masks"] {
      try FileManager.default.createDirectory(
        atPath: "\(folder)/data/\(name)", withIntermediateDirectories: true)
    }
    for index in 0..<2 {
      try tiff("\(folder)/data/images/a\(index).tif", height: 24, width: 24)
      try TinyImages.png("\(folder)/data/masks/a\(index).png", width: 24, height: 24) { x, y, _ in
        (x / 9 + y / 7) % 3 == 0 ? 255 : 0
      }
    }
    let run = try ProgramRun.unetDist(
      ranks: 1,
      TinyTraining.arguments(
        data: folder + "/data", output: folder + "/run", ["--steps", "2", "--dropout", "0.5"]))
    #expect(run.succeeded, "\(run)")
    return folder + "/run/latest.safetensors"
  }

  @Test func theFilesOfTheWholeImage() throws {
    try withTemporaryFolder { folder in
      let checkpoint = try Self.checkpoint(folder)
      let (height, width) = (522, 480)
      try Self.tiff(folder + "/whole.tif", height: height, width: width)
      func predict(
        _ output: String, ranks: Int = 1, _ options: [String] = []
      ) throws -> ProgramRun {
        try ProgramRun.unetDist(
          ranks: ranks,
          [
            "predict", "--checkpoint", checkpoint, "\(folder)/whole.tif", "--output",
            "\(folder)/\(output)", "--probabilities", "--mc-samples", "2", "--threads", "1",
            "--tile", "128",
          ] + options, timeLimit: 120)
      }
      // Held as a whole.
      let whole = try predict("whole", ["--format", "png", "--overlay"])
      #expect(whole.succeeded, "\(whole)")
      for ranks in [1, 2, 3] {
        let run = try predict("\(ranks)", ranks: ranks)
        #expect(run.succeeded, "\(run)")
        #expect(run.standardError.contains("whole: 480x522 pixels, by "), "\(run)")
        #expect(run.standardOutput.contains("1 image segmented"), "\(run)")
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(ranks)")
        #expect(
          names.sorted() == ["whole-entropy.npy", "whole-entropy.tif", "whole.npy", "whole.tif"])
        for name in ["whole", "whole-entropy"] {
          #expect(
            try ImageFile.read("\(folder)/\(ranks)/\(name).tif")
              == ImageFile.read("\(folder)/whole/\(name).png"), "\(name) on \(ranks) ranks")
          #expect(
            try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(ranks)/\(name).npy"))
              == Data(contentsOf: URL(fileURLWithPath: "\(folder)/whole/\(name).npy")))
        }
      }
    }
  }

  @Test func whatNeedsTheWholePictureIsRefusedAtOnce() throws {
    try withTemporaryFolder { folder in
      // Two gigabytes of nothing, of which the file system keeps none.
      try TinyImages.tiff(folder + "/a.tif", width: 1, height: 1, pageCount: 1) { _, _, _ in 0 }
      var bytes = try Data(contentsOf: URL(fileURLWithPath: folder + "/a.tif"))
      // Width, height, rows of a strip and its bytes are the entries 0, 1, 7 and 8 of the directory.
      let directory = 10
      for (entry, value) in [(0, 1 << 15), (1, 1 << 16), (7, 1 << 16), (8, 1 << 31)] {
        let place = directory + 2 + 12 * entry + 8
        for byte in 0..<4 { bytes[place + byte] = UInt8(value >> (8 * byte) & 0xFF) }
      }
      try bytes.write(to: URL(fileURLWithPath: folder + "/a.tif"))
      let file = try FileHandle(forUpdating: URL(fileURLWithPath: folder + "/a.tif"))
      try file.truncate(atOffset: (1 << 31) + 4096)
      try file.close()
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      for option in [["--overlay"], ["--instances", "components"], ["--format", "png"]] {
        let run = try ProgramRun.unetDist(
          ranks: 2,
          ["predict", "--checkpoint", checkpoint, folder + "/a.tif", "--output", folder + "/out"]
            + option)
        let name = option[1...] == ["png"] ? "--format png" : option[0]
        run.expectOneError(
          naming: [
            "/a.tif: expected an image of at most 1024 MiB, which \(name) needs as a whole"
          ])
        #expect(!FileManager.default.fileExists(atPath: folder + "/out"))
      }
    }
  }

  @Test(arguments: [1, 2])
  func aPictureThatEndsEarlyEndsAllRanks(ranks: Int) throws {
    try withTemporaryFolder { folder in
      let checkpoint = try Self.checkpoint(folder)
      try Self.tiff(folder + "/a.tif", height: 522, width: 480)
      // Infinity where there should be a measurement.
      let file = try FileHandle(forUpdating: URL(fileURLWithPath: folder + "/a.tif"))
      try file.seek(toOffset: 8 + 4 * 1000)
      try file.write(contentsOf: Data([0, 0, 0x80, 0x7F]))
      try file.close()
      let command = [
        "predict", "--checkpoint", checkpoint, folder + "/a.tif", folder + "/data/images",
        "--output", folder + "/out", "--threads", "1",
      ]
      let run = try ProgramRun.unetDist(ranks: ranks, command)
      run.expectOneError(naming: ["/a.tif: expected finite samples"])
      let going = try ProgramRun.unetDist(ranks: ranks, command + ["--keep-going"])
      going.expectOneError(naming: ["1 of 3 images could not be segmented"])
      #expect(going.standardError.contains("not segmented: \(folder)/a.tif: expected finite"))
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: folder + "/out").sorted()
          == ["a0.png", "a1.png"])
    }
  }
}
