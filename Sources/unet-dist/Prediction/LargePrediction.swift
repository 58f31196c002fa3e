// What becomes of one image that goes by windows.

import Checkpoints
import Communication
import Datasets
import Files
import Foundation
import Imaging
import Inference

/// Predicts images of which no rank holds more than rectangles; all its calls are collective.
struct LargePrediction {
  let images: ImagePrediction
  let communicator: any Communicator

  /// Predicts an image and writes all that becomes of it.
  func write(_ item: PredictionPlan.Item, _ remarks: inout ImagePrediction.Remarks) throws {
    let entry = item.entry
    let pages = try open(entry, &remarks)
    var files: [PictureKind: TIFFWriter] = [:]
    try communicator.together {
      guard communicator.rank == 0 else { return }
      let origin = try TIFFOrigin(entry.imagePath, page: entry.imagePage)
      for kind in images.request.pictures {
        let form = try form(of: kind, entry.imagePath)
        let writer = try TIFFWriter(
          path: images.path(entry.name, kind.suffix(.tiff)),
          byteCount: pages.width * pages.height * form.channels * form.sampleByteCount)
        try beginPage(of: kind, pages, entry, in: writer, origin: origin, description: nil)
        files[kind] = writer
      }
    }
    try predict(entry, pages, into: files, &remarks)
    try communicator.together { for writer in files.values { try writer.commit() } }
  }

  /// Begins the page of a picture in a file.
  func beginPage(
    of kind: PictureKind, _ image: LargeImage, _ entry: SampleIndex.Entry, in writer: TIFFWriter,
    origin: TIFFOrigin, description: String?
  ) throws {
    let form = try form(of: kind, entry.imagePath)
    try writer.beginPage(
      width: image.width, height: image.height, channels: form.channels,
      sampleByteCount: form.sampleByteCount, division: .tiles, origin: origin,
      description: description)
  }

  /// The channels and bytes of a picture's samples.
  private func form(
    of kind: PictureKind, _ path: String
  ) throws -> (channels: Int, sampleByteCount: Int) {
    guard kind == .labels else { return (1, 1) }
    let pixel = try images.picture(of: [0], width: 1, height: 1, path)
    return (pixel.channels, pixel.samples.sampleByteCount)
  }

  /// Opens an image on every rank.
  func open(
    _ entry: SampleIndex.Entry, _ remarks: inout ImagePrediction.Remarks
  ) throws -> LargeImage {
    let trained = images.trained
    let channels = trained.predictor.channels
    let image = try communicator.together { () throws -> LargeImage in
      guard
        let image = try LargeImage(
          entry, channels: channels, missingValue: trained.checkpoint.normalization.missingValue)
      else {
        throw FileError(
          path: entry.imagePath, expected: "an image that goes by windows, as before",
          found: "a smaller one", hint: "the file has changed; leave it alone and start again")
      }
      return image
    }
    if communicator.rank == 0 {
      remarks.add(hasLostAlpha: image.hasLostAlpha, stored: image.storedChannels, used: channels)
    }
    return image
  }

  /// Predicts an image and hands its rows to the writers of its pictures on rank 0, whose pages have
  /// begun; writes its arrays.
  func predict(
    _ entry: SampleIndex.Entry, _ image: LargeImage, into files: [PictureKind: TIFFWriter],
    _ remarks: inout ImagePrediction.Remarks
  ) throws {
    let trained = images.trained
    let (height, width, request) = (image.height, image.width, images.request)
    let prediction = WindowedPrediction(
      trained.predictor, height: height, width: width, image: entry.id,
      contents: WindowContents(
        probabilities: request.hasProbabilities, entropy: request.hasEntropy))
    let transform = try transform(of: image, entry, prediction)
    var results = try communicator.together {
      try communicator.rank == 0
        ? LargeResults(images, entry, height: height, width: width, files: files) : nil
    }
    let progress = WorkProgress(
      entry.name, total: prediction.windowCount, pieces: "windows",
      isShown: communicator.rank == 0, hasLines: true)
    var isIncomplete = false
    let missingValue = trained.checkpoint.normalization.missingValue
    try prediction.run(on: communicator) { rows, columns in
      let part = try image.part(rows: rows, columns: columns)
      isIncomplete = isIncomplete || part.missingPixels(missingValue) != nil
      return PixelRectangle(
        rows: rows, columns: columns, channels: image.channels, values: transform.inputs(of: part))
    } take: { window in
      try results?.take(window)
      progress.advance()
    }
    progress.finish()
    // Its windows went to several ranks, of which the first tells.
    let incomplete = try communicator.allReduceSum([Int64(isIncomplete ? 1 : 0)])[0]
    if incomplete > 0 && communicator.rank == 0 { remarks.incompleteCount += 1 }
    try communicator.together { try results?.finish() }
  }

  /// How the image's intensities become inputs: found by rank 0, which reads all of it, for all.
  private func transform(
    of image: LargeImage, _ entry: SampleIndex.Entry, _ prediction: WindowedPrediction
  ) throws -> IntensityTransform {
    let trained = images.trained
    let found = try communicator.together { () throws -> [UInt8] in
      try trained.checkMemory(
        height: image.height, width: image.width, imageByteCount: byteCount(image, prediction),
        path: entry.imagePath)
      guard communicator.rank == 0 else { return [] }
      printNote(
        "\(entry.name): \(image.width)x\(image.height) pixels, by \(prediction.windowCount) windows"
      )
      let transform = try image.transform(trained.checkpoint.normalization)
      return Array(try JSONEncoder().encode(transform))
    }
    let shared = try communicator.allgatherv(found)[0]
    return try JSONDecoder().decode(IntensityTransform.self, from: Data(shared))
  }

  /// Bytes of what is held of an image beside the networks' tiles.
  private func byteCount(_ image: LargeImage, _ prediction: WindowedPrediction) -> Int {
    let tile = images.trained.predictor.plan(height: image.height, width: image.width).tiles[0]
    let float = MemoryLayout<Float>.stride
    // Decoded blocks, a rectangle as stored and as inputs, windows, and rows of windows as pictures.
    return min(image.byteCount, WindowedImage.keptByteLimit)
      + tile.rows.inputSide * tile.columns.inputSide * image.channels * 3 * float
      + prediction.byteCount(ranks: communicator.size)
      + tile.rows.side * image.width * 2 * images.request.pictures.count
  }
}

/// What is said of a large image, on its way into files; on rank 0.
///
/// Rows of windows become rows of pictures; arrays are written window by window.
private struct LargeResults {
  private let images: ImagePrediction
  private let entry: SampleIndex.Entry
  private let height: Int
  private let width: Int
  private let files: [PictureKind: TIFFWriter]
  private let probabilities: NumPyWriter?
  private let entropy: NumPyWriter?
  /// The labels of the present row of windows.
  private var labels: [UInt8] = []
  /// The entropy as grey in the present row of windows.
  private var greys: [UInt8] = []

  init(
    _ images: ImagePrediction, _ entry: SampleIndex.Entry, height: Int, width: Int,
    files: [PictureKind: TIFFWriter]
  ) throws {
    self.images = images
    self.entry = entry
    (self.height, self.width) = (height, width)
    self.files = files
    let classes = images.trained.predictor.classes
    let request = images.request
    probabilities =
      request.hasProbabilities
      ? try NumPyWriter(
        path: images.path(entry.name, ".npy"), shape: [height, width, classes]) : nil
    entropy =
      request.hasEntropy
      ? try NumPyWriter(path: images.path(entry.name, "-entropy.npy"), shape: [height, width])
      : nil
  }

  mutating func take(_ window: PredictedWindow) throws {
    let (rows, columns) = (window.rows, window.columns)
    if columns.lowerBound == 0 {
      labels = [UInt8](repeating: 0, count: rows.count * width)
      greys = entropy == nil ? [] : labels
    }
    Self.store(window.labels, columns, of: width, in: &labels)
    if !window.entropy.isEmpty {
      let picture = images.entropyPicture(
        window.entropy, width: columns.count, height: rows.count)
      guard case .uint8(let values) = picture.samples else {
        preconditionFailure("an entropy of other samples than bytes")
      }
      Self.store(values, columns, of: width, in: &greys)
    }
    for (values, size, writer) in [
      (window.probabilities, images.trained.predictor.classes, probabilities),
      (window.entropy, 1, entropy),
    ] {
      guard let writer else { continue }
      for row in 0..<rows.count {
        let start = row * columns.count * size
        try writer.write(
          values[start..<start + columns.count * size],
          at: ((rows.lowerBound + row) * width + columns.lowerBound) * size)
      }
    }
    if columns.upperBound == width { try writeRows(count: rows.count) }
  }

  /// Rows that become pictures at once: whole rows of windows would be held three times.
  private static let rowsAtOnce = 64

  /// Hands the present row of windows to the files of the pictures.
  private func writeRows(count: Int) throws {
    for top in stride(from: 0, to: count, by: Self.rowsAtOnce) {
      let height = min(Self.rowsAtOnce, count - top)
      let range = top * width..<(top + height) * width
      for (kind, writer) in files {
        let picture =
          kind == .labels
          ? try images.picture(
            of: Array(labels[range]), width: width, height: height, entry.imagePath)
          : SegmentationPictures.labels(Array(greys[range]), width: width, height: height)
        try writer.append(picture)
      }
    }
  }

  /// Copies the rows of a window to their columns.
  private static func store(
    _ values: [UInt8], _ columns: Range<Int>, of width: Int, in target: inout [UInt8]
  ) {
    for row in 0..<values.count / columns.count {
      target.replaceSubrange(
        row * width + columns.lowerBound..<row * width + columns.upperBound,
        with: values[row * columns.count..<(row + 1) * columns.count])
    }
  }

  /// Puts the arrays in their places.
  func finish() throws {
    try probabilities?.commit()
    try entropy?.commit()
  }
}
