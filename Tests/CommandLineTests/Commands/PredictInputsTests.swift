// What `predict` makes of what it is given: failures, stacks, channels in files of their own, remarks.

import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct PredictInputsTests {
  private static func predict(
    _ folder: String, ranks: Int = 1, checkpoint: String? = nil, _ arguments: [String]
  ) throws -> ProgramRun {
    let checkpoint = try checkpoint ?? TinyTraining.checkpoint(in: folder)
    return try ProgramRun.unetDist(
      ranks: ranks,
      ["predict", "--checkpoint", checkpoint, "--output", folder + "/out", "--threads", "1"]
        + arguments)
  }

  private static func names(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  @Test(arguments: [1, 2, 3])
  func keepsGoingAndListsFailuresInOrder(ranks: Int) throws {
    try withTemporaryFolder { folder in
      for name in ["a", "c", "e"] {
        try TinyImages.png("\(folder)/in/\(name).png", width: 9, height: 7) { x, y, _ in x * y }
      }
      // Cut in the middle, no image at all, and of too many channels.
      let whole = try Data(contentsOf: URL(fileURLWithPath: folder + "/in/a.png"))
      try whole.prefix(40).write(to: URL(fileURLWithPath: folder + "/in/b.png"))
      try Data("text".utf8).write(to: URL(fileURLWithPath: folder + "/in/d.tif"))
      try TinyImages.png(folder + "/in/f.png", width: 9, height: 7, channels: 3) { x, _, c in
        x * c
      }
      let run = try Self.predict(folder, ranks: ranks, [folder + "/in", "--keep-going"])
      run.expectOneError(naming: ["3 of 6 images could not be segmented"])
      let failures = run.standardError.split(separator: "\n").filter {
        $0.hasPrefix("not segmented: ")
      }
      #expect(failures.count == 3, "\(run)")
      for (line, name) in zip(failures, ["b.png", "d.tif", "f.png"]) {
        #expect(line.contains("\(folder)/in/\(name): expected"), "\(run)")
      }
      #expect(run.standardOutput == "3 images segmented into \(folder)/out\n")
      #expect(try Self.names(folder + "/out") == ["a.png", "c.png", "e.png"])

      let strict = try Self.predict(folder, ranks: ranks, [folder + "/in"])
      strict.expectOneError(naming: [folder + "/in/d.tif"])
    }
  }

  @Test(arguments: [1, 2])
  func keepsGoingBesideNamesThatCannotBe(ranks: Int) throws {
    try withTemporaryFolder { folder in
      for name in ["a", "b", "c"] {
        try TinyImages.png("\(folder)/in/\(name).png", width: 9, height: 7) { x, y, _ in x * y }
      }
      // Two images called b, and one of a name in Latin-1.
      let whole = try Data(contentsOf: URL(fileURLWithPath: folder + "/in/b.png"))
      try whole.write(to: URL(fileURLWithPath: folder + "/in/b.jpg"))
      let copy = try ProgramRun(
        URL(fileURLWithPath: "/bin/bash"),
        arguments: ["-c", "cp '\(folder)/in/a.png' '\(folder)/in/'$'x\\xe4.png'"], timeLimit: 10)
      #expect(copy.succeeded, "\(copy)")
      let run = try Self.predict(folder, ranks: ranks, [folder + "/in", "--keep-going"])
      run.expectOneError(naming: ["3 of 5 images could not be segmented"])
      let failures = run.standardError.split(separator: "\n").filter {
        $0.hasPrefix("not segmented: ")
      }
      #expect(failures.count == 3, "\(run)")
      for (line, words) in zip(
        failures,
        ["in/b.jpg: expected one sample", "in/b.png: expected one", "in another encoding"])
      {
        #expect(line.contains(words), "\(run)")
      }
      #expect(try Self.names(folder + "/out") == ["a.png", "c.png"])
      try Self.predict(folder, ranks: ranks, [folder + "/in"])
        .expectOneError(naming: ["in another encoding; rename it"])
    }
  }

  /// A folder with the stack `a.tif` and an empty one, for others of its name.
  private static func stackAndOthers(in folder: String, pageCount: Int) throws -> [String] {
    let places = ["/in", "/other"].map { folder + $0 }
    for place in places {
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
    }
    try TinyImages.tiff(places[0] + "/a.tif", width: 9, height: 7, pageCount: pageCount) {
      x, y, page in
      x * y * (page + 1)
    }
    return places
  }

  @Test func aStackAndAnImageOfOneNameFailTogether() throws {
    try withTemporaryFolder { folder in
      let places = try Self.stackAndOthers(in: folder, pageCount: 2)
      // Both would become a.tif: one is a stack, and the other's file says how large its pixels are.
      let writer = try TIFFWriter(path: folder + "/other/a.tif", byteCount: 63)
      try writer.beginPage(
        width: 9, height: 7, channels: 1, sampleByteCount: 1, division: .strips,
        description: "ImageJ=1.53t\nunit=micron\nspacing=0.5\n")
      try writer.append(
        Image(
          width: 9, height: 7, channels: 1, bitsPerSample: 8,
          samples: .uint8([UInt8](repeating: 3, count: 63))))
      try writer.commit()
      try TinyImages.png(folder + "/other/b.png", width: 9, height: 7) { x, y, _ in x * y }
      try Self.predict(folder, places).expectOneError(naming: ["two results for", "out/a.tif"])
      let run = try Self.predict(folder, ranks: 2, places + ["--keep-going"])
      run.expectOneError(naming: ["3 of 4 images could not be segmented"])
      let failures = run.standardError.split(separator: "\n").filter {
        $0.hasPrefix("not segmented: ")
      }
      #expect(failures.count == 2 && failures.allSatisfy { $0.contains("two results for") })
      #expect(try Self.names(folder + "/out") == ["b.png"])
    }
  }

  @Test func failuresAreCountedByImages() throws {
    try withTemporaryFolder { folder in
      let places = try Self.stackAndOthers(in: folder, pageCount: 3)
      // Called as the stack, and as a page of it.
      for name in ["a", "a-0001"] {
        try Data("no image".utf8).write(to: URL(fileURLWithPath: "\(places[1])/\(name).png"))
      }
      let run = try Self.predict(folder, ranks: 2, places + ["--keep-going"])
      run.expectOneError(naming: ["2 of 5 images could not be segmented"])
      #expect(run.standardOutput.contains("3 images segmented"), "\(run)")
      #expect(try Self.names(folder + "/out") == ["a.tif"])
    }
  }

  @Test func argumentsAreTextInUTF8() throws {
    try withTemporaryFolder { folder in
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      try TinyImages.png(folder + "/a.png", width: 9, height: 7) { x, y, _ in x * y }
      let program = try ProgramRun.builtProgram(named: "unet-dist").path
      func run(_ arguments: String) throws -> ProgramRun {
        try ProgramRun(
          URL(fileURLWithPath: "/bin/bash"),
          arguments: [
            "-c", "cd '\(folder)' && cp a.png $'x\\xe4.png' && exec '\(program)' \(arguments)",
          ], timeLimit: 60)
      }
      let predict = "predict --checkpoint '\(checkpoint)' --output out"
      for arguments in ["train --data data --output $'r\\xe4'", predict + " a.png $'x\\xe4.png'"] {
        let refused = try run(arguments)
        refused.expectOneError(naming: ["arguments: expected text in UTF-8", "in another encoding"])
        #expect(refused.exitStatus == 64)
      }
      #expect(try !Self.names(folder).contains { $0.hasPrefix("r\u{FFFD}") })
      let going = try run(predict + " --keep-going a.png $'x\\xe4.png'")
      going.expectOneError(naming: ["1 of 2 images could not be segmented"])
      #expect(going.standardError.contains("not segmented: .: expected names in UTF-8"), "\(going)")
      #expect(try Self.names(folder + "/out") == ["a.png"])
    }
  }

  @Test func saysWhatItPassesOver() throws {
    try withTemporaryFolder { folder in
      try TinyImages.png(folder + "/in/a.png", width: 9, height: 7) { x, y, _ in x * y }
      try TinyImages.png(folder + "/in/below/b.png", width: 9, height: 7) { x, y, _ in x * y }
      for name in ["one.txt", "two.txt", "table.csv"] {
        try Data().write(to: URL(fileURLWithPath: "\(folder)/in/\(name)"))
      }
      let run = try Self.predict(folder, ranks: 2, [folder + "/in"])
      #expect(run.succeeded, "\(run)")
      let line = "\(folder)/in: passed over 2 TXT files, 1 CSV file, 1 folder (below)\n"
      #expect(run.standardError.components(separatedBy: line).count == 2, "\(run)")
    }
  }

  @Test(arguments: [1, 2])
  func aStackGivesAStack(ranks: Int) throws {
    try withTemporaryFolder { folder in
      try TinyImages.tiff(folder + "/stack.tif", width: 13, height: 8, pageCount: 3) { x, y, page in
        (x * 20 + y * 30 + page * 70) % 256
      }
      let pages = try Self.predict(folder, [folder + "/stack.tif", "--overlay", "--format", "png"])
      #expect(pages.succeeded, "\(pages)")
      let run = try Self.predict(
        folder, ranks: ranks,
        [
          folder + "/stack.tif", "--overlay", "--instances", "components", "--probabilities",
        ])
      #expect(run.succeeded, "\(run)")
      #expect(run.standardOutput.contains("3 images segmented"), "\(run)")
      let out = folder + "/out/"
      let separate = (1...3).map { out + "stack-000\($0)" }
      let labels = try separate.map { try ImageFile.read($0 + ".png") }
      #expect(try ImageFile.readAll(out + "stack.tif") == labels)
      #expect(
        try ImageFile.readAll(out + "stack-overlay.tif")
          == separate.map { try ImageFile.read($0 + "-overlay.png") })
      let instances = try ImageFile.readAll(out + "stack-instances.tif")
      #expect(instances.count == 3 && instances.allSatisfy { $0.bitsPerSample == 16 })
      #expect(try Self.names(out).filter { $0.hasSuffix(".npy") }.count == 3)
      let bytes = try Data(contentsOf: URL(fileURLWithPath: out + "stack.tif"))
      #expect(bytes.range(of: Data("ImageJ=1.11a\nimages=3\nslices=3\n".utf8)) != nil)

      let clash = try Self.predict(folder, [folder + "/stack.tif", "--output", folder])
      clash.expectOneError(naming: ["--output", "stack.tif, which is an input"])
    }
  }

  @Test func whatIsKnownOfAPlaceIsKeptUnlessAPNGIsAskedFor() throws {
    try withTemporaryFolder { folder in
      let image = Image(
        width: 9, height: 7, channels: 1, bitsPerSample: 8,
        samples: .uint8((0..<63).map { UInt8($0 * 4) }))
      try TIFFFile.write(image, to: folder + "/plain.tif")
      let writer = try TIFFWriter(path: folder + "/scaled.tif", byteCount: 63)
      try writer.beginPage(
        width: 9, height: 7, channels: 1, sampleByteCount: 1, division: .strips,
        description: "ImageJ=1.53t\nunit=micron\nspacing=0.5\n")
      try writer.append(image)
      try writer.commit()
      let inputs = ["/plain.tif", "/scaled.tif"].map { folder + $0 }
      let usual = try Self.predict(folder, ranks: 2, inputs + ["--overlay"])
      #expect(usual.succeeded, "\(usual)")
      let names = ["plain-overlay.png", "plain.png", "scaled-overlay.tif", "scaled.tif"]
      #expect(try Self.names(folder + "/out") == names)
      #expect(
        try TIFFOrigin(folder + "/out/scaled.tif", page: 0) == TIFFOrigin(inputs[1], page: 0))
      let asked = try Self.predict(folder, inputs + ["--format", "png"])
      #expect(asked.succeeded, "\(asked)")
      #expect(try Self.names(folder + "/out") == (names + ["scaled.png"]).sorted())
    }
  }

  @Test func pixelsWithoutAMeasurementAreTold() throws {
    try withTemporaryFolder { folder in
      let values = (0..<63).map { $0 < 9 ? Float.nan : Float($0) }
      try NumPyFile.write(values, shape: [7, 9], to: folder + "/a.npy")
      let run = try Self.predict(folder, [folder + "/a.npy"])
      #expect(run.succeeded, "\(run)")
      let line =
        "1 of the images has pixels that hold no measurement: what is predicted there means nothing"
      #expect(run.standardError.contains(line), "\(run)")
    }
  }

  @Test func channelsInFilesOfTheirOwn() throws {
    try withTemporaryFolder { folder in
      try TinyImages.colouredBars(folder + "/data", sizes: [(24, 24), (30, 26)])
      let training = try ProgramRun.unetDist(
        ranks: 1,
        TinyTraining.arguments(
          data: folder + "/data", output: folder + "/run", ["--steps", "2"]))
      #expect(training.succeeded, "\(training)")
      let checkpoint = folder + "/run/latest.safetensors"
      for (index, size) in [(24, 24), (30, 26)].enumerated() {
        let image = try ImageFile.read("\(folder)/data/images/bar-\(index).png")
        guard case .uint8(let samples) = image.samples else { continue }
        for channel in 0..<3 {
          try TinyImages.png(
            "\(folder)/imagesTs/bar-\(index)_000\(channel).png", width: size.0, height: size.1
          ) { x, y, _ in Int(samples[(y * size.0 + x) * 3 + channel]) }
        }
      }
      let together = try Self.predict(
        folder, ranks: 2, checkpoint: checkpoint, [folder + "/imagesTs"])
      #expect(together.succeeded, "\(together)")
      #expect(together.standardError.contains("2 images of 3 files each"), "\(together)")
      let names = ["bar-0.png", "bar-1.png"]
      #expect(try Self.names(folder + "/out") == names)
      func results() throws -> [Data] {
        try names.map { try Data(contentsOf: URL(filePath: "\(folder)/out/\($0)")) }
      }
      let joined = try results()
      let whole = try Self.predict(
        folder, checkpoint: checkpoint, names.map { folder + "/data/images/" + $0 })
      #expect(whole.succeeded, "\(whole)")
      #expect(try results() == joined)

      try FileManager.default.removeItem(atPath: folder + "/imagesTs/bar-1_0001.png")
      let partial = try Self.predict(folder, checkpoint: checkpoint, [folder + "/imagesTs"])
      partial.expectOneError(naming: ["bar-1_...", "a file for each of the 3 channels"])
    }
  }

  @Test func remarksAreMadeOnce() throws {
    try withTemporaryFolder { folder in
      for name in ["a", "b", "c"] {
        try TinyImages.png("\(folder)/in/\(name).png", width: 9, height: 7, channels: 3) {
          x, y, _ in x * y
        }
      }
      try TinyImages.png(folder + "/in/d.png", width: 9, height: 7) { x, y, _ in x * y }
      let run = try Self.predict(folder, ranks: 2, [folder + "/in"])
      #expect(run.succeeded, "\(run)")
      #expect(
        run.standardError.components(separatedBy: "3 of the images are grey in three equal").count
          == 2, "\(run)")
    }
  }
}
