// Scores of whole data sets: against the definition, and the same for any number of ranks.

import Communication
import Datasets
import Files
import Foundation
import Imaging
import Inference
import Metrics
import TestSupport
import Testing
import Threading

@Suite struct EvaluatorTests {
  /// Three images of different sizes, one of them smaller than a window.
  private func dataset() throws -> Dataset {
    let samples = [(29, 17), (7, 5), (24, 40)].enumerated().map { index, size in
      let (height, width) = size
      func grey(_ bytes: [UInt8]) -> Image {
        Image(width: width, height: height, channels: 1, bitsPerSample: 8, samples: .uint8(bytes))
      }
      let values = noise(height: height, width: width, seed: UInt64(index))
      return (
        name: "image-\(index)", image: grey(values.map { UInt8(($0 + 1) * 127) }),
        mask: grey(values.map { $0 > 0.2 ? 255 : 0 })
      )
    }
    return try Dataset(
      samples, mapping: ClassMapping(scanning: samples.map { (name: $0.name, mask: $0.mask) }))
  }

  /// The counts and the summed loss by the definition: of each pixel that is not ignored, by itself.
  private func expected(
    _ dataset: Dataset, _ predictor: TiledPredictor
  ) throws -> (counts: ConfusionCounts, loss: Double) {
    var counts = ConfusionCounts(classes: 2)
    var loss = 0.0
    for id in 0..<3 {
      let image = try dataset.image(id)
      let map = try predictor.probabilities(of: image)
      for (pixel, label) in image.labels.enumerated() where label != 255 {
        counts.add(truth: [label], prediction: [map.labels[pixel]])
        loss -= log(Double(map.values[pixel * 2 + Int(label)]))
      }
    }
    return (counts, loss)
  }

  @Test func scoresAreThoseOfThePredictedProbabilities() throws {
    let dataset = try dataset()
    let predictor = SmallNetwork().predictor(tile: 52)
    let scores = try Evaluator.evaluate(
      dataset: dataset, ids: [2, 0, 1], predictor: predictor, communicator: SoloCommunicator())
    let (counts, loss) = try expected(dataset, predictor)
    #expect(scores.counts == counts)
    #expect(scores.counts.pixelCount == 29 * 17 + 7 * 5 + 24 * 40)
    // The probabilities here are rounded to Float, the loss there comes from the logits.
    #expect(abs(scores.loss - loss / Double(counts.pixelCount)) < 1e-6)
  }

  /// Asked on one rank after its first window, all of them end without scores.
  @Test(arguments: 1...3) func aStoppedEvaluationEndsOnAllRanks(ranks: Int) throws {
    let dataset = try dataset()
    let results = ThreadedCommunicator.run(ranks: ranks) { communicator in
      var windows = 0
      _ = try Evaluator.evaluate(
        dataset: dataset, ids: [0, 1, 2], predictor: SmallNetwork().predictor(tile: 52),
        communicator: communicator
      ) {
        windows += 1
        return communicator.rank == ranks - 1 && windows == 2
      }
    }
    for result in results {
      #expect(throws: EvaluationStopped.self) { try result.get() }
    }
  }

  @Test(arguments: [Averaging.none, .symmetries, .dropout(samples: 2, seed: 3)])
  func ranksAndThreadsDoNotChangeABit(_ averaging: Averaging) throws {
    let dataset = try dataset()
    for ids in [[0, 1, 2], [1], [2, 0]] {
      let alone = try Evaluator.evaluate(
        dataset: dataset, ids: ids,
        predictor: SmallNetwork().predictor(tile: 52, averaging: averaging),
        communicator: SoloCommunicator())
      for ranks in 1...3 {
        let results = ThreadedCommunicator.run(ranks: ranks) { communicator in
          try Evaluator.evaluate(
            dataset: dataset, ids: ids,
            predictor: SmallNetwork().predictor(
              tile: 52, averaging: averaging, threads: ranks),
            communicator: communicator)
        }
        #expect(results.count == ranks)
        for result in results {
          let scores = try result.get()
          #expect(scores == alone)
          #expect(scores.loss.bitPattern == alone.loss.bitPattern)
        }
      }
    }
  }

  @Test func theThresholdDecidesTheLabelsAndIsFound() throws {
    let dataset = try dataset()
    func scores(_ threshold: Float?) throws -> SegmentationScores {
      let predictor = TiledPredictor(
        [SmallNetwork().member], tile: nil, threshold: threshold, threads: ThreadTeam(count: 2))
      let scores = try Evaluator.evaluate(
        dataset: dataset, ids: [0, 1, 2], predictor: predictor, communicator: SoloCommunicator())
      var counts = ConfusionCounts(classes: 2)
      for id in 0..<3 {
        let image = try dataset.image(id)
        counts.add(
          truth: image.labels,
          prediction: try predictor.probabilities(of: image).labels(above: threshold))
      }
      #expect(scores.counts == counts)
      return scores
    }
    let plain = try scores(nil)
    let best = try #require(plain.foreground?.best)
    #expect(plain.foreground?.flat.reduce(0, +) == plain.counts.pixelCount)
    // What it promises is what is scored with it.
    let chosen = try scores(Float(best.threshold))
    #expect(chosen.classes[1].dice == best.dice)
    #expect(best.dice >= plain.classes[1].dice ?? 0)
    #expect(chosen.foreground == plain.foreground)
    let three = try Evaluator.evaluate(
      dataset: dataset, ids: [0], predictor: SmallNetwork(classes: 3).predictor(tile: nil),
      communicator: SoloCommunicator())
    #expect(three.foreground == nil)
  }

  @Test func classesBeyondThoseOfTheSetAreAbsentOrWrong() throws {
    let scores = try Evaluator.evaluate(
      dataset: dataset(), ids: [0], predictor: SmallNetwork(classes: 4).predictor(tile: 52),
      communicator: SoloCommunicator())
    #expect(scores.classes.count == 4)
    #expect(scores.classes[2].recall == nil && scores.classes[3].recall == nil)
    #expect(scores.meanIntersectionOverUnion.isFinite && scores.meanDice.isFinite)
  }

  @Test func ranksWithOtherImagesAreNotAdded() throws {
    let dataset = try dataset()
    let results = ThreadedCommunicator.run(ranks: 3) { communicator in
      try Evaluator.evaluate(
        dataset: dataset, ids: communicator.rank == 1 ? [0] : [0, 1, 2],
        predictor: SmallNetwork().predictor(tile: 52), communicator: communicator)
    }
    for result in results {
      let failure = #expect(throws: RankDisagreement.self) { try result.get() }
      #expect(failure?.differences.map(\.ranks) == [[1]])
      #expect(failure?.description.contains("windows") == true)
    }
  }

  @Test func ranksWithOtherClassesAreNotAdded() throws {
    let dataset = try dataset()
    let results = ThreadedCommunicator.run(ranks: 3) { communicator in
      try Evaluator.evaluate(
        dataset: dataset, ids: [0, 1, 2],
        predictor: SmallNetwork(classes: communicator.rank == 2 ? 3 : 2).predictor(tile: 52),
        communicator: communicator)
    }
    for result in results {
      let failure = #expect(throws: RankDisagreement.self) { try result.get() }
      #expect(failure?.differences.map(\.ranks) == [[2]])
      #expect(failure?.description.contains("classes") == true)
    }
  }

  @Test func aSetThatDoesNotFitTheNetworkIsNotScored() throws {
    let dataset = try dataset()
    let failure = #expect(throws: RankFailure.self) {
      try Evaluator.evaluate(
        dataset: dataset, ids: [0], predictor: SmallNetwork(channels: 3).predictor(tile: 52),
        communicator: SoloCommunicator())
    }
    #expect((failure?.cause as? FileError)?.expected == "images of 3 channels")
  }

  @Test func ignoredPixelsAreNotScored() throws {
    let whole = try dataset()
    let samples = try (0..<3).map { id in
      let image = try whole.image(id)
      func grey(_ bytes: [UInt8]) -> Image {
        Image(
          width: image.width, height: image.height, channels: 1, bitsPerSample: 8,
          samples: .uint8(bytes))
      }
      return (
        name: image.name, image: grey(image.pixels.map { UInt8(clamping: Int($0 * 40) + 128) }),
        mask: grey(
          image.labels.enumerated().map { $0.offset % 3 == 0 ? 99 : $0.element * 255 })
      )
    }
    let json = #"{"classes": [{"value": 0}, {"value": 255}], "ignored": 99}"#
    let mapping = try JSONDecoder().decode(ClassMapping.self, from: Data(json.utf8))
    let dataset = try Dataset(samples, mapping: mapping)
    let predictor = SmallNetwork().predictor(tile: 52)
    let scores = try Evaluator.evaluate(
      dataset: dataset, ids: [0, 1, 2], predictor: predictor, communicator: SoloCommunicator())
    let (counts, loss) = try expected(dataset, predictor)
    #expect(scores.counts == counts && counts.pixelCount == 493 + 35 + 960 - (165 + 12 + 320))
    #expect(abs(scores.loss - loss / Double(counts.pixelCount)) < 1e-6)
  }
}
