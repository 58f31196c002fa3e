// Scores by image: pixels as by window, borders and objects as from the predicted probabilities, and
// the same for any number of ranks.

import Communication
import Datasets
import Files
import Foundation
import Imaging
import Inference
import Metrics
import TestSupport
import Testing

@Suite struct ImageEvaluatorTests {
  private let all = Set(MetricGroup.allCases)

  /// Three images with squares of the mask's value 9, each square two instances.
  private func dataset(in folder: String, instances: Bool = true) throws -> Dataset {
    for (index, (height, width)) in [(29, 17), (7, 15), (24, 40)].enumerated() {
      func write(_ kind: String, _ value: (_ y: Int, _ x: Int) -> Int) throws {
        try Folder.make("\(folder)/\(kind)")
        let values = (0..<height * width).map { UInt8(value($0 / width, $0 % width)) }
        try PNGFile.write(
          Image(
            width: width, height: height, channels: 1, bitsPerSample: 8, samples: .uint8(values)),
          to: "\(folder)/\(kind)/image-\(index).png")
      }
      let grey = noise(height: height, width: width, seed: UInt64(index))
      try write("images") { y, x in Int((grey[y * width + x] + 1) * 127) }
      try write("masks") { y, x in y % 7 < 5 && x % 9 < 6 ? 9 : 0 }
      guard instances else { continue }
      try write("instances") { y, x in
        y % 7 < 5 && x % 9 < 6 ? 1 + y / 7 * 10 + x / 9 * 2 + x % 9 / 3 : 0
      }
    }
    let index = try SampleIndex.folder(folder)
    return try Dataset(index, mapping: ClassMapping(scanning: index))
  }

  private func evaluate(
    _ dataset: Dataset, _ ids: [Int] = [0, 1, 2], groups: Set<MetricGroup>? = nil,
    threads: Int = 1, _ communicator: any Communicator = SoloCommunicator()
  ) throws -> SetScores {
    try ImageEvaluator(groups ?? all, border: 0).evaluate(
      dataset: dataset, ids: ids, predictor: SmallNetwork().predictor(tile: 52, threads: threads),
      communicator: communicator)
  }

  @Test func pixelsAreScoredAsByWindows() throws {
    try withTemporaryFolder { folder in
      let dataset = try dataset(in: folder)
      let windows = try Evaluator.evaluate(
        dataset: dataset, ids: [2, 0, 1], predictor: SmallNetwork().predictor(tile: 52),
        communicator: SoloCommunicator())
      let images = try evaluate(dataset, [2, 0, 1], groups: [.pixels])
      #expect(images.pixels.counts == windows.counts)
      #expect(images.pixels.loss.bitPattern == windows.loss.bitPattern)
      #expect(images.images.map(\.name) == ["image-2", "image-0", "image-1"])
      #expect(images.boundaries == nil && images.objects == nil)
    }
  }

  @Test func bordersAndObjectsAreThoseOfThePredictedProbabilities() throws {
    try withTemporaryFolder { folder in
      let dataset = try dataset(in: folder)
      let scores = try evaluate(dataset)
      let predictor = SmallNetwork().predictor(tile: 52)
      var sum = ObjectScores()
      for id in 0..<3 {
        let image = try dataset.image(id)
        let map = try predictor.probabilities(of: image)
        let comparison = BoundaryComparison(
          truth: image.labels, border: 0,
          interior: image.labels.indices.map { 1 - map.values[2 * $0] }, width: image.width,
          height: image.height)
        let boundaries = try #require(scores.images[id].boundaries)
        #expect(boundaries.thresholds[9] == comparison.scores(threshold: 0.5))
        #expect(
          boundaries.surfaces[1]
            == SurfaceDistances(
              of: 1, truth: image.labels, prediction: map.labels, width: image.width,
              height: image.height))
        let reference = try #require(try dataset.instances(of: image))
        let objects = ObjectScores(
          reference: reference,
          prediction: ComponentObjects(background: 0).objects(of: map, labels: map.labels)
        ) { _ in true }
        #expect(scores.images[id].objects == objects)
        sum += objects
      }
      #expect(scores.objects == sum)
      #expect(scores.boundaries == BoundarySummary(scores.images.compactMap(\.boundaries)))
    }
  }

  /// Classes that touch are objects of their own; corners, the background and what is ignored join none.
  @Test func objectsAreComponentsOfClasses() {
    let labels: [UInt8] = [
      1, 1, 2, 0,
      0, 255, 2, 1,
      2, 1, 0, 1,
    ]
    let objects = ComponentObjects(background: 1).objects(labels: labels, width: 4, height: 3)
    #expect(objects == [0, 0, 1, 2, 3, 0, 1, 0, 4, 0, 5, 0])
  }

  /// Without instances, objects are the components of the masks: half as many.
  @Test func objectsOfTheMasksWithoutInstances() throws {
    try withTemporaryFolder { folder in
      let numbered = try evaluate(dataset(in: folder + "/with")).objects
      let components = try evaluate(dataset(in: folder + "/without", instances: false)).objects
      #expect(components?.referenceCount == 5 * 2 + 1 * 2 + 4 * 5)
      #expect(numbered?.referenceCount == 5 * 4 + 1 * 4 + 4 * 10)
    }
  }

  @Test func ranksAndThreadsDoNotChangeABit() throws {
    try withTemporaryFolder { folder in
      let dataset = try dataset(in: folder)
      let alone = try evaluate(dataset)
      for ranks in 1...4 {
        let results = ThreadedCommunicator.run(ranks: ranks) { communicator in
          try self.evaluate(dataset, threads: ranks, communicator)
        }
        #expect(results.count == ranks)
        for result in results {
          let scores = try result.get()
          #expect(scores == alone)
          #expect(scores.pixels.loss.bitPattern == alone.pixels.loss.bitPattern)
        }
      }
    }
  }

  @Test func instancesThatCannotBeReadFailOnEveryRank() throws {
    try withTemporaryFolder { folder in
      let dataset = try dataset(in: folder)
      try Data("no picture".utf8)
        .write(to: URL(fileURLWithPath: folder + "/instances/image-1.png"))
      let results = ThreadedCommunicator.run(ranks: 3) { communicator in
        try self.evaluate(dataset, [0, 1, 2], communicator)
      }
      for result in results {
        let failure = #expect(throws: RankFailure.self) { try result.get() }
        #expect(failure?.rank == 1 && failure?.message.contains("instances/image-1") == true)
      }
      // Pixels alone need none.
      #expect(try evaluate(dataset, groups: [.pixels]).images.count == 3)
    }
  }

  @Test func ranksWithOtherImagesAreNotAdded() throws {
    try withTemporaryFolder { folder in
      let dataset = try dataset(in: folder)
      let results = ThreadedCommunicator.run(ranks: 2) { communicator in
        try self.evaluate(dataset, communicator.rank == 1 ? [0] : [0, 1], communicator)
      }
      for result in results {
        let failure = #expect(throws: RankDisagreement.self) { try result.get() }
        #expect(failure?.description.contains("images to score") == true)
      }
    }
  }
}
