// Gathers what a page tells of a run: from its folder, and from its images by its best checkpoint.

import ArgumentParser
import Checkpoints
import Communication
import Configuration
import Datasets
import Files
import Foundation
import Imaging
import Inference
import Liveness
import Metrics
import Network
import Reports
import Tensors
import Training

/// Reads runs for a report, by all ranks: the first one reads folders and writes, all score images.
struct RunReporter {
  /// Validation images that are scored one by one at most; of more as many, evenly chosen.
  private static let imageLimit = 200
  /// Pixels of an image that is predicted as a whole for a page.
  private static let pixelLimit = 1 << 24
  /// Seconds that scores at the end of a training may take.
  static let secondsOfATraining = 60.0

  private let communicator: any Communicator
  private let threads: Int?
  private let secondLimit: Double

  /// - Parameters:
  ///   - threads: those of each rank; nil for the cores that it may use.
  ///   - secondLimit: seconds after which no further image is scored; after 0 nothing is read but the folder.
  init(_ communicator: any Communicator, threads: Int?, secondLimit: Double = .infinity) {
    self.communicator = communicator
    self.threads = threads
    self.secondLimit = secondLimit
  }

  private var isFirst: Bool { communicator.rank == 0 }

  /// What is to be told of the run in a folder, on rank 0; collective.
  ///
  /// What is missing beside the log, such as images that were moved, is said in the page.
  ///
  /// - Throws: where there is no run.
  func run(in folder: String) throws -> ReportedRun {
    let log = folder + "/log.jsonl"
    var run = try communicator.together { () throws -> ReportedRun in
      guard isFirst else { return ReportedRun(path: folder, history: RunHistory()) }
      guard FileManager.default.fileExists(atPath: log) else {
        throw FileError(
          path: folder, expected: "a run's folder, with log.jsonl",
          found: Folder.isFolder(folder) ? "none" : "nothing",
          hint: "give the --output of a training")
      }
      return ReportedRun(path: folder, history: try RunHistory(path: log))
    }
    do {
      let configuration = try addOptions(of: folder, to: &run)
      if secondLimit > 0 {
        try addScores(of: folder, configuration, to: &run)
      } else {
        run.remarks.append(
          "The run was stopped, so that no images are shown: unet-dist report \(folder.shellWord) adds them."
        )
      }
    } catch  where communicator.size == 1 || error is any AgreedFailure {
      run.remarks.append("Not all is shown of it: \(error)")
    }
    return run
  }

  /// Writes the page of a run into its folder, and returns the path of the page; collective.
  func writePage(of folder: String) throws -> String {
    let path = folder + "/report.html"
    let run = try run(in: folder)
    try communicator.together {
      if isFirst { try RunReport([run], version: Version.number).write(to: path) }
    }
    return path
  }

  // MARK: - Options

  private func addOptions(
    of folder: String, to run: inout ReportedRun
  ) throws -> TrainingConfiguration {
    let path = folder + "/config.yaml"
    let text = String(
      decoding: try communicator.fromFirstRank {
        try InputFile.contents(of: path, limit: ConfigurationFile.sizeLimit)
      }, as: UTF8.self)
    let configuration = try communicator.together {
      try TrainingConfiguration(yaml: text, file: path)
    }
    run.options = TrainingOption.all.compactMap { option in
      option.text(configuration).map {
        ReportedRun.Option(
          name: option.name, value: $0, reason: configuration.reason(for: option) ?? "default")
      }
    }
    let ranks = run.history.secondsByRank.count
    run.command =
      (ranks > 1 ? "mpirun -np \(ranks) --bind-to none " : "")
      + "unet-dist train --config \(path.shellWord) --output NEW"
    return configuration
  }

  // MARK: - Scores and pictures

  private func addScores(
    of folder: String, _ configuration: TrainingConfiguration, to run: inout ReportedRun
  ) throws {
    let options = try communicator.together {
      try TrainedNetworkOptions.parse(
        ["--checkpoint=\(folder)", "--stall-timeout=\(configuration.stallTimeout)"]
          + (threads.map { ["--threads=\($0)"] } ?? []))
    }
    let trained = try TrainedNetwork(options, communicator: communicator)
    let checkpoint = trained.checkpoint
    let network = checkpoint.network
    run.network =
      "U-Net of depth \(network.depth) and \(network.baseChannels) channels "
      + "at its first level, \(UNet(network).layout.count.grouped) parameters; of its weights those after step "
      + "\(checkpoint.step) are shown."
    let mapping = checkpoint.classes
    let classes = mapping.reportLabels(count: network.classes)
    run.classes = classes.enumerated().map { label, known in
      let colour = SegmentationPictures.classColour(UInt8(label))
      return ReportedRun.Class(
        name: known.name,
        colour: label == 0 ? nil : "rgb(\(colour.red) \(colour.green) \(colour.blue))")
    }
    let data = try data(of: folder, configuration, trained)
    let source = configuration.data ?? configuration.images ?? "the built-in synthetic cells"
    run.data =
      "Trained on \(data.trainingIDs.count) images of \(source), validated on "
      + "\(data.validationIDs.count). Classes: "
      + zip(mapping.names, data.dataset.mapping.shares).map {
        "\($0) (\((100 * $1).decimals(1)) % of the pixels)"
      }.joined(separator: ", ") + "."
    guard !data.validationIDs.isEmpty else {
      run.remarks.append(
        "No images were kept for validation, so that there are no scores and no pictures of any.")
      return
    }
    let validation = data.validation
    try communicator.together {
      guard mapping.values == validation.mapping.values else {
        throw FileError(
          path: source, expected: "the classes that the network has learnt", found: "others",
          hint: "was the data changed after the run?")
      }
      try Evaluator.check(validation, fits: trained.predictor)
    }
    let ids = try chosen(data, trained, &run)
    let border = try mapping.border(named: nil)
    let hasBorder = mapping.namedBorder != nil || validation.hasInstances
    let groups: Set<MetricGroup> =
      hasBorder ? [.pixels, .boundaries, .objects] : [.pixels, .objects]
    let backgrounds = mapping.backgrounds(border: border)
    let evaluator = ImageEvaluator(groups, border: UInt8(border), backgrounds: backgrounds)
    guard let scores = try score(ids, of: validation, by: trained, evaluator, to: &run) else {
      return
    }
    let report = EvaluationReport(
      groups: groups, classes: classes, border: border, backgrounds: backgrounds,
      hasInstances: validation.hasInstances)
    try communicator.together {
      if isFirst { try add(scores, ids, report, validation, trained.predictor, to: &run) }
    }
  }

  /// The images of the run, as it had them; collective.
  private func data(
    of folder: String, _ configuration: TrainingConfiguration, _ trained: TrainedNetwork
  ) throws -> TrainingData {
    let path = folder + "/split.json"
    let text = try communicator.fromFirstRank {
      guard FileManager.default.fileExists(atPath: path) else { return [] }
      return try InputFile.contents(of: path, limit: SplitFile.sizeLimit)
    }
    let division = try communicator.together { () throws -> GivenDivision? in
      guard !text.isEmpty else { return nil }
      return .file(
        try SplitFile(text: String(decoding: text, as: UTF8.self), path: path), path: path)
    }
    let team = trained.predictor.team
    let data = try TrainingData.read(
      configuration, division: division,
      Decoding(cache: configuration.cache, crew: HostCrew(communicator), team: team), on: team)
    try communicator.verifyEqualOnAllRanks(
      trained.digests + [NamedDigest(name: "data set listing", digest: data.digest)])
    return data
  }

  /// The validation images that are scored one by one, the same on all ranks; collective.
  ///
  /// Why others are not is said in the page.
  private func chosen(
    _ data: TrainingData, _ trained: TrainedNetwork, _ run: inout ReportedRun
  ) throws -> [Int] {
    let validation = data.validation
    let large = try communicator.allReduceSum(
      data.validationIDs.map { id -> Int64 in
        let size = validation.size(id)
        let pixels = size.width * size.height
        let bytes = ImageEvaluator.byteCount(
          pixels: pixels, classes: trained.predictor.classes, threads: trained.threads)
        let fits: Void? = try? trained.checkMemory(
          height: size.height, width: size.width, imageByteCount: bytes, path: validation.names[id])
        return pixels <= Self.pixelLimit && fits != nil ? 0 : 1
      })
    let all = zip(data.validationIDs, large).filter { $1 == 0 }.map(\.0)
    let left = data.validationIDs.count - all.count
    if left > 0 {
      run.remarks.append(
        "\(left) of \(data.validationIDs.count) validation images \(left == 1 ? "is" : "are") too large to be scored "
          + "and shown one by one (above \(Self.pixelLimit.grouped) pixels, or what a rank's memory holds); "
          + "unet-dist evaluate scores them.")
    }
    let count = min(all.count, Self.imageLimit)
    if count < all.count {
      run.remarks.append(
        "\(count) of \(all.count) validation images, evenly chosen, are scored one by one; "
          + "unet-dist evaluate --per-image scores all.")
    }
    return (0..<count).map { all[$0 * all.count / count] }
  }

  /// The scores of images, dealt to all ranks, of as many as there is time for; nil of none, and collective.
  private func score(
    _ ids: [Int], of dataset: Dataset, by trained: TrainedNetwork, _ evaluator: ImageEvaluator,
    to run: inout ReportedRun
  ) throws -> SetScores? {
    var images: [ImageScores] = []
    let start = ContinuousClock.now
    while images.count < ids.count {
      let isLate =
        StopSignal.received != nil || (ContinuousClock.now - start) / .seconds(1) > secondLimit
      guard try communicator.allReduceSum([isLate ? Int64(1) : 0]) == [0] else { break }
      images += try evaluator.imageScores(
        dataset: dataset, ids: Array(ids[images.count...].prefix(communicator.size)),
        predictor: trained.predictor, communicator: communicator)
    }
    if images.count < ids.count {
      run.remarks.append(
        "There was time for the scores of \(images.count) of \(ids.count) images: "
          + "unet-dist report \(run.path.shellWord) takes its time for all.")
    }
    return SetScores(images)
  }

  /// Tables and pictures of scored images, on the first rank.
  private func add(
    _ scores: SetScores, _ ids: [Int], _ report: EvaluationReport, _ dataset: Dataset,
    _ predictor: TiledPredictor, to run: inout ReportedRun
  ) throws {
    let table = scores.imageColumns(report)
    run.imageColumns = table.titles
    run.images = zip(scores.images, table.values).map { image, values in
      ReportedRun.ImageScore(name: image.name, values: values)
    }
    let counts = scores.pixels.counts
    let labels = 0..<predictor.classes
    run.confusion = ReportedRun.Confusion(
      names: run.classes.map(\.name),
      counts: labels.map { truth in labels.map { Int(counts[truth: truth, prediction: $0]) } })
    let scored = zip(ids, run.images).compactMap { id, image in
      image.score.map { (id: id, score: $0) }
    }
    let ranked = scored.sorted { ($1.score, $0.id) < ($0.score, $1.id) }
    for (place, name) in Self.examplePlaces(count: ranked.count) {
      let image = try dataset.image(ranked[place].id)
      run.examples.append(
        ReportedRun.Example(
          place: name, name: image.name, score: ranked[place].score,
          pictures: try pictures(
            of: image, labels: try predictor.probabilities(of: image).labels)))
    }
  }

  /// The places of the images that are shown among ranked ones.
  private static func examplePlaces(count: Int) -> [(Int, String)] {
    switch count {
    case 0: []
    case 1: [(0, "only")]
    case 2: [(0, "better"), (1, "worse")]
    default: [(0, "best"), (count / 2, "median"), (count - 1, "worst")]
    }
  }

  private func pictures(
    of image: DatasetImage, labels: [UInt8]
  ) throws -> [(caption: String, picture: ReportPicture)] {
    func overlay(_ labels: [UInt8]) throws -> ReportPicture {
      try ReportPicture(
        SegmentationPictures.overlay(
          intensities: image.pixels, channels: image.channels, labels: labels,
          width: image.width, height: image.height))
    }
    return [
      ("image", try overlay([UInt8](repeating: 0, count: image.labels.count))),
      ("truth", try overlay(image.labels)),
      ("prediction", try overlay(labels)),
      (
        "differences",
        try ReportPicture(
          SegmentationPictures.differences(
            truth: image.labels, prediction: labels, width: image.width, height: image.height))
      ),
    ]
  }
}

extension String {
  /// This text as one word of a shell.
  fileprivate var shellWord: String {
    let isPlain = unicodeScalars.allSatisfy {
      $0.isASCII
        && ($0.properties.isAlphabetic || "0123456789_-./=+:,@%".unicodeScalars.contains($0))
    }
    return isPlain && !isEmpty ? self : "'" + replacing("'", with: #"'\''"#) + "'"
  }
}
