// Configuration files: what is read, what is refused, and what is written.

import Configuration
import Datasets
import Foundation
import Kernels
import Logging
import Network
import TestSupport
import Testing

@Suite struct ConfigurationFileTests {
  private func error(_ yaml: String) throws -> ConfigurationError {
    try #require(throws: ConfigurationError.self) {
      try TrainingConfiguration(yaml: yaml, file: "run.yaml")
    }
  }

  @Test func optionsAnswerToTheirFormerNames() {
    let former = ["learn-rate": "learning-rate"]
    #expect(TrainingOption.named("learn-rate", formerNames: former)?.name == "learning-rate")
    #expect(TrainingOption.named("learn-rate") == nil)
    // A former name must not hide an option of today.
    #expect(
      TrainingOption.formerNames.keys.allSatisfy { name in
        !TrainingOption.all.contains { $0.name == name }
      })
  }

  @Test func valuesOfAllKinds() throws {
    let configuration = try TrainingConfiguration(
      yaml: """
        # A run.
        base-channels: 16
        learning-rate: 1e-3   # small
        padding: zero
        class-weights: [1, 2.5]
        augment:
          - rotate
          - flip
        images: "with: colon"
        masks: '*.png'
        resume: true
        """)
    #expect(configuration.baseChannels == 16)
    #expect(configuration.learningRate == 0.001)
    #expect(configuration.padding == .zero)
    #expect(configuration.tile == 512)
    #expect(configuration.classWeights == .values([1, 2.5]))
    #expect(configuration.augment == [.init(.rotate90), .init(.flip)])
    #expect(configuration.images == "with: colon")
    #expect(configuration.masks == "*.png")
    #expect(configuration.resume == .newest)
    #expect(try TrainingConfiguration(yaml: "resume: false").resume == nil)
  }

  @Test func unknownKeyNamesLineAndNearest() throws {
    let error = try error("seed: 1\nbase-chanels: 16\n")
    #expect(
      error.description
        == "run.yaml:2: expected an option of train, found \"base-chanels\"; "
        + "did you mean base-channels?")
    #expect(try self.error("xyzzyxyzzy: 1").hint?.contains("--help") == true)
    let long = String(repeating: "x", count: 5000)
    #expect(try self.error("\(long): 1").description.count < 200)
  }

  @Test func badValueNamesFileLineAndKey() throws {
    let wrongType = try error("seed: 1\n\nsteps: many\n")
    #expect(
      wrongType.description
        == "run.yaml:3: steps: expected a whole number, 1 or more, found \"many\"")
    let outOfRange = try error("seed: 1\nkeep: 0\n")
    #expect(
      outOfRange.description == "run.yaml:2: keep: expected a whole number, 1 or more, found 0")
    let conflict = try error("steps: 3\nepochs: 4\n")
    #expect(conflict.origin == .init(file: "run.yaml", line: 2))
  }

  @Test(arguments: [
    "tile: [572]", "tile: {a: 1}", "tile:", "tile: ~", "tile: null", "[1, 2]: 3",
    "augment: [[flip]]", "augment: {flip: 1}",
  ])
  func wrongKindOfValue(yaml: String) throws {
    #expect(try error(yaml).origin?.line == 1)
  }

  @Test func duplicateKey() throws {
    let plain = try error("seed: 1\ntile: 572\nseed: 2\n")
    #expect(plain.option == "seed")
    #expect(plain.expected == "each option once")
    #expect(plain.origin?.line != nil)
    let quoted = try error("seed: 1\n\"seed\": 2\n")
    #expect(quoted.option == "seed")
  }

  @Test(arguments: [
    "seed: &a 1\nkeep: *a", "augment: &a [flip]", "&a seed: 1", "augment: [&a flip]",
    "seed: *nowhere",
  ])
  func anchorsAndAliases(yaml: String) throws {
    #expect(try error(yaml).origin?.line != nil)
  }

  @Test(.timeLimit(.minutes(1))) func aliasBomb() throws {
    var yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in 1...9 {
      let items = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
      yaml += "? &a\(level) [\(items)]\n: 1\n"
    }
    #expect(try error(yaml).expected.contains("no aliases"))
  }

  @Test(arguments: ["", "# only a comment\n", "- a\n- b\n", "just text", "---\na: 1\n---\nb: 2\n"])
  func notOneMapping(yaml: String) throws {
    #expect(try error(yaml).origin?.file == "run.yaml")
  }

  @Test(arguments: ["seed: \"1", "seed: 1\n\ttile: 2", "{", "seed: \u{1}", "%", "a: b: c"])
  func malformed(yaml: String) throws {
    #expect(try error(yaml).expected == "YAML")
  }

  @Test func hugeAndDeep() throws {
    #expect(
      try error(String(repeating: "# ", count: 600_000)).expected.contains("1048576 bytes"))
    _ = try error(String(repeating: "[", count: 1_000_000))
    _ = try error("seed: " + String(repeating: "{a: ", count: 200_000))
  }

  @Test func unreadableFile() throws {
    let folder = try ScratchFolder()
    let missing = try #require(throws: ConfigurationError.self) {
      try TrainingConfiguration(file: folder.path + "/none.yaml")
    }
    #expect(missing.option == "config")
    #expect(missing.found.hasSuffix("none.yaml: nothing"))
    #expect(throws: ConfigurationError.self) { try TrainingConfiguration(file: folder.path) }
    #expect(throws: ConfigurationError.self) { try TrainingConfiguration(file: "/dev/zero") }
    let binary = folder.path + "/binary"
    try Data([0xFF, 0xFE, 0x80]).write(to: URL(fileURLWithPath: binary))
    #expect(throws: ConfigurationError.self) { try TrainingConfiguration(file: binary) }
  }

  @Test func flagsWin() throws {
    let yaml = "seed: 3\nkeep: 4\nsteps: 10\ndata: d\nvalidation-fraction: 0.3\nload: w\n"
    let flags = [
      "seed": "9", "epochs": "2", "images": "i", "masks": "m", "validation-data": "v",
      "resume": "",
    ]
    let configuration = try TrainingConfiguration(yaml: yaml, flags: flags)
    #expect(configuration.seed == 9)
    #expect(configuration.keep == 4)
    #expect(configuration.steps == nil)
    #expect(configuration.epochs == 2)
    #expect(configuration.data == nil)
    #expect(configuration.validationFraction == 0)
    #expect(configuration.load == nil)
    // A wrong value that a flag replaces does no harm; an error in the flag is the flag's.
    #expect(try TrainingConfiguration(yaml: "seed: no", flags: ["seed": "1"]).seed == 1)
    let error = try #require(throws: ConfigurationError.self) {
      try TrainingConfiguration(yaml: "seed: 1", flags: ["seed": "no"])
    }
    #expect(error.origin == nil)
  }

  @Test func writtenFileGivesTheSameRun() throws {
    let folder = try ScratchFolder()
    var configurations = [
      TrainingConfiguration(),
      try TrainingConfiguration().resolved(inputChannels: 3, classes: 5, ranks: 4),
    ]
    var unusual = TrainingConfiguration()
    unusual.images = "~"
    unusual.masks = "a \"b\"\n\\c: #d, *e & é " + String(repeating: "long name ", count: 30)
    unusual.output = "null"
    unusual.padding = .mirror
    unusual.tile = 64
    unusual.steps = nil
    unusual.epochs = 3
    unusual.optimizer = .adamw
    unusual.learningRate = 0.1 + 0.2
    unusual.dropout = 0.1
    unusual.classWeights = .values([1 / 3, 5 / 3])
    unusual.augment = [.init(.shift), .init(.flip)]
    unusual.validationData = "no"
    unusual.validationFraction = 0
    unusual.load = "123"
    unusual.seed = .max
    unusual.logLevel = .warning
    configurations.append(unusual)
    unusual.augment = []
    unusual.classWeights = .balanced
    configurations.append(unusual)
    for configuration in configurations {
      let path = try folder.write(configuration.yaml(), to: "config.yaml")
      #expect(try TrainingConfiguration(file: path) == configuration)
      #expect(try TrainingConfiguration(file: path).yaml() == configuration.yaml())
    }
  }

  @Test func writtenNamesStandInTheOrderOfTheTable() throws {
    let lines = TrainingConfiguration().yaml().split(separator: "\n").filter { $0.first != "#" }
    let names = lines.compactMap { $0.split(separator: ":").first.map(String.init) }
    let known = TrainingOption.all.map(\.name)
    #expect(names == known.filter(names.contains))
    #expect(lines.contains("augment: [shift=0.125, rotate90, flip]"))
    #expect(lines.contains("output: \"unet-run\""))
  }

  @Test func digestIsStableAndSensitive() throws {
    let base = TrainingConfiguration()
    #expect(base.digest().count == 64)
    #expect(base.digest() == TrainingConfiguration().digest())
    var local = base
    local.output = "elsewhere"
    local.threads = 7
    local.logLevel = .trace
    local.keep = 9
    #expect(local.digest() == base.digest())
    #expect(local.digest(for: .resume) == base.digest(for: .resume))
    var longer = base
    longer.steps = 2000
    #expect(longer.digest() != base.digest())
    #expect(longer.digest(for: .resume) == base.digest(for: .resume))
    #expect(longer.differences(from: base) == ["steps"])
    #expect(longer.differences(from: base, for: .resume) == [])
    for (name, value) in [
      ("seed", "1"), ("momentum", "0.9"), ("augment", "none"), ("depth", "3"), ("tile", "556"),
      ("learning-rate", "0.010000000000000002"), ("class-weights", "balanced"),
      ("global-batch", "2"),
    ] {
      let changed = try TrainingConfiguration(file: nil, flags: [name: value])
      #expect(changed.digest() != base.digest(), "\(name)")
      #expect(changed.digest(for: .resume) != base.digest(for: .resume), "\(name)")
      #expect(changed.differences(from: base) == [name])
    }
  }

  @Test func aByteOrderMarkAndCarriageReturnsAreNoText() throws {
    let configuration = try TrainingConfiguration(yaml: "\u{FEFF}steps: 7\r\nseed: 3\r\n")
    #expect(configuration.steps == 7 && configuration.seed == 3)
  }

  @Test(
    arguments: [
      ("per-image", "per-image-standardized", nil), ("fixed", "unchanged", nil),
      ("fixed=-1000:400", "unchanged", -1000), ("percentiles", "per-image-percentiles", 0.5),
      ("percentiles=1:99.8", "per-image-percentiles", 1), ("set", "set-standardized", nil),
    ] as [(String, String, Double?)])
  func intensities(text: String, rule: String, low: Double?) throws {
    let configuration = try TrainingConfiguration(yaml: "intensities: \(text)\nno-data: -1\n")
    let normalization = configuration.intensities.normalization(
      missingValue: configuration.noData)
    #expect(normalization.rule.rawValue == rule && normalization.bounds?.low == low)
    #expect(normalization.missingValue == -1)
    let again = try TrainingConfiguration(yaml: configuration.yaml())
    #expect(again.intensities == configuration.intensities && again.noData == -1)
  }

  @Test(arguments: [
    "none", "fixed=1", "fixed=2:1", "fixed=1:2:3", "percentiles=-1:99", "percentiles=1:101",
    "set=1:2",
  ])
  func intensitiesThatAreNone(text: String) {
    #expect(throws: ConfigurationError.self) {
      try TrainingConfiguration(yaml: "intensities: \(text)")
    }
  }
}
