// `unet-dist preview`: what training sees, on one picture.

import ArgumentParser
import Configuration
import Datasets
import Files
import Imaging
import Inference

struct PreviewCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "preview", abstract: "Draws training tiles as augmentation makes them.",
    discussion: """
      One row an image: the tile as it is and with its classes in colour, four augmented tiles with \
      their classes, and the weight map of the last one, white between objects that touch.
      """)

  @Option(help: "Folder with images and masks, or a table of them.", completion: .directory)
  var data: String
  @Option(help: "How they lie there, as for train.") var layout = LayoutChoice.automatic
  @Option(help: "The picture to write, a PNG file.", completion: .file())
  var output: String
  @Option(help: "none, default or steps of augmentation, as for train.")
  var augment = "default"
  @Flag(help: "Label pixels between touching instances as the first class, as train does if asked.")
  var instanceBorders = false
  @Option(help: "Mask value of pixels of no class, as for train; they keep the image's own grey.")
  var ignore: String?
  @Option(help: "How intensities are normalised, as for train.") var intensities: String?
  @Option(help: "Stored value of pixels without a measurement, as for train.") var noData: String?
  @Option(help: "Share of the tiles that are placed about foreground, as for train.")
  var foregroundTiles: String?
  @Option(help: "Side of the tiles.")
  var tile = 192
  @Option(help: "Images that are shown, the first ones.")
  var count = 4
  @Option(help: "Seed of the augmentation.")
  var seed: UInt64 = 0

  /// What is drawn white: a pixel between objects that touch.
  private static let largestWeight: Float = 11
  /// Augmented tiles in a row.
  private static let variants = 4

  func validate() throws {
    try ValidationError.check("tile", tile, in: 16...2048)
    try ValidationError.check("count", count, in: 1...32)
    guard output.lowercased().hasSuffix(".png") else {
      throw ValidationError(
        "output", expected: "the name of a PNG file, such as sheet.png", found: output,
        hint: "the sheet is a PNG file")
    }
  }

  func run() throws {
    var flags = ["augment": augment]
    flags["ignore"] = ignore
    flags["foreground-tiles"] = foregroundTiles
    flags["intensities"] = intensities
    flags["no-data"] = noData
    let options = try TrainingConfiguration(file: nil, flags: flags)
    let form = DecodedForm(
      normalization: options.intensities.normalization(missingValue: options.noData),
      instanceBorders: instanceBorders)
    let found = try FoundSamples.folder(data, layout: layout)
    try found.requireSamples(path: data)
    if instanceBorders { try found.requireInstances(path: data) }
    let index = try SampleIndex(found, Decoding(form))
    for note in index.notes { printNote(note) }
    let mapping = try ClassMapping(scanning: index, ignoring: options.ignore)
    let dataset = try Dataset(
      index, mapping: mapping,
      normalization: form.normalization.fitted(to: index, ids: Array(index.entries.indices))
    )
    .weighted(by: WeightMap(classWeights: [Float](repeating: 1, count: mapping.count)))
    let rows = min(count, dataset.count)
    var sheet = Sheet(rows: rows, columns: 3 + Self.variants, side: tile)
    for row in 0..<rows {
      let image = dataset.source(row)
      let buffer = SampleBuffer(
        tile: TileShape(inputSide: tile, outputSide: tile), channels: dataset.channels,
        isWeighted: true)
      for column in 0..<1 + Self.variants {
        // Of the same draw, so that the first tile is the second's without augmentation.
        try Augmentation(
          column == 0 ? [] : options.augment, foregroundShare: options.foregroundTiles,
          background: UInt8(mapping.mostFrequent)
        ).fill(
          buffer, from: image,
          stream: Augmentation.stream(seed: seed, epoch: max(1, column), draw: row))
        if column == 0 { sheet.draw(Self.picture(buffer, withClasses: false), row, 0) }
        sheet.draw(Self.picture(buffer, withClasses: true), row, column + 1)
      }
      sheet.draw(Self.weights(buffer), row, 2 + Self.variants)
    }
    try PNGFile.write(sheet.image, to: output)
    try printText("\(rows) of \(dataset.count) images drawn to \(output)\n")
  }

  /// A tile from dark to light over its own range, with its classes in colour if asked for.
  private static func picture(_ buffer: SampleBuffer, withClasses: Bool) -> Image {
    let values = (0..<buffer.imageCount).map { buffer.image[$0] }
    let (low, high) = (values.min() ?? 0, values.max() ?? 1)
    let scale = high > low ? 1 / (high - low) : 0
    let labels = (0..<buffer.labelCount).map { withClasses ? buffer.labels[$0] : 0 }
    let side = buffer.tile.inputSide
    return SegmentationPictures.overlay(
      intensities: values.map { ($0 - low) * scale }, channels: buffer.channels, labels: labels,
      width: side, height: side)
  }

  private static func weights(_ buffer: SampleBuffer) -> Image {
    let values = (0..<buffer.labelCount).map { buffer.weights?[$0] ?? 1 }
    let side = buffer.tile.outputSide
    return SegmentationPictures.grey(
      values, limit: largestWeight, width: side, height: side)
  }
}

/// Pictures of one size, side by side with a line between them.
private struct Sheet {
  private static let gap = 4
  private let side: Int
  private let width: Int
  private let height: Int
  private var pixels: [UInt8]

  init(rows: Int, columns: Int, side: Int) {
    self.side = side
    width = columns * side + (columns + 1) * Self.gap
    height = rows * side + (rows + 1) * Self.gap
    pixels = [UInt8](repeating: 255, count: width * height * 3)
  }

  var image: Image {
    Image(width: width, height: height, channels: 3, bitsPerSample: 8, samples: .uint8(pixels))
  }

  /// Draws a picture, grey or RGB of 8 bits, at its place.
  mutating func draw(_ picture: Image, _ row: Int, _ column: Int) {
    guard case .uint8(let values) = picture.samples, picture.width == side else {
      preconditionFailure("a picture of \(picture.width) pixels on a sheet of \(side)")
    }
    let (top, left) = (
      Self.gap + row * (side + Self.gap), Self.gap + column * (side + Self.gap)
    )
    for y in 0..<side {
      for x in 0..<side {
        for channel in 0..<3 {
          let source = (y * side + x) * picture.channels + min(channel, picture.channels - 1)
          pixels[((top + y) * width + left + x) * 3 + channel] = values[source]
        }
      }
    }
  }
}
