// `unet-dist predict`.

import ArgumentParser
import Checkpoints
import Communication
import Configuration
import Datasets
import Files
import Foundation
import Imaging
import Inference
import Network

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict", abstract: "Segments images of any size with a trained network.",
    discussion: """
      Writes NAME.png for each image, which can be used as its mask: of the values that the masks of \
      the training had. With --mc-samples also NAME-entropy.png and NAME-entropy.npy, the predictive \
      entropy. Under mpirun the images are partitioned over the ranks.
      """)

  @OptionGroup var network: TrainedNetworkOptions

  @Argument(help: "Images, folders of images, TIFF stacks.", completion: .file())
  var inputs: [String]
  @Option(help: "Folder for the results.", completion: .directory)
  var output: String
  @Flag(help: "Also write NAME-overlay.png, the image with its classes in colour.")
  var overlay = false
  @Flag(help: "Also write NAME.npy, the probabilities: float32, height x width x classes.")
  var probabilities = false
  @Option(
    help: "What NAME.png holds: the values of the masks, or the numbers of the classes from 0.")
  var values = PredictedValues.masks

  @Option(
    help: """
      Also write NAME-instances.png, the number of each pixel's object in 16 bits, 0 for none: components, \
      the connected components of each class, or watershed, these parted where they are narrow.
      """)
  var instances: InstanceSeparation?
  @Option(
    help: ArgumentHelp(
      """
      The class that lies between objects, by its name or its value in masks; by default one called \
      membrane, border or boundary, else the first. Of three classes or more the first is no object either.
      """, valueName: "name|value"))
  var borderClass: String?

  func validate() throws {
    if borderClass != nil && instances == nil {
      throw ValidationError("--border-class: expected --instances, which it is for")
    }
  }

  func run() throws {
    try runCommand { communicator in
      let trained = try TrainedNetwork(network, communicator: communicator)
      let index = try communicator.together {
        let index = try SampleIndex.images(inputs)
        try checkOutputs(index)
        let classes = trained.checkpoint.classes
        let border = try classes.border(named: borderClass)
        if instances != nil, communicator.rank == 0 {
          let names = classes.backgrounds(border: border).sorted().map { classes.names[Int($0)] }
          printText("no objects: \(names.joined(separator: ", "))\n")
        }
        return index
      }
      try communicator.verifyEqualOnAllRanks(trained.digests + digests(of: index))
      try communicator.together { if communicator.rank == 0 { try Folder.make(output) } }
      let images = index.entries.count
      warnOfIdleRanks(images, images == 1 ? "image" : "images", communicator)
      try communicator.together {
        let mine = index.entries.filter { $0.id % communicator.size == communicator.rank }
        for entry in mine { try predict(entry, trained) }
      }
      if communicator.rank == 0 {
        printText("\(images) \(images == 1 ? "image" : "images") segmented into \(output)\n")
      }
    }
  }

  /// What the ranks must agree on, beside the network, so that their results belong together.
  private func digests(of index: SampleIndex) -> [NamedDigest] {
    [
      NamedDigest(
        name: "list of images",
        lines: index.entries.map { "\($0.name) \($0.imagePath) \($0.imagePage)" }),
      NamedDigest(name: "--output", text: output),
      NamedDigest(name: "--overlay", text: "\(overlay)"),
      NamedDigest(name: "--probabilities", text: "\(probabilities)"),
      NamedDigest(name: "--values", text: values.rawValue),
      NamedDigest(name: "--instances", text: instances?.rawValue ?? "none"),
      NamedDigest(name: "--border-class", text: borderClass ?? "none"),
    ]
  }

  /// The files that an image's results go to.
  private func results(of name: String) -> [String] {
    [".png"].map { "\(output)/\(name)\($0)" }
      + (overlay ? ["\(output)/\(name)-overlay.png"] : [])
      + (probabilities ? ["\(output)/\(name).npy"] : [])
      + (instances != nil ? ["\(output)/\(name)-instances.png"] : [])
      + (network.mcSamples > 0
        ? ["\(output)/\(name)-entropy.png", "\(output)/\(name)-entropy.npy"] : [])
  }

  /// Refuses to write over an image that is read, or twice to one file.
  private func checkOutputs(_ index: SampleIndex) throws {
    let read = Set(index.entries.map { canonical($0.imagePath) })
    var written: Set<String> = []
    for entry in index.entries {
      for path in results(of: entry.name) {
        if read.contains(canonical(path)) {
          throw ConfigurationError(
            option: "output", expected: "a folder whose files are not those to segment",
            found: "\(path), which is an input", hint: "choose another folder")
        }
        if !written.insert(path).inserted {
          throw ConfigurationError(
            option: "output", expected: "one result for each file",
            found: "two results for \(path)", hint: "rename one of the images")
        }
      }
    }
  }

  private func canonical(_ path: String) -> String {
    URL(fileURLWithPath: path).resolvingSymlinksInPath().standardizedFileURL.path
  }

  /// Bytes of what is held at once for each pixel of an image.
  private func pixelByteCount(_ image: Image, _ trained: TrainedNetwork) -> Int {
    let sample = image.samples.sampleByteCount
    let float = MemoryLayout<Float>.stride
    // The image as stored and normalised, the probabilities, the labels, and a mask of 16-bit colours.
    var count =
      image.channels * (sample + float) + trained.checkpoint.network.classes * float + 1 + 6
    // Its intensities, and the picture.
    if overlay { count += image.channels * float + 3 }
    // Numbers, distances, order and parents, the queue of a watershed, the picture.
    if instances != nil { count += 96 }
    // The entropy and its picture.
    if network.mcSamples > 0 { count += float + 1 }
    return count
  }

  private func predict(_ entry: SampleIndex.Entry, _ trained: TrainedNetwork) throws {
    let stored = try ImageFile.read(entry.imagePath, page: entry.imagePage)
    let channels = trained.checkpoint.network.inputChannels
    guard let image = stored.adapted(to: channels) else {
      throw ConfigurationError(
        option: nil,
        expected: "\(channels) \(channels == 1 ? "channel" : "channels"), as the network has",
        found: "\(stored.channels)", hint: "convert the image",
        origin: .init(file: entry.imagePath))
    }
    try trained.checkMemory(
      height: image.height, width: image.width,
      imageByteCount: image.height * image.width * pixelByteCount(image, trained),
      path: entry.imagePath)
    let pixels = try trained.checkpoint.normalization.normalized(image, path: entry.imagePath)
    let base = "\(output)/\(entry.name)"
    let map = try trained.predictor.probabilities(
      height: image.height, width: image.width, channels: channels, pixels: pixels, image: entry.id)
    if network.mcSamples > 0 {
      let entropy = map.entropy
      try PNGFile.write(
        SegmentationPictures.grey(
          entropy, limit: log(Float(map.classes)), width: image.width, height: image.height),
        to: base + "-entropy.png")
      try NumPyFile.write(
        entropy, shape: [image.height, image.width], to: base + "-entropy.npy")
    }
    let labels = map.labels(above: trained.predictor.threshold)
    try PNGFile.write(
      picture(labels, width: image.width, height: image.height, trained, path: entry.imagePath),
      to: base + ".png")
    if let instances {
      let classes = trained.checkpoint.classes
      let backgrounds = classes.backgrounds(border: try classes.border(named: borderClass))
      let numbers = instances.segmentation(backgrounds: backgrounds)
        .objects(of: map, labels: labels)
      try PNGFile.write(
        try Self.picture(
          ofObjects: numbers, width: image.width, height: image.height, path: entry.imagePath),
        to: base + "-instances.png")
    }
    if overlay {
      var intensities = image.intensities()
      if let missing = image.missingPixels(trained.checkpoint.normalization.missingValue) {
        for place in intensities.indices where missing[place / channels] {
          intensities[place] = .nan
        }
      }
      try PNGFile.write(
        SegmentationPictures.overlay(
          intensities: intensities, channels: image.channels, labels: labels,
          width: image.width, height: image.height), to: base + "-overlay.png")
    }
    if probabilities {
      try NumPyFile.write(
        map.values, shape: [image.height, image.width, map.classes], to: base + ".npy")
    }
  }

  /// The numbers of objects as a picture of 16 bits.
  private static func picture(
    ofObjects numbers: [Int32], width: Int, height: Int, path: String
  ) throws(FileError) -> Image {
    let count = numbers.max() ?? 0
    guard count <= InstanceSeparation.limit else {
      throw FileError(
        path: path,
        expected: "at most \(InstanceSeparation.limit) objects, which 16 bits can number",
        found: "\(count)", hint: "cut the image into parts")
    }
    return Image(
      width: width, height: height, channels: 1, bitsPerSample: 16,
      samples: .uint16(numbers.map { UInt16($0) }))
  }

  /// The labels as a picture of the values that were asked for.
  private func picture(
    _ labels: [UInt8], width: Int, height: Int, _ trained: TrainedNetwork, path: String
  ) throws(ConfigurationError) -> Image {
    guard values == .masks else {
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
        option: "values", expected: "mask values in 0...65535, which a PNG can hold",
        found: "\(classes.values.map(\.description).joined(separator: ", "))",
        hint: "give --values classes")
    }
    return classes.mask(of: labels, width: width, height: height)
  }
}

/// What a predicted picture holds.
enum PredictedValues: String, ExpressibleByArgument, CaseIterable {
  /// The values that the masks of the training had.
  case masks
  /// The numbers of the classes, from 0.
  case classes
}
