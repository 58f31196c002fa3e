// The scores of a network on a data set, with the work shared out among the ranks.

package import Communication
package import Datasets
package import Files
package import Metrics
import Network
import Tensors
import Threading

/// Scores whole images, each of their pixels once over all ranks.
package enum Evaluator {
  /// The scores of the predictor's network on the images with these ids; collective.
  ///
  /// Every rank passes the same ids and a predictor of the same tiles and parameters. The windows of
  /// all images, in the order of `ids`, are partitioned over the ranks in turn, and a rank reads only
  /// what the tiles of its windows show. The counts are integers, and the losses of
  /// the windows are added in window order on every rank, so that the scores are the same bits for
  /// every number of ranks and threads.
  ///
  /// The loss is the mean over all labelled pixels of -log p(label), without class weights; ignored
  /// pixels are not scored. `progress` is told how many of how many windows of its own a rank has scored.
  ///
  /// Each rank asks `isStopped` before every window; when one says so, all ranks end without scores.
  ///
  /// - Precondition: `ids` is not empty, and each is in 0..<dataset.count.
  /// - Throws: `RankFailure`, on all ranks, when an image cannot be read on one of them or the set
  ///   does not fit the network; `RankDisagreement`, on all ranks, when they have other numbers of
  ///   windows or classes, whose counts cannot be added; ``EvaluationStopped``, on all ranks; `MPIError`.
  package static func evaluate(
    dataset: Dataset, ids: [Int], predictor: TiledPredictor, communicator: any Communicator,
    unless isStopped: () -> Bool = { false },
    progress: (_ windows: Int, _ of: Int) -> Void = { _, _ in }
  ) throws -> SegmentationScores {
    precondition(!ids.isEmpty, "an evaluation of no images")
    let share = try communicator.together {
      try Share(
        of: communicator.rank, among: communicator.size, dataset: dataset, ids: ids,
        predictor: predictor, unless: isStopped, progress: progress)
    }
    guard try communicator.allReduceSum([share.isCutShort ? Int64(1) : 0]) == [0] else {
      throw EvaluationStopped()
    }
    // Ranks whose data or networks differ have counts and losses that do not belong together.
    try communicator.verifyEqualOnAllRanks([
      NamedDigest(name: "number of the network's classes", text: "\(share.tally.counts.classes)"),
      NamedDigest(name: "number of windows to score", text: "\(share.windowCount)"),
    ])
    let counts = ConfusionCounts(
      classes: share.tally.counts.classes,
      flat: try communicator.allReduceSum(share.tally.counts.flat))
    let foreground = try share.tally.foreground.map {
      ForegroundHistogram(flat: try communicator.allReduceSum($0.flat))
    }
    let losses = try communicator.allgatherv(share.tally.losses.withUnsafeBytes { Array($0) })
    try requirePixels(counts)
    return SegmentationScores(
      counts: counts,
      loss: totalLoss(losses, windowCount: share.windowCount) / Double(counts.pixelCount),
      foreground: foreground)
  }

  /// Refuses a set of which every pixel is ignored.
  static func requirePixels(_ counts: ConfusionCounts) throws(FileError) {
    guard counts.pixelCount > 0 else {
      throw FileError(
        path: "the data set", expected: "a pixel that is not ignored", found: "none",
        hint: "score images with labelled pixels")
    }
  }

  /// Refuses a set that the predictor's network cannot score.
  package static func check(_ dataset: Dataset, fits predictor: TiledPredictor) throws(FileError) {
    guard dataset.channels == predictor.channels else {
      throw FileError(
        path: "the data set", expected: "images of \(predictor.channels) channels",
        found: "\(dataset.channels)", hint: "score images of the kind the network was trained with")
    }
    guard dataset.mapping.count <= predictor.classes else {
      throw FileError(
        path: "the data set", expected: "at most \(predictor.classes) classes",
        found: "\(dataset.mapping.count)",
        hint: "read the masks with the classes that the network was trained with")
    }
  }

  /// The sum of the windows' losses in window order; window i is number i / size of rank i % size.
  private static func totalLoss(_ bytesOfRanks: [[UInt8]], windowCount: Int) -> Double {
    let stride = MemoryLayout<Double>.stride
    let size = bytesOfRanks.count
    for (rank, bytes) in bytesOfRanks.enumerated() {
      precondition(
        bytes.count == (windowCount + size - 1 - rank) / size * stride,
        "\(bytes.count) bytes of losses from rank \(rank) of \(size) for \(windowCount) windows")
    }
    var sum = 0.0
    for window in 0..<windowCount {
      sum += bytesOfRanks[window % size].withUnsafeBytes { bytes in
        bytes.loadUnaligned(fromByteOffset: window / size * stride, as: Double.self)
      }
    }
    return sum
  }
}

/// An evaluation that was stopped before all windows were scored.
package struct EvaluationStopped: Error {}

// MARK: - One rank's part

/// The counts and losses of one rank.
private struct Share {
  /// The pixels and losses of this rank's windows.
  var tally: WindowTally
  /// The windows of all ranks.
  private(set) var windowCount = 0
  /// Whether it was stopped before its last window.
  private(set) var isCutShort = false

  /// Scores every window whose number leaves the remainder `rank` when divided by `size`.
  init(
    of rank: Int, among size: Int, dataset: Dataset, ids: [Int], predictor: TiledPredictor,
    unless isStopped: () -> Bool, progress: (_ windows: Int, _ of: Int) -> Void
  ) throws {
    try Evaluator.check(dataset, fits: predictor)
    tally = WindowTally(classes: predictor.classes)
    let softmax = PixelSoftmax(classes: predictor.classes, threads: predictor.team.count)
    let tilings = ids.map {
      let size = dataset.size($0)
      return predictor.tiling(height: size.height, width: size.width)
    }
    windowCount = tilings.reduce(0) { $0 + $1.windows.count }
    let ownCount = (windowCount + size - 1 - rank) / size
    var first = 0
    for (id, tiling) in zip(ids, tilings) {
      let image = dataset.source(id)
      for window in tiling.windows.indices where (first + window) % size == rank {
        isCutShort = isStopped()
        if isCutShort { return }
        try tally.add(window, of: tiling, image: image, predictor: predictor, softmax)
        progress(tally.losses.count, ownCount)
      }
      first += tiling.windows.count
    }
  }
}
