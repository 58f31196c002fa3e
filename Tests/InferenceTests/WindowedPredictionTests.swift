// Images by windows of their files: the bits of the whole image, on any number of ranks.

import Communication
import Datasets
import Files
import Foundation
import Imaging
import Inference
import Network
import TestSupport
import Testing
import Threading

@Suite struct WindowedPredictionTests {
  /// An uncompressed TIFF of one page, by strips of three rows, or tiles of 16 x 16.
  private func tiff(_ image: Image, isTiled: Bool) -> [UInt8] {
    func bytes(_ value: Int, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    let samples: [[UInt8]] =
      switch image.samples {
      case .uint16(let values): values.map { bytes(Int($0), 2) }
      case .float32(let values): values.map { bytes(Int($0.bitPattern), 4) }
      case .uint8(let values): values.map { [$0] }
      default: []
      }
    let size = samples[0].count
    let format = size == 4 ? 3 : 1
    let (width, height) = isTiled ? (16, 16) : (image.width, 3)
    var file: [UInt8] = [0x49, 0x49, 42, 0, 0, 0, 0, 0]
    var (offsets, counts): ([Int], [Int]) = ([], [])
    for top in stride(from: 0, to: image.height, by: height) {
      for left in stride(from: 0, to: image.width, by: width) {
        offsets.append(file.count)
        for y in top..<(isTiled ? top + height : min(image.height, top + height)) {
          for x in left..<left + width {
            let isInside = y < image.height && x < image.width
            for channel in 0..<image.channels {
              file +=
                isInside
                ? samples[(y * image.width + x) * image.channels + channel]
                : [UInt8](repeating: 0, count: size)
            }
          }
        }
        counts.append(file.count - offsets[offsets.count - 1])
      }
    }
    var fields: [(tag: Int, values: [Int])] = [
      (256, [image.width]), (257, [image.height]),
      (258, [Int](repeating: 8 * size, count: image.channels)), (259, [1]),
      (262, [image.channels == 3 ? 2 : 1]), (277, [image.channels]),
      (339, [Int](repeating: format, count: image.channels)),
    ]
    fields +=
      isTiled
      ? [(322, [16]), (323, [16]), (324, offsets), (325, counts)]
      : [(273, offsets), (278, [3]), (279, counts)]
    fields.sort { $0.tag < $1.tag }
    let directory = file.count
    var entries = bytes(fields.count, 2)
    var outside: [UInt8] = []
    for (tag, values) in fields {
      let data = values.flatMap { bytes($0, 4) }
      entries += bytes(tag, 2) + bytes(4, 2) + bytes(values.count, 4)
      entries +=
        data.count == 4
        ? data : bytes(directory + 2 + 12 * fields.count + 4 + outside.count, 4)
      if data.count > 4 { outside += data }
    }
    file.replaceSubrange(4..<8, with: bytes(directory, 4))
    return file + entries + bytes(0, 4) + outside
  }

  private static let kinds = ["uint8", "uint16", "float32"]

  private func image(_ kind: String, height: Int, width: Int, channels: Int) -> Image {
    let values = noise(height: height, width: width, channels: channels, seed: 9)
    let samples: Image.Samples =
      switch kind {
      case "uint8": .uint8(values.map { UInt8(($0 + 1) * 127) })
      case "uint16": .uint16(values.map { UInt16(($0 + 1) * 30_000) })
      default: .float32(values.enumerated().map { $0 % 97 == 5 ? .nan : $1 * 500 })
      }
    let bits = ["uint8": 8, "uint16": 16][kind] ?? 32
    return Image(
      width: width, height: height, channels: channels, bitsPerSample: bits, samples: samples)
  }

  /// What windows say, joined, on one rank or several.
  private func joined(
    _ path: String, _ small: SmallNetwork, _ normalization: IntensityNormalization, ranks: Int,
    averaging: Averaging = .none, height: Int, width: Int
  ) throws -> (probabilities: [Float], labels: [UInt8], entropy: [Float]) {
    let channels = small.network.configuration.inputChannels
    let entry = try SampleIndex.images([path], channels: channels).entries[0]
    let results = ThreadedCommunicator.run(ranks: ranks) { communicator in
      let own = SmallNetwork(channels: channels, classes: 3, padding: .zero)
      let predictor = own.predictor(tile: 64, averaging: averaging)
      let image = try #require(try LargeImage(entry, channels: channels, wholeByteLimit: 0))
      let transform = try image.transform(normalization)
      let prediction = WindowedPrediction(
        predictor, height: height, width: width, image: 7,
        contents: WindowContents(probabilities: true, entropy: true))
      var windows: [PredictedWindow] = []
      try prediction.run(on: communicator) { rows, columns in
        PixelRectangle(
          rows: rows, columns: columns, channels: channels,
          values: transform.inputs(of: try image.part(rows: rows, columns: columns)))
      } take: {
        windows.append($0)
      }
      #expect(communicator.rank == 0 ? windows.count > 4 : windows.isEmpty)
      return windows
    }
    let windows = try results.map { try $0.get() }[0]
    #expect(windows.map(\.index) == Array(windows.indices))
    var probabilities = [Float](repeating: .nan, count: height * width * 3)
    var labels = [UInt8](repeating: 99, count: height * width)
    var entropy = [Float](repeating: .nan, count: height * width)
    for window in windows {
      for (row, y) in window.rows.enumerated() {
        for (column, x) in window.columns.enumerated() {
          let from = row * window.columns.count + column
          labels[y * width + x] = window.labels[from]
          entropy[y * width + x] = window.entropy[from]
          for k in 0..<3 {
            probabilities[(y * width + x) * 3 + k] = window.probabilities[3 * from + k]
          }
        }
      }
    }
    return (probabilities, labels, entropy)
  }

  private static let rules = [
    IntensityNormalization(), IntensityNormalization(rule: .percentiles),
    IntensityNormalization(rule: .unchanged), IntensityNormalization(missingValue: 3),
  ]

  @Test(arguments: kinds, [1, 2, 3, 5])
  func theBitsOfTheWholeImage(_ kind: String, _ channels: Int) throws {
    let (height, width) = (83, 101)
    let image = image(kind, height: height, width: width, channels: channels)
    let path = FileManager.default.temporaryDirectory.path + "/windows-\(UUID().uuidString).tif"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let small = SmallNetwork(channels: channels, classes: 3, padding: .zero)
    for (number, normalization) in Self.rules.enumerated() {
      try Data(tiff(image, isTiled: number % 2 == 0)).write(to: URL(fileURLWithPath: path))
      #expect(try ImageFile.read(path).channels == channels)
      let whole = try small.predictor(tile: 64).probabilities(
        height: height, width: width, channels: channels,
        pixels: try normalization.normalized(ImageFile.read(path), path: path), image: 7)
      for ranks in number == 0 ? [1, 2, 3] : [1] {
        let parts = try joined(
          path, small, normalization, ranks: ranks, height: height, width: width)
        #expect(
          parts.probabilities.map(\.bitPattern) == whole.values.map(\.bitPattern),
          "\(normalization.rule) on \(ranks) ranks")
        #expect(parts.labels == whole.labels)
        #expect(parts.entropy == whole.entropy)
      }
    }
  }

  @Test(arguments: [Averaging.symmetries, .dropout(samples: 2, seed: 4)])
  func means(_ averaging: Averaging) throws {
    let image = image("uint8", height: 70, width: 61, channels: 1)
    let path = FileManager.default.temporaryDirectory.path + "/windows-\(UUID().uuidString).tif"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Data(tiff(image, isTiled: true)).write(to: URL(fileURLWithPath: path))
    let small = SmallNetwork(classes: 3, padding: .zero)
    let whole = try small.predictor(tile: 64, averaging: averaging).probabilities(
      height: 70, width: 61, channels: 1,
      pixels: try IntensityNormalization().normalized(image, path: path), image: 7)
    for ranks in [1, 3] {
      let parts = try joined(
        path, small, IntensityNormalization(), ranks: ranks, averaging: averaging, height: 70,
        width: 61)
      #expect(parts.probabilities == whole.values)
    }
  }

  @Test func aFailureOfOneRankEndsAll() {
    let results = ThreadedCommunicator.run(ranks: 3) { communicator in
      let predictor = SmallNetwork().predictor(tile: 52)
      let prediction = WindowedPrediction(
        predictor, height: 60, width: 60, image: 0, contents: WindowContents())
      try prediction.run(on: communicator) { rows, columns in
        if communicator.rank == 1 {
          throw FileError(path: "a.tif", expected: "a whole file", found: "half of one")
        }
        return PixelRectangle(
          rows: rows, columns: columns, channels: 1,
          values: [Float](repeating: 0, count: rows.count * columns.count))
      } take: { _ in
      }
    }
    for result in results {
      #expect(throws: RankFailure.self) { try result.get() }
    }
  }

  @Test func largeImagesHaveLessMemoryForTiles() {
    let network = SmallNetwork(base: 16, depth: 4, padding: .zero).network
    func side(_ height: Int) -> Int {
      TilePlan.best(for: [network], height: height, width: 8192).tiles[0].rows.inputSide
    }
    #expect(side(8192) > side(8193))
  }
}
