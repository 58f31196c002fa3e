// The scores of each image of a set, with whole images shared out among the ranks.

package import Communication
package import Datasets
import Files
import Foundation
package import Metrics
import Network
import Tensors
import Threading

/// Scores whole images, each on one rank: for metrics that a part of an image cannot have.
package struct ImageEvaluator {
  private let groups: Set<MetricGroup>
  private let border: UInt8
  private let backgrounds: Set<UInt8>
  private let segmentation: any ObjectSegmentation

  /// An evaluator of these metrics.
  ///
  /// - Parameters:
  ///   - groups: the metrics; those of pixels are always counted.
  ///   - border: the label of the class that parts cells.
  ///   - backgrounds: the labels of what is no object; nil for the border alone.
  ///   - segmentation: how objects are told apart in a prediction; components where it is nil.
  package init(
    _ groups: Set<MetricGroup>, border: UInt8, backgrounds: Set<UInt8>? = nil,
    segmentation: (any ObjectSegmentation)? = nil
  ) {
    self.groups = groups
    self.border = border
    self.backgrounds = backgrounds ?? [border]
    self.segmentation = segmentation ?? ComponentObjects(backgrounds: self.backgrounds)
  }

  /// Bytes that a rank holds of an image beside its pixels and labels: probabilities, and for each
  /// thread what a threshold's components, watershed and warping take.
  package static func byteCount(pixels: Int, classes: Int, threads: Int) -> Int {
    pixels * (classes * MemoryLayout<Float>.stride + 64 + min(threads, thresholdCount) * 192)
  }

  private static var thresholdCount: Int { BoundaryComparison.thresholds.count }

  /// The scores of the images with these ids; collective.
  ///
  /// Image i of `ids` belongs to rank i % size, which predicts it window by window as `Evaluator` does
  /// and holds one image at a time. What an image adds is computed by its rank alone and summed in the
  /// order of `ids` on every rank, so that the scores are the same bits for every number of ranks and
  /// threads, and those of pixels the same as `Evaluator`'s. `progress` is told how many of how many images
  /// of its own a rank has scored.
  ///
  /// - Precondition: `ids` is not empty, and each is in 0..<dataset.count.
  /// - Throws: as `Evaluator.evaluate`.
  package func evaluate(
    dataset: Dataset, ids: [Int], predictor: TiledPredictor, communicator: any Communicator,
    progress: (_ images: Int, _ of: Int) -> Void = { _, _ in }
  ) throws -> SetScores {
    let images = try imageScores(
      dataset: dataset, ids: ids, predictor: predictor, communicator: communicator,
      progress: progress)
    guard let scores = SetScores(images) else {
      try Evaluator.requirePixels(ConfusionCounts(classes: predictor.classes))
      preconditionFailure("a set without a pixel was refused")
    }
    return scores
  }

  /// The scores of each of the images with these ids, in their order, as ``evaluate`` has them; collective.
  ///
  /// Images without a pixel that counts are among them.
  package func imageScores(
    dataset: Dataset, ids: [Int], predictor: TiledPredictor, communicator: any Communicator,
    progress: (_ images: Int, _ of: Int) -> Void = { _, _ in }
  ) throws -> [ImageScores] {
    precondition(!ids.isEmpty, "an evaluation of no images")
    let own = try communicator.together { () throws -> [UInt8] in
      try Evaluator.check(dataset, fits: predictor)
      let share = ids.indices.filter { $0 % communicator.size == communicator.rank }
      let scores = try share.enumerated().map { done, index in
        defer { progress(done + 1, share.count) }
        return try self.scores(of: ids[index], dataset, predictor)
      }
      return Array(try JSONEncoder.ofAnyNumbers.encode(scores))
    }
    try communicator.verifyEqualOnAllRanks([
      NamedDigest(name: "number of the network's classes", text: "\(predictor.classes)"),
      NamedDigest(name: "number of images to score", text: "\(ids.count)"),
    ])
    let ranks = try communicator.allgatherv(own).map {
      try JSONDecoder.ofAnyNumbers.decode([ImageScores].self, from: Data($0))
    }
    return ids.indices.map { ranks[$0 % ranks.count][$0 / ranks.count] }
  }

  private func scores(
    of id: Int, _ dataset: Dataset, _ predictor: TiledPredictor
  ) throws -> ImageScores {
    let image = try dataset.image(id)
    let classes = predictor.classes
    let tiling = predictor.tiling(height: image.height, width: image.width)
    let softmax = PixelSoftmax(classes: classes, threads: predictor.team.count)
    var tally = WindowTally(classes: classes)
    var values = [Float](repeating: 0, count: image.labels.count * classes)
    try values.withUnsafeMutableBufferPointer { values in
      for window in tiling.windows.indices {
        try tally.add(window, of: tiling, image: image, predictor: predictor, softmax) {
          pixel, probabilities in
          for k in 0..<classes { values[pixel * classes + k] = Float(probabilities[k]) }
        }
      }
    }
    let map = ProbabilityMap(
      height: image.height, width: image.width, classes: classes, values: values)
    let labels = map.labels(above: predictor.threshold)
    return ImageScores(
      name: image.name, counts: tally.counts, losses: tally.losses,
      boundaries: groups.contains(.boundaries)
        ? boundaries(of: image, map, labels, predictor.team) : nil,
      objects: groups.contains(.objects) ? try objects(of: image, map, labels, dataset) : nil)
  }

  private func boundaries(
    of image: DatasetImage, _ map: ProbabilityMap, _ labels: [UInt8], _ team: ThreadTeam
  ) -> BoundaryScores {
    let interior = image.labels.indices.map { 1 - map.values[$0 * map.classes + Int(border)] }
    let comparison = BoundaryComparison(
      truth: image.labels, border: border, interior: interior, width: image.width,
      height: image.height)
    let thresholds = team.map(BoundaryComparison.thresholds) { comparison.scores(threshold: $0) }
    let surfaces = team.map(Array(0..<map.classes)) { label in
      SurfaceDistances(
        of: UInt8(label), truth: image.labels, prediction: labels, width: image.width,
        height: image.height)
    }
    return BoundaryScores(
      pixelCount: comparison.pixelCount, thresholds: thresholds, surfaces: surfaces)
  }

  private func objects(
    of image: DatasetImage, _ map: ProbabilityMap, _ labels: [UInt8], _ dataset: Dataset
  ) throws(FileError) -> ObjectScores {
    let reference =
      try dataset.instances(of: image)
      ?? ComponentObjects(backgrounds: backgrounds)
      .objects(labels: image.labels, width: image.width, height: image.height)
    return ObjectScores(
      reference: reference, prediction: segmentation.objects(of: map, labels: labels)
    ) {
      image.labels[$0] != ignoredLabel
    }
  }
}
