// `unet-dist evaluate`.

import ArgumentParser
import Checkpoints
import Communication
import Configuration
import Datasets
import Files
import Inference
import Metrics
import Network

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Scores a trained network on images with masks.",
    discussion: """
      Under mpirun the tiles of all images are partitioned over the ranks, and whole images where \
      borders, objects or single images are scored.
      """)

  @OptionGroup var network: TrainedNetworkOptions

  @Option(help: "Folder with images and masks, or a table of them.", completion: .directory)
  var data: String?
  @Option(help: "How they lie there, as for train.") var layout = LayoutChoice.automatic
  @Option(
    help: ArgumentHelp("Folder for decoded images, as for train.", valueName: "dir|auto|none"))
  var cache = CacheChoice.automatic
  @Option(help: "Images, where they do not lie in one folder with the masks.")
  var images: String?
  @Option(help: "Masks that belong to --images.")
  var masks: String?
  @Option(
    help: """
      Which part of a set that is divided: train, val or test; by default test where there is one, else all.
      """)
  var part: SamplePart?
  @Option(
    help: ArgumentHelp(
      """
      Which metrics: some of pixels, boundaries (V_Rand, V_Info, surface distances) and objects \
      (SEG, AP, panoptic quality), with commas between.
      """, valueName: "list"))
  var metrics = "pixels"
  @Option(
    help: ArgumentHelp(
      """
      The class that parts cells, by its name or its value in masks; by default one called membrane, \
      border or boundary, else the first. It is no object, and of three classes or more the first is \
      none either.
      """, valueName: "name|value"))
  var borderClass: String?
  @Option(
    help: ArgumentHelp("Write every score of every image to this CSV file.", valueName: "file"),
    completion: .file())
  var perImage: String?
  @Option(
    help: """
      How objects of a prediction are told apart where they are scored: components, the connected components \
      of each class (the default), or watershed, these parted where they are narrow.
      """)
  var instances: InstanceSeparation?
  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  func validate() throws {
    guard (data != nil) != (images != nil && masks != nil), (images == nil) == (masks == nil) else {
      let given = [("--data", data), ("--images", images), ("--masks", masks)].filter {
        $0.1 != nil
      }.map(\.0)
      throw ValidationError(
        "data", expected: "--data DIR, or --images PATH with --masks PATH",
        found: given.isEmpty ? "none of them" : given.joined(separator: " and "),
        hint: "name what is to be scored, once")
    }
    if part != nil && data == nil {
      throw ValidationError(
        "part", expected: "--data", found: "--images and --masks",
        hint: "leave it out: only a folder or a table has parts")
    }
    let groups = try groups()
    if borderClass != nil && groups == [.pixels] {
      throw ValidationError(
        "border-class", expected: "--metrics with boundaries or objects", found: quoted(metrics),
        hint: "leave it out, or ask for them")
    }
    if instances != nil && !groups.contains(.objects) {
      throw ValidationError(
        "instances", expected: "--metrics with objects", found: quoted(metrics),
        hint: "leave it out, or ask for them")
    }
  }

  /// The metrics that are asked for.
  private func groups() throws -> Set<MetricGroup> {
    let names = metrics.split(separator: ",", omittingEmptySubsequences: false)
    let groups = names.compactMap { MetricGroup(rawValue: String($0)) }
    guard groups.count == names.count else {
      let known = MetricGroup.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError(
        "metrics", expected: "some of \(known), with commas between", found: quoted(metrics))
    }
    return Set(groups)
  }

  func run() throws {
    try runCommand { communicator in
      let groups = try self.groups()
      let trained = try TrainedNetwork(network, communicator: communicator)
      let mapping = trained.checkpoint.classes
      let (found, border) = try communicator.together {
        // What cannot be written is said before the work: the writer leaves nothing unless it is committed.
        if communicator.rank == 0, let perImage { _ = try DurableFileWriter(path: perImage) }
        return (try self.found(), try mapping.border(named: borderClass))
      }
      let index = try index(of: found, for: trained, communicator)
      if communicator.rank == 0 { for note in index.notes { printNote(note) } }
      let names = groups.map(\.rawValue).sorted().joined(separator: ",")
      try communicator.verifyEqualOnAllRanks(
        trained.digests + [
          NamedDigest(name: "data set listing", lines: index.listing),
          NamedDigest(name: "--metrics", text: names),
          NamedDigest(name: "--border-class", text: "\(border)"),
          NamedDigest(name: "--instances", text: instances?.rawValue ?? "none"),
          NamedDigest(name: "--per-image", text: "\(perImage != nil)"),
        ])
      let byImage = groups != [.pixels] || perImage != nil
      let (dataset, tiles) = try communicator.together {
        let dataset = try Dataset(index, mapping: mapping)
        return (dataset, try tileCount(dataset, trained, byImage: byImage))
      }
      if byImage {
        warnOfIdleRanks(dataset.count, dataset.count == 1 ? "image" : "images", communicator)
      } else {
        warnOfIdleRanks(tiles, tiles == 1 ? "tile" : "tiles", communicator)
      }
      let ids = Array(0..<dataset.count)
      let classes = mapping.reportLabels(count: trained.checkpoint.network.classes)
      let json: JSONValue
      let table: String
      let progress = FirstRankProgress("scoring", isFirst: communicator.rank == 0)
      if byImage {
        let report = EvaluationReport(
          groups: groups, classes: classes, border: border,
          backgrounds: mapping.backgrounds(border: border), hasInstances: dataset.hasInstances)
        let scores = try ImageEvaluator(
          groups, border: UInt8(border), backgrounds: mapping.backgrounds(border: border),
          segmentation: instances?.segmentation(backgrounds: mapping.backgrounds(border: border))
        ).evaluate(
          dataset: dataset, ids: ids, predictor: trained.predictor, communicator: communicator,
          progress: progress.show(of: "images"))
        progress.finish()
        try communicator.together {
          guard communicator.rank == 0, let perImage else { return }
          try DurableFile.write(scores.perImageTable(report), to: perImage)
        }
        json = scores.json(report)
        table = scores.table(report)
      } else {
        let scores = try Evaluator.evaluate(
          dataset: dataset, ids: ids, predictor: trained.predictor, communicator: communicator,
          progress: progress.show(of: "tiles"))
        progress.finish()
        json = scores.json(classes: classes)
        table = scores.table(names: classes.map(\.name))
      }
      guard communicator.rank == 0 else { return }
      if self.json {
        try printText(json.json + "\n")
      } else {
        let text =
          "\(dataset.count) \(dataset.count == 1 ? "image" : "images"), \(trained.steps)\n" + table
          + "\n"
        // Names of classes come from a file.
        try printText(text.printableLines)
      }
    }
  }

  /// Whether pixels between touching objects are labelled as in the training of the network.
  ///
  /// The first rank says so.
  private func instanceBorders(
    of trained: TrainedNetwork, _ found: FoundSamples, isFirst: Bool
  ) -> Bool {
    let text = trained.checkpoint.configuration
    // What this version does not understand of the options decides nothing here.
    guard let options = try? TrainingConfiguration(yaml: text), options.instanceBorders else {
      return false
    }
    if isFirst {
      printWarning(
        found.hasInstances
          ? "pixels between touching objects are scored as the first class, as the network has learnt them"
          : "the network has learnt pixels between touching objects as the first class, and this set has "
            + "no instances/ to tell them by: they are scored as the masks have them")
    }
    return found.hasInstances
  }

  /// The images and masks that are named.
  private func found() throws -> FoundSamples {
    guard
      let found = try FoundSamples.labelled(
        data: data, images: images, masks: masks, layout: layout)
    else {
      preconditionFailure("the options were validated, and name images")
    }
    return try data.map { try found.part(part, path: $0) } ?? found
  }

  /// The decoded images and masks, of as many channels as the network has; collective.
  private func index(
    of found: FoundSamples, for trained: TrainedNetwork, _ communicator: any Communicator
  ) throws -> SampleIndex {
    let isFirst = communicator.rank == 0
    let form = DecodedForm(
      normalization: trained.checkpoint.normalization,
      instanceBorders: instanceBorders(of: trained, found, isFirst: isFirst))
    var decoding = Decoding(
      form, cache: cache, crew: HostCrew(communicator), team: trained.predictor.team)
    if isFirst { decoding.note = { printNote($0) } }
    let progress = FirstRankProgress("decoding", isFirst: isFirst)
    decoding.progress = { progress.advance(to: $0, of: $1, "images") }
    let stored = try SampleIndex(found, decoding)
    progress.finish()
    let channels = trained.checkpoint.network.inputChannels
    return try communicator.together {
      guard let index = stored.adapted(to: channels) else {
        throw FileError(
          .channelsDiffer, path: stored.entries.first?.imagePath ?? "the data set",
          expected: "\(channels) \(channels == 1 ? "channel" : "channels"), as the network has",
          found: "\(stored.channels ?? 0)", hint: "convert the images")
      }
      return index
    }
  }

  /// The tiles that cover all images, of which each must fit into memory.
  private func tileCount(
    _ dataset: Dataset, _ trained: TrainedNetwork, byImage: Bool
  ) throws -> Int {
    var count = 0
    var checked: Set<TilePlan> = []
    let scores =
      !byImage
      ? 0
      : ImageEvaluator.byteCount(
        pixels: (0..<dataset.count).map { dataset.size($0).width * dataset.size($0).height }
          .reduce(0, max),
        classes: trained.checkpoint.network.classes, threads: trained.threads)
    for id in 0..<dataset.count {
      let size = dataset.size(id)
      let plan = trained.predictor.plan(height: size.height, width: size.width)
      if checked.insert(plan).inserted {
        let images =
          byImage
          ? dataset.largestByteCount()
          : dataset.largestByteCount(
            rows: plan.tiles.map(\.rows.inputSide).max() ?? .max,
            columns: plan.tiles.map(\.columns.inputSide).max() ?? .max)
        try trained.checkMemory(
          height: size.height, width: size.width, imageByteCount: images + scores,
          path: dataset.names[id])
      }
      count += plan.tiling(height: size.height, width: size.width).windows.count
    }
    return count
  }
}
