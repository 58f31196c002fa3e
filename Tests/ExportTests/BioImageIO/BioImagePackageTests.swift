// The package of the BioImage Model Zoo; its own test is what Scripts/check-export runs.

import Datasets
import Export
import Files
import Foundation
import Imaging
import Network
import Tensors
import TestSupport
import Testing
import Threading

@Suite struct BioImagePackageTests {
  private static let description = BioImagePackage.Description(
    name: "Cells (v1)", authors: ["A \"B\" C"], licence: "MIT")

  private static func archive(
    _ trained: ExportableNetwork, sample: Image, in folder: String
  ) throws -> [String: [UInt8]] {
    let path = folder + "/package.zip"
    try BioImagePackage(
      trained, description, path: "c.safetensors", sample: sample, samplePath: "s.png"
    ).write(to: path, on: ThreadTeam(count: 1))
    return try StoredArchive(path).files
  }

  private static func grey(side: Int) -> Image {
    Image(
      width: side, height: side, channels: 1, bitsPerSample: 8,
      samples: .uint8((0..<side * side).map { UInt8($0 * $0 % 251) }))
  }

  @Test func anUnpaddedNetworkTakesWhatItsBorderCosts() throws {
    try withTemporaryFolder { folder in
      let files = try Self.archive(
        exportable(UNetConfiguration(baseChannels: 2, depth: 2)), sample: Self.grey(side: 50),
        in: folder)
      #expect(
        Set(files.keys) == [
          "rdf.yaml", "README.md", "weights.onnx", "test-input.npy", "test-output.npy",
          "sample.png", "cover.png",
        ])
      let text = String(decoding: files["rdf.yaml"] ?? [], as: UTF8.self)
      // Depth 2: 44 is the smallest legal side, of which 4 are left; 20 are lost on each side.
      #expect(text.contains("axis_id: y, offset: -40}, halo: 4}"))
      #expect(text.contains("step: 4}}"))
      #expect(text.contains(#"{name: "A \"B\" C"}"#))
      #expect(text.contains("zero_mean_unit_variance"))
      var hash = SHA256()
      hash.update(files["weights.onnx"] ?? [])
      #expect(text.contains(hash.finalize().hexadecimal))
      #expect(String(decoding: files["README.md"] ?? [], as: UTF8.self).contains("## Validation"))
      #expect(files["cover.png"]?.prefix(4) == [0x89, 0x50, 0x4E, 0x47])
    }
  }

  /// The output that is told is that of the input that is told: a network of zeros says the same of all.
  @Test func theTestIsWhatTheNetworkSays() throws {
    try withTemporaryFolder { folder in
      let configuration = UNetConfiguration(baseChannels: 2, depth: 1, padding: .zero)
      let trained = try exportable(configuration)
      for place in 0..<trained.parameters.count { trained.parameters.base[place] = 0 }
      // The head's bias, the last parameter: the odds of the second class are 3 to 1.
      trained.parameters.base[trained.parameters.count - 1] = Float(log(3.0))
      let files = try Self.archive(trained, sample: Self.grey(side: 300), in: folder)
      let output = files["test-output.npy"] ?? []
      let header = String(decoding: output.prefix(128), as: UTF8.self)
      #expect(header.contains("'shape': (1, 2, 192, 192)"))
      let values = output.dropFirst(output.count - 2 * 192 * 192 * 4).withUnsafeBytes { bytes in
        [0, 192 * 192].map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
      }
      #expect(abs(values[0] - 0.25) < 1e-6 && abs(values[1] - 0.75) < 1e-6)
      // The centre of the sample: from row and column 54 on, as stored.
      let input = (files["test-input.npy"] ?? []).suffix(192 * 192 * 4)
      let first = input.withUnsafeBytes { $0.loadUnaligned(as: Float.self) }
      #expect(first == Float((54 * 300 + 54) * (54 * 300 + 54) % 251))
    }
  }

  @Test func intensitiesBetweenBoundsAreALine() throws {
    try withTemporaryFolder { folder in
      let bounds = try #require(IntensityNormalization.Bounds(low: 50, high: 250))
      let files = try Self.archive(
        exportable(
          UNetConfiguration(baseChannels: 2, depth: 1, padding: .zero),
          normalization: IntensityNormalization(rule: .unchanged, bounds: bounds)),
        sample: Self.grey(side: 40), in: folder)
      let text = String(decoding: files["rdf.yaml"] ?? [], as: UTF8.self)
      #expect(text.contains("kwargs: {gain: 0.005, offset: -0.25}"))
    }
  }

  @Test(arguments: [("Cells", true), ("Zell", false), ("a/b/c", false), ("Zelle \u{fc}", false)])
  func namesAreOfPlainCharacters(_ name: String, _ isRight: Bool) {
    #expect((BioImagePackage.Description.fault(ofName: name) == nil) == isRight)
  }
}

/// The files of an archive that packs nothing, by its directory.
private struct StoredArchive {
  var files: [String: [UInt8]] = [:]

  init(_ path: String) throws {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    func number(_ place: Int, _ count: Int) -> Int {
      (0..<count).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
    }
    let end = bytes.count - 22
    try #require(number(end, 4) == 0x0605_4B50)
    var place = number(end + 16, 4)
    for _ in 0..<number(end + 10, 2) {
      #expect(number(place, 4) == 0x0201_4B50 && number(place + 10, 2) == 0)
      let (size, nameCount, local) = (
        number(place + 24, 4), number(place + 28, 2), number(place + 42, 4)
      )
      let name = String(decoding: bytes[place + 46..<place + 46 + nameCount], as: UTF8.self)
      // The file's own header says the same of its sum and sizes.
      #expect(number(local, 4) == 0x0403_4B50)
      #expect(Array(bytes[local + 14..<local + 26]) == Array(bytes[place + 16..<place + 28]))
      let contents = Array(bytes[local + 30 + nameCount..<local + 30 + nameCount + size])
      #expect(number(place + 16, 4) == Self.checksum(contents), "\(name)")
      files[name] = contents
      place += 46 + nameCount
    }
    #expect(place == end)
  }

  /// CRC-32 by its definition, bit by bit.
  private static func checksum(_ bytes: [UInt8]) -> Int {
    var rest: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      rest ^= UInt32(byte)
      for _ in 0..<8 { rest = rest >> 1 ^ (rest & 1 == 1 ? 0xEDB8_8320 : 0) }
    }
    return Int(~rest)
  }
}
