// Every command answers a bad value of an option with status 64 and one line of one form.

import ArgumentParser
import Foundation
import TestSupport
import Testing
import unet_dist

@Suite struct UsageTests {
  /// Arguments, and what the message begins with.
  private static let parsed: [(arguments: String, beginning: String)] = [
    (
      "evaluate --checkpoint c --data d --threads x",
      "--threads: expected a whole number, found \"x\""
    ),
    (
      "evaluate --checkpoint c --data d --threads 0",
      "--threads: expected a whole number from 1 to 1024, found 0"
    ),
    (
      "evaluate --checkpoint c --data d --tile=-3",
      "--tile: expected a whole number from 1 to 16384, found -3"
    ),
    (
      "evaluate --checkpoint c --data d --threshold 2",
      "--threshold: expected validation or a number from 0 to 1"
    ),
    ("evaluate --checkpoint c --data d --layout x", "--layout: expected one of "),
    (
      "evaluate --checkpoint c --data d --metrics x",
      "--metrics: expected some of pixels, boundaries, objects"
    ),
    (
      "evaluate --checkpoint c --data d --instances x",
      "--instances: expected one of components, watershed, found \"x\""
    ),
    (
      "evaluate --checkpoint c --data d --instances watershed",
      "--instances: expected --metrics with objects"
    ),
    (
      "evaluate --checkpoint c --data d --border-class x",
      "--border-class: expected --metrics with boundaries"
    ),
    (
      "evaluate --checkpoint c",
      "--data: expected --data DIR, or --images PATH with --masks PATH, found none"
    ),
    ("evaluate --checkpoint c --data d --images i", "--data: expected"),
    ("evaluate --data d", "--checkpoint: expected a value, found none"),
    ("evaluate --checkpoint", "--checkpoint: expected a value, found none"),
    ("predict --checkpoint c --output o", "<inputs>: expected a value, found none"),
    (
      "predict --checkpoint c --output o i --format gif",
      "--format: expected one of png, tiff, found \"gif\""
    ),
    ("predict --checkpoint c --output o i --values x", "--values: expected one of masks, classes"),
    (
      "predict --checkpoint c --output o i --border-class x", "--border-class: expected --instances"
    ),
    (
      "predict --checkpoint c --output o i --mc-samples 5 --tta",
      "--mc-samples: expected 0 beside --tta, found 5"
    ),
    (
      "predict --checkpoint c --output o i --stall-timeout=-1",
      "--stall-timeout: expected a whole number from 0"
    ),
    (
      "export --checkpoint c --output o --format foo",
      "--format: expected one of onnx, pytorch, bioimageio"
    ),
    (
      "export --checkpoint c --output o --format pytorch --logits",
      "--logits: expected --format onnx"
    ),
    (
      "export --checkpoint c --output o --format bioimageio",
      "--sample: expected a value, which a package needs"
    ),
    (
      "export --checkpoint c --output o --format onnx --author a",
      "--author: expected --format bioimageio"
    ),
    (
      "export --checkpoint c --output o --format bioimageio --sample s --author a --license MIT --name x",
      "--name: expected 5 to 128 letters"
    ),
    ("report", "<runs>: expected a value, found none"),
    ("report a --threads 0", "--threads: expected a whole number from 1 to 1024, found 0"),
    ("report a b c d e f g h i j k l m n o p q r s t u v w", "<runs>: expected 1 to"),
    ("inspect --threads 0", "--threads: expected a whole number from 1 to 4096, found 0"),
    ("synth --output o --count 0", "--count: expected a whole number from 1 to 99999, found 0"),
    (
      "synth --output o --count 1 --side 1",
      "--side: expected a whole number from 16 to 8192, found 1"
    ),
    ("synth --output o --count 1 --seed=-1", "--seed: expected a whole number, found -1"),
    ("import", "<source>: expected a value, found none"),
    ("import a --output", "--output: expected a value, found none"),
    (
      "preview --data d --output o --tile 1",
      "--tile: expected a whole number from 16 to 2048, found 1"
    ),
    (
      "preview --data d --output o --count 99",
      "--count: expected a whole number from 1 to 32, found 99"
    ),
    ("doctor --json=yes", "--json: expected no value, found \"yes\""),
    ("doctor extra", "arguments: expected no more, found \"extra\"; see unet-dist doctor --help"),
    ("manual --format x", "--format: expected one of man, markdown, found \"x\""),
    (
      "bench inference --image-size 0",
      "--image-size: expected a whole number from 1 to 16384, found 0"
    ),
    ("bench inference --image-size 9 --accuracy", "--accuracy: expected"),
    (
      "bench scaling --ranks 0",
      "--ranks: expected numbers from 1 to 4096, with commas between, found 0"
    ),
    (
      "bench scaling --ranks 1,x",
      "--ranks: expected numbers from 1 to 4096, with commas between, found \"1,x\""
    ),
    ("bench scaling --global-batch 0", "--global-batch: expected a whole number from 1"),
    ("bench scaling --latency-us 3", "--latency-us: expected --latency-us and --gbit-per-second"),
    ("bench scaling --model --latency-us x", "--latency-us: expected a number, found \"x\""),
    ("bench threads", "--model: expected to be given"),
    ("bench threads --model --threads 2", "--threads: expected none"),
    ("bench loader --tiles 0", "--tiles: expected a whole number from 1 to 1000000, found 0"),
    (
      "bench learning-rate --from 2",
      "--from: expected a number above 0 and below --to 1.0, found 2.0"
    ),
    ("bench step --reduction x", "--reduction: expected one of tree, fast, found \"x\""),
    (
      "train --stepz 3",
      "--stepz: expected an option that the command has, found none of this name; did you mean --steps?"
    ),
    ("train --wholly-unknown 3", "--wholly-unknown: expected an option that the command has"),
    ("tain", "arguments: expected no more, found \"tain\"; see unet-dist --help"),
  ]

  @Test(arguments: parsed.indices)
  func theParsersWordsGetTheForm(_ place: Int) throws {
    let (text, beginning) = Self.parsed[place]
    let arguments = text.split(separator: " ").map(String.init)
    let error = try #require(throws: (any Error).self) {
      try UNetDist.parseAsRoot(arguments)
    }
    #expect(UNetDist.exitCode(for: error).rawValue == 64)
    let message = UsageMessage(
      UNetDist.message(for: error),
      command: UsageMessage.command(of: arguments, from: UNetDist.self))
    #expect(message.description.hasPrefix(beginning), "\(message)")
    Self.expectForm(message.description)
  }

  /// Values that only the command itself finds fault with.
  @Test(arguments: [
    ("train --output o --steps x", "--steps: expected a whole number"),
    (
      "train --output o --optimizer foo",
      "--optimizer: expected one of sgd, adam, adamw, found \"foo\""
    ),
    ("train --output o --threads 0", "--threads: expected"),
    ("train --output o --global-batch 0", "--global-batch: expected"),
    ("train --output o --tile 17 --padding valid", "--tile: expected"),
    ("train --config nowhere.yaml", "--config: expected"),
    ("bench step --batch 0", "--batch: expected a whole number from 1 to 4096, found 0"),
    ("bench kernels --depth 99", "--depth: expected"),
    ("bench loader --steps x", "--steps: expected a whole number"),
    ("bench learning-rate --optimizer foo", "--optimizer: expected one of"),
    ("preview --data d --output o.png --augment foo", "--augment: expected"),
    ("inspect --classes 0", "--classes: expected"),
    ("synth --count 0 --output o", "--count: expected a whole number from 1 to 99999, found 0"),
    ("predict --checkpoint c", "<inputs>: expected a value, found none"),
  ])
  func badValuesEndWithStatus64(_ text: String, _ beginning: String) throws {
    let arguments = text.split(separator: " ").map(String.init)
    for ranks in text.hasPrefix("train --output o --steps") || text.hasPrefix("predict")
      ? [1, 2] : [1]
    {
      let run = try withTemporaryFolder { folder in
        try ProgramRun.unetDist(
          ranks: ranks, arguments.map { $0 == "o" ? folder + "/o" : $0 })
      }
      #expect(run.exitStatus == 64, "\(run)")
      run.expectOneError(naming: [beginning])
      let line = run.errorLines.first ?? ""
      #expect(line.hasPrefix("error: "), "\(run)")
      Self.expectForm(String(line.dropFirst("error: ".count)))
    }
  }

  @Test func aFileThatIsMissingIsAFailureOfTheSameForm() throws {
    for arguments in [
      ["inspect", "nowhere.safetensors"], ["import", "nowhere", "--output", "o"],
      ["report", "nowhere"],
    ] {
      let run = try ProgramRun.unetDist(ranks: 1, arguments)
      #expect(run.exitStatus == 1, "\(run)")
      run.expectOneError(naming: ["nowhere", "expected", "found nothing"])
      Self.expectForm(String((run.errorLines.first ?? "").dropFirst("error: ".count)))
    }
  }

  /// "what: expected X, found Y", what to do behind a semicolon, no capital and no full stop.
  private static func expectForm(_ message: String) {
    #expect(message.wholeMatch(of: /[^A-Z ][^:]*: expected .+, found .*[^.]/) != nil, "\(message)")
    #expect(!message.contains("\n"), "\(message)")
  }
}
