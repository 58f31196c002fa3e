// What becomes of one image that is held as a whole.

import Checkpoints
import Communication
import Configuration
import Datasets
import Files
import Foundation
import Imaging
import Inference

/// Predicts whole images, and makes the pictures of what is predicted.
struct ImagePrediction {
  let trained: TrainedNetwork
  let request: PredictionRequest

  /// What was made alike or left out of the images.
  struct Remarks {
    var alphaCount = 0
    var greyAsColourCount = 0
    var colourAsGreyCount = 0
    /// Images of which some pixels hold no measurement.
    var incompleteCount = 0

    /// Adds an image with so many stored channels.
    mutating func add(hasLostAlpha: Bool, stored: Int, used: Int) {
      if hasLostAlpha { alphaCount += 1 }
      if stored == 1 && used == 3 { greyAsColourCount += 1 }
      if stored == 3 && used == 1 { colourAsGreyCount += 1 }
    }
  }

  /// The path of a result of an image.
  func path(_ name: String, _ suffix: String) -> String { "\(request.output)/\(name)\(suffix)" }

  /// Predicts an image, writes its arrays, and returns its pictures in the order of the request.
  func pictures(of entry: SampleIndex.Entry, _ remarks: inout Remarks) throws -> [Image] {
    let checkpoint = trained.checkpoint
    let stored = try entry.image(missingValue: checkpoint.normalization.missingValue)
    let channels = trained.predictor.channels
    guard let image = stored.adapted(to: channels) else {
      throw ConfigurationError(
        option: nil,
        expected: "\(channels) \(channels == 1 ? "channel" : "channels"), as the network has",
        found: "\(stored.channels)", hint: "convert the image",
        origin: .init(file: entry.imagePath, holdsOptions: false))
    }
    remarks.add(hasLostAlpha: stored.hasLostAlpha, stored: stored.channels, used: channels)
    if image.missingPixels(checkpoint.normalization.missingValue) != nil {
      remarks.incompleteCount += 1
    }
    let (height, width) = (image.height, image.width)
    try trained.checkMemory(
      height: height, width: width, imageByteCount: height * width * pixelByteCount(image),
      path: entry.imagePath)
    let pixels = try checkpoint.normalization.normalized(image, path: entry.imagePath)
    let map = try trained.predictor.probabilities(
      height: height, width: width, channels: channels, pixels: pixels, image: entry.id)
    let labels = map.labels(above: trained.predictor.threshold)
    var pictures: [Image] = []
    for kind in request.pictures {
      switch kind {
      case .labels:
        pictures.append(try picture(of: labels, width: width, height: height, entry.imagePath))
      case .entropy:
        let entropy = map.entropy
        pictures.append(entropyPicture(entropy, width: width, height: height))
        try NumPyFile.write(
          entropy, shape: [height, width], to: path(entry.name, "-entropy.npy"))
      case .instances:
        pictures.append(try objectPicture(map, labels, entry.imagePath))
      case .overlay:
        pictures.append(overlay(image, labels))
      }
    }
    if request.hasProbabilities {
      try NumPyFile.write(
        map.values, shape: [height, width, map.classes], to: path(entry.name, ".npy"))
    }
    return pictures
  }

  /// Predicts an image and writes all that becomes of it.
  func write(_ item: PredictionPlan.Item, _ remarks: inout Remarks) throws {
    let entry = item.entry
    let pictures = try pictures(of: entry, &remarks)
    let origin =
      item.format == .tiff
      ? try TIFFOrigin(entry.imagePath, page: entry.imagePage) : TIFFOrigin()
    for (kind, picture) in zip(request.pictures, pictures) {
      let path = path(entry.name, kind.suffix(item.format))
      switch item.format {
      case .png: try PNGFile.write(picture, to: path)
      case .tiff: try TIFFFile.write(picture, to: path, origin: origin)
      }
    }
  }

  /// Bytes of what is held at once for each pixel of an image.
  private func pixelByteCount(_ image: Image) -> Int {
    let sample = image.samples.sampleByteCount
    let float = MemoryLayout<Float>.stride
    // The image as stored and normalised, the probabilities, the labels, and a mask of 16-bit colours.
    var count =
      image.channels * (sample + float) + trained.predictor.classes * float + 1 + 6
    // Its intensities, and the picture.
    if request.hasOverlay { count += image.channels * float + 3 }
    // Numbers, distances, order and parents, the queue of a watershed, the picture.
    if request.instances != nil { count += 96 }
    // The entropy and its picture.
    if request.hasEntropy { count += float + 1 }
    return count
  }
}

// MARK: - Pictures

extension ImagePrediction {
  /// The labels as a picture of the values that were asked for.
  func picture(
    of labels: [UInt8], width: Int, height: Int, _ path: String
  ) throws(ConfigurationError) -> Image {
    guard request.values == .masks else {
      return SegmentationPictures.labels(labels, width: width, height: height)
    }
    let classes = trained.checkpoint.classes
    if let stranger = labels.first(where: { $0 >= classes.count }) {
      throw ConfigurationError(
        option: "values", expected: "one of the \(classes.count) classes of the masks",
        found: "class \(stranger) in \(path), which no mask of the training had",
        hint: "give --values classes")
    }
    guard classes.areValuesStorable else {
      throw ConfigurationError(
        option: "values", expected: "mask values from 0 to 65535, which a picture can hold",
        found: "\(classes.values.map(\.description).joined(separator: ", "))",
        hint: "give --values classes")
    }
    return classes.mask(of: labels, width: width, height: height)
  }

  /// The entropy as grey: white is that of all classes equally probable.
  func entropyPicture(_ entropy: [Float], width: Int, height: Int) -> Image {
    SegmentationPictures.grey(
      entropy, limit: log(Float(trained.predictor.classes)), width: width, height: height)
  }

  /// The numbers of objects as a picture of 16 bits.
  private func objectPicture(
    _ map: ProbabilityMap, _ labels: [UInt8], _ path: String
  ) throws -> Image {
    guard let instances = request.instances else { preconditionFailure("no objects are wanted") }
    let classes = trained.checkpoint.classes
    let backgrounds = classes.backgrounds(border: try classes.border(named: request.borderClass))
    let numbers = instances.segmentation(backgrounds: backgrounds).objects(of: map, labels: labels)
    let count = numbers.max() ?? 0
    guard count <= InstanceSeparation.limit else {
      throw FileError(
        path: path,
        expected: "at most \(InstanceSeparation.limit) objects, which 16 bits can number",
        found: "\(count)", hint: "cut the image into parts")
    }
    return Image(
      width: map.width, height: map.height, channels: 1, bitsPerSample: 16,
      samples: .uint16(numbers.map { UInt16($0) }))
  }

  /// The image with its classes in colour.
  private func overlay(_ image: Image, _ labels: [UInt8]) -> Image {
    var intensities = image.intensities()
    if let missing = image.missingPixels(trained.checkpoint.normalization.missingValue) {
      for place in intensities.indices where missing[place / image.channels] {
        intensities[place] = .nan
      }
    }
    return SegmentationPictures.overlay(
      intensities: intensities, channels: image.channels, labels: labels,
      width: image.width, height: image.height)
  }
}
