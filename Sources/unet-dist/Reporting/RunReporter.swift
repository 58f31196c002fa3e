// Gathers what a page tells of a run: from its folder, and from its images by its best checkpoint.

import Checkpoints
import Configuration
import Datasets
import Export
import Files
import Foundation
import Imaging
import Inference
import Liveness
import Metrics
import Network
import Reports
import Tensors
import Threading
import Training

/// Reads runs for a report, alone: nothing here is collective.
struct RunReporter {
  /// Validation images that are scored one by one at most; of more as many, evenly chosen.
  private static let imageLimit = 200
  /// Pixels of an image that is predicted as a whole for a page.
  private static let pixelLimit = 1 << 24
  /// Seconds that scores at the end of a training may take.
  static let secondsOfATraining = 60.0

  private let team: ThreadTeam
  private let secondLimit: Double

  /// - Parameter secondLimit: seconds after which no further image is scored.
  init(threads: Int, secondLimit: Double = .infinity) {
    team = ThreadTeam(count: threads)
    self.secondLimit = secondLimit
  }

  /// What is to be told of the run in a folder.
  ///
  /// What is missing beside the log, such as images that were moved, is said in the page.
  ///
  /// - Throws: `FileError` where there is no run.
  func run(in folder: String) throws -> ReportedRun {
    let log = folder + "/log.jsonl"
    guard FileManager.default.fileExists(atPath: log) else {
      throw FileError(
        path: folder, expected: "a run's folder, with log.jsonl", found: "none",
        hint: "give the --output of a training")
    }
    var run = ReportedRun(path: folder, history: try RunHistory(path: log))
    do {
      let configuration = try addOptions(of: folder, to: &run)
      try addScores(of: folder, configuration, to: &run)
    } catch {
      run.remarks.append("Not all is shown of it: \(error)")
    }
    return run
  }

  /// Writes the page of a run into its folder; the path of the page.
  func writePage(of folder: String) throws -> String {
    let path = folder + "/report.html"
    try RunReport([run(in: folder)], version: Version.number).write(to: path)
    return path
  }

  // MARK: - Options

  private func addOptions(
    of folder: String, to run: inout ReportedRun
  ) throws -> TrainingConfiguration {
    let path = folder + "/config.yaml"
    let text = String(
      decoding: try InputFile.contents(of: path, limit: ConfigurationFile.sizeLimit), as: UTF8.self)
    let configuration = try TrainingConfiguration(yaml: text, file: path)
    let reasons = Self.reasons(in: text)
    run.options = TrainingOption.all.compactMap { option in
      option.text(configuration).map {
        ReportedRun.Option(name: option.name, value: $0, reason: reasons[option.name])
      }
    }
    let ranks = run.history.secondsByRank.count
    run.command =
      (ranks > 1 ? "mpirun -np \(ranks) --bind-to none " : "")
      + "unet-dist train --config \(path.shellWord) --output NEW"
    return configuration
  }

  /// The reasons that a configuration's comments give: `#   NAME: REASON`.
  private static func reasons(in yaml: String) -> [String: String] {
    var reasons: [String: String] = [:]
    for line in yaml.split(separator: "\n") where line.hasPrefix("#   ") {
      let parts = line.dropFirst(4).split(separator: ": ", maxSplits: 1)
      if parts.count == 2 { reasons[String(parts[0])] = String(parts[1]) }
    }
    return reasons
  }

  // MARK: - Scores and pictures

  private func addScores(
    of folder: String, _ configuration: TrainingConfiguration, to run: inout ReportedRun
  ) throws {
    let trained = try ExportableNetwork(
      readingCheckpoint: TrainedNetwork.checkpointFile(folder))
    let network = trained.network
    run.network =
      "U-Net of depth \(network.configuration.depth) and \(network.configuration.baseChannels) channels "
      + "at its first level, \(network.layout.count.grouped) parameters; of its weights those after step "
      + "\(trained.checkpoint.step) are shown."
    let mapping = trained.checkpoint.classes
    run.classNames = trained.classNames
    let data = try TrainingData.read(
      configuration, division: Self.division(of: folder),
      Decoding(cache: configuration.cache, team: team), on: team)
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
    let all = data.validationIDs.filter {
      let size = data.validation.size($0)
      return size.width * size.height <= Self.pixelLimit
    }
    let count = min(all.count, Self.imageLimit)
    let ids = (0..<count).map { all[$0 * all.count / count] }
    guard mapping.values == data.validation.mapping.values else {
      throw FileError(
        path: source, expected: "the classes that the network has learnt", found: "others",
        hint: "was the data changed after the run?")
    }
    let predictor = TiledPredictor(
      [TrainedMember(network, parameters: trained.parameters)], tile: nil, averaging: .none,
      threshold: nil, threads: team)
    try Evaluator.check(data.validation, fits: predictor)
    try add(ids, of: data.validation, by: predictor, names: run.classNames, to: &run)
    if run.images.count < data.validationIDs.count {
      run.remarks.append(
        "\(run.images.count) of \(data.validationIDs.count) validation images are scored here; "
          + "unet-dist report scores up to \(Self.imageLimit).")
    }
  }

  private static func division(of folder: String) throws -> GivenDivision? {
    let path = folder + "/split.json"
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let text = String(
      decoding: try InputFile.contents(of: path, limit: SplitFile.sizeLimit), as: UTF8.self)
    return .file(try SplitFile(text: text, path: path), path: path)
  }

  private func add(
    _ ids: [Int], of dataset: Dataset, by predictor: TiledPredictor, names: [String],
    to run: inout ReportedRun
  ) throws {
    var counts = ConfusionCounts(classes: names.count)
    var scored: [(id: Int, score: Double)] = []
    let start = ProcessInfo.processInfo.systemUptime
    for id in ids {
      guard StopSignal.received == nil,
        ProcessInfo.processInfo.systemUptime - start <= secondLimit
      else { break }
      let image = try dataset.image(id)
      var own = ConfusionCounts(classes: names.count)
      own.add(truth: image.labels, prediction: try labels(of: image, by: predictor))
      counts += own
      guard own.pixelCount > 0 else { continue }
      let scores = SegmentationScores(counts: own, loss: 0)
      scored.append((id, scores.meanIntersectionOverUnion))
      run.images.append(
        ReportedRun.ImageScore(
          name: image.name, score: scores.meanIntersectionOverUnion,
          pixelError: scores.pixelError, dice: scores.classes.map(\.dice)))
    }
    run.confusion = ReportedRun.Confusion(
      names: names,
      counts: names.indices.map { truth in
        names.indices.map { Int(counts[truth: truth, prediction: $0]) }
      })
    let ranked = scored.sorted { ($1.score, $0.id) < ($0.score, $1.id) }
    for (place, name) in Self.examplePlaces(count: ranked.count) {
      let image = try dataset.image(ranked[place].id)
      run.examples.append(
        ReportedRun.Example(
          place: name, name: image.name, score: ranked[place].score,
          pictures: try pictures(of: image, labels: labels(of: image, by: predictor))))
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

  private func labels(
    of image: DatasetImage, by predictor: TiledPredictor
  ) throws -> [UInt8] {
    try predictor.probabilities(of: image).labels
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
        "differences: blue is missed, orange is found where it is not",
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
