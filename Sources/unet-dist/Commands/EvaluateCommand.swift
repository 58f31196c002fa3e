// `unet-dist evaluate`.

import ArgumentParser
import Checkpoints
import Communication
import Datasets
import Files
import Inference
import Metrics
import Network

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Scores a trained network on images with masks.",
    discussion: "Under mpirun the tiles of all images are partitioned over the ranks.")

  @OptionGroup var network: TrainedNetworkOptions

  @Option(help: "Folder with images/ (or imgs/) and masks/.", completion: .directory)
  var data: String?
  @Option(help: "Images, where they do not lie in one folder with the masks.")
  var images: String?
  @Option(help: "Masks that belong to --images.")
  var masks: String?
  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  func validate() throws {
    guard (data != nil) != (images != nil && masks != nil), (images == nil) == (masks == nil) else {
      throw ValidationError("Give --data DIR, or --images PATH with --masks PATH.")
    }
  }

  func run() throws {
    try runCommand { communicator in
      let trained = try TrainedNetwork(network, communicator: communicator)
      let index = try communicator.together { try self.index(for: trained.checkpoint.network) }
      try communicator.verifyEqualOnAllRanks(
        trained.digests + [NamedDigest(name: "data set listing", lines: index.listing)])
      let (dataset, tiles) = try communicator.together {
        let dataset = try Dataset(
          index, mapping: trained.checkpoint.classes,
          // Each image is needed once, by the ranks that have a window of it.
          normalization: trained.checkpoint.normalization, byteBudget: 0)
        return (dataset, try tileCount(dataset, trained))
      }
      warnOfIdleRanks(tiles, tiles == 1 ? "tile" : "tiles", communicator)
      let scores = try Evaluator.evaluate(
        dataset: dataset, ids: Array(0..<dataset.count), predictor: trained.predictor,
        communicator: communicator)
      guard communicator.rank == 0 else { return }
      if json {
        printText(scores.json.json + "\n")
      } else {
        printText(
          "\(dataset.count) images, \(trained.steps)\n"
            + scores.table(names: trained.checkpoint.classes.names) + "\n")
      }
    }
  }

  /// The images and masks, of as many channels as the network has.
  private func index(for network: UNetConfiguration) throws -> SampleIndex {
    guard let index = try SampleIndex.labelled(data: data, images: images, masks: masks) else {
      preconditionFailure("the options were validated, and name images")
    }
    let channels = network.inputChannels
    guard index.channels == channels else {
      throw FileError(
        .channelsDiffer, path: index.entries.first?.imagePath ?? "the data set",
        expected: "\(channels) \(channels == 1 ? "channel" : "channels"), as the network has",
        found: "\(index.channels ?? 0)", hint: "convert the images")
    }
    return index
  }

  /// The tiles that cover all images, of which each must fit into memory.
  private func tileCount(_ dataset: Dataset, _ trained: TrainedNetwork) throws -> Int {
    var count = 0
    var checked: Set<TilePlan> = []
    for id in 0..<dataset.count {
      let size = dataset.size(id)
      let plan = trained.predictor.plan(height: size.height, width: size.width)
      if checked.insert(plan).inserted {
        try trained.checkMemory(
          height: size.height, width: size.width, imageByteCount: dataset.largestByteCount,
          path: dataset.names[id])
      }
      count += plan.tiling(height: size.height, width: size.width).windows.count
    }
    return count
  }
}
