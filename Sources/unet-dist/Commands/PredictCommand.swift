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
      Writes NAME.png, the class index of each pixel, for each image. Under mpirun the images are \
      partitioned over the ranks.
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
    help: """
      Average this many passes with dropout on, and write NAME-entropy.png and NAME-entropy.npy, \
      the predictive entropy; 0 is one pass without dropout.
      """)
  var mcSamples = 0
  @Option(help: "Seed of the passes with dropout.")
  var seed: UInt64 = 0

  func validate() throws {
    if !(0...10_000).contains(mcSamples) {
      throw ValidationError("--mc-samples: expected 0...10000, found \(mcSamples)")
    }
    if mcSamples > 0 && network.tta {
      throw ValidationError("Give --tta or --mc-samples: a mean over both is not made.")
    }
  }

  func run() throws {
    try runCommand { communicator in
      let trained = try TrainedNetwork(network, communicator: communicator)
      let index = try communicator.together {
        let index = try SampleIndex.images(inputs)
        try checkOutputs(index)
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
      NamedDigest(name: "--mc-samples", text: "\(mcSamples)"),
      NamedDigest(name: "--seed", text: "\(seed)"),
    ]
  }

  /// The files that an image's results go to.
  private func results(of name: String) -> [String] {
    [".png"].map { "\(output)/\(name)\($0)" }
      + (overlay ? ["\(output)/\(name)-overlay.png"] : [])
      + (probabilities ? ["\(output)/\(name).npy"] : [])
      + (mcSamples > 0 ? ["\(output)/\(name)-entropy.png", "\(output)/\(name)-entropy.npy"] : [])
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
    let sample =
      switch image.samples {
      case .uint8: 1
      case .uint16: 2
      case .float32: 4
      }
    let float = MemoryLayout<Float>.stride
    // The image as stored and normalised, the probabilities, the labels.
    var count =
      image.channels * (sample + float) + trained.checkpoint.network.classes * float + 1
    // Its intensities, and the picture.
    if overlay { count += image.channels * float + 3 }
    // The entropy, its picture, and sums in Double of at most all pixels.
    if mcSamples > 0 { count += float + 1 + 8 * trained.checkpoint.network.classes }
    return count
  }

  private func predict(_ entry: SampleIndex.Entry, _ trained: TrainedNetwork) throws {
    let image = try ImageFile.read(entry.imagePath, page: entry.imagePage)
    let channels = trained.checkpoint.network.inputChannels
    guard image.channels == channels else {
      throw ConfigurationError(
        option: nil,
        expected: "\(channels) \(channels == 1 ? "channel" : "channels"), as the network has",
        found: "\(image.channels)", hint: "convert the image",
        origin: .init(file: entry.imagePath))
    }
    try trained.checkMemory(
      height: image.height, width: image.width,
      imageByteCount: image.height * image.width * pixelByteCount(image, trained),
      path: entry.imagePath)
    let pixels = try trained.checkpoint.normalization.normalized(image, path: entry.imagePath)
    var map: ProbabilityMap
    let base = "\(output)/\(entry.name)"
    if mcSamples > 0 {
      let prediction = try trained.predictor.monteCarlo(
        height: image.height, width: image.width, channels: channels, pixels: pixels,
        image: entry.id & 0xFFFF, samples: mcSamples, seed: seed)
      map = prediction.mean
      try PNGFile.write(
        SegmentationPictures.grey(
          prediction.entropy, limit: log(Float(map.classes)), width: image.width,
          height: image.height), to: base + "-entropy.png")
      try NumPyFile.write(
        prediction.entropy, shape: [image.height, image.width], to: base + "-entropy.npy")
    } else {
      map = try trained.predictor.probabilities(
        height: image.height, width: image.width, channels: channels, pixels: pixels)
    }
    let labels = map.labels
    try PNGFile.write(
      SegmentationPictures.labels(labels, width: image.width, height: image.height),
      to: base + ".png")
    if overlay {
      try PNGFile.write(
        SegmentationPictures.overlay(
          intensities: image.intensities(), channels: image.channels, labels: labels,
          width: image.width, height: image.height), to: base + "-overlay.png")
    }
    if probabilities {
      try NumPyFile.write(
        map.values, shape: [image.height, image.width, map.classes], to: base + ".npy")
    }
  }
}
