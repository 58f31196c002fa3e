// Whole images by tiles: against one tile that covers everything, and the same for any team.

import Datasets
import Foundation
import Inference
import Network
import Tensors
import Testing
import Threading

@Suite struct TiledPredictorTests {
  /// Several roundings of logits up to 8, by kernels of different block shapes.
  private static let tolerance: Float = 5e-5

  /// The probabilities of an image by square tiles, or by the best plan.
  private func values(
    _ small: SmallNetwork, tile: Int?, height: Int, width: Int, averaging: Averaging = .none
  ) throws -> [Float] {
    try small.predictor(tile: tile, averaging: averaging).probabilities(
      height: height, width: width, channels: 1, pixels: noise(height: height, width: width)
    ).values
  }

  private func largestDifference(_ left: [Float], _ right: [Float]) -> Float {
    #expect(left.count == right.count)
    return zip(left, right).map { abs($0 - $1) }.max() ?? .nan
  }

  // Bits may differ: in another tile a kernel cuts its blocks elsewhere. Tiles of 16, 24 and so on have
  // no room for a window with its whole context; what depends on them is told by `isExact`.
  @Test(arguments: Padding.allCases, Upsampling.allCases)
  func everyPlanSaysTheSameOfEveryPixel(_ padding: Padding, _ upsampling: Upsampling) throws {
    let small = SmallNetwork(base: 4, padding: padding, upsampling: upsampling)
    for (height, width) in [(150, 137), (5, 203), (96, 96)] {
      for averaging in [Averaging.none, .symmetries] {
        let best = try values(small, tile: nil, height: height, width: width, averaging: averaging)
        for tile in [112, 128, 136, 200, 260] {
          let predictor = small.predictor(tile: tile, averaging: averaging)
          #expect(predictor.plan(height: height, width: width).isExact, "\(tile)")
          let square = try values(
            small, tile: tile, height: height, width: width, averaging: averaging)
          #expect(
            largestDifference(best, square) < Self.tolerance,
            "tiles of \(tile) for \(width)x\(height), \(averaging)")
        }
      }
    }
  }

  // Less context than the network sees is noticed: else the test above could not fail.
  @Test(arguments: Padding.allCases)
  func aTileWithoutRoomForItsContextSaysSomethingElse(_ padding: Padding) throws {
    let small = SmallNetwork(base: 4, padding: padding)
    let tile = 44
    #expect(!small.predictor(tile: tile).plan(height: 60, width: 60).isExact)
    let best = try values(small, tile: nil, height: 60, width: 60)
    let square = try values(small, tile: tile, height: 60, width: 60)
    #expect(largestDifference(best, square) > 100 * Self.tolerance)
  }

  // The context is no larger than it must be: one window less of it changes pixels.
  @Test(arguments: Upsampling.allCases)
  func onlyTheEndOfAnOutputDependsOnWhereItEnds(_ upsampling: Upsampling) throws {
    let small = SmallNetwork(upsampling: upsampling)
    // 2^2 - 1 at the output.
    let changed = upsampling == .nearest ? 3 : 0
    let end = TilePlan(square: 60, for: [small.network.configuration]).tiles[0].rows
    #expect(end.trailing == (upsampling == .nearest ? 24 : 20))
    let output = 60 - 40
    let tiles = try [60, 76].map { tile in
      try UNetActivations(
        small.network, height: tile, width: tile, training: false, threads: 1)
    }
    let pixels = noise(height: 76, width: 76)
    let views = tiles.map { activations -> TensorView in
      let side = activations.input.height
      let buffer = FloatBuffer(count: activations.input.count)
      for y in 0..<side {
        for x in 0..<side { buffer.base[y * side + x] = pixels[y * 76 + x] }
      }
      small.network.forward(
        TensorView(base: buffer.base, shape: activations.input),
        parameters: small.parameters.base, activations: activations, dropout: nil,
        on: ThreadTeam(count: 1))
      return withExtendedLifetime(buffer) { activations.logits }
    }
    func differs(_ y: Int, _ x: Int) -> Bool {
      abs(views[0].pixel(y, x)[0] - views[1].pixel(y, x)[0]) > Self.tolerance
    }
    for y in 0..<output - changed {
      for x in 0..<output - changed { #expect(!differs(y, x)) }
    }
    for place in output - changed..<output {
      #expect((0..<output).contains { differs(place, $0) })
      #expect((0..<output).contains { differs($0, place) })
    }
    withExtendedLifetime(tiles) {}
  }

  @Test func imagesOfManySizesInAnyOrderSayTheSame() throws {
    let small = SmallNetwork(padding: .mirror)
    let sizes = [(9, 30), (40, 12), (9, 30), (1, 1), (40, 12), (64, 64)]
    func map(_ predictor: TiledPredictor, _ size: (Int, Int)) throws -> ProbabilityMap {
      try predictor.probabilities(
        height: size.0, width: size.1, channels: 1, pixels: noise(height: size.0, width: size.1))
    }
    let together = small.predictor(tile: nil, threads: 2)
    for size in sizes { #expect(try map(together, size) == map(small.predictor(tile: nil), size)) }
  }

  @Test(arguments: [(1, 1), (3, 17), (40, 5)], [1, 3])
  func everyPixelOfAnySizeHasProbabilities(_ size: (Int, Int), _ channels: Int) throws {
    let small = SmallNetwork(channels: channels, classes: 3)
    let predictor = small.predictor(tile: 52)
    let (height, width) = size
    let pixels = noise(height: height, width: width, channels: channels)
    let map = try predictor.probabilities(
      height: height, width: width, channels: channels, pixels: pixels)
    #expect(map.values.count == height * width * 3)
    for pixel in 0..<height * width {
      let values = map.values[pixel * 3..<pixel * 3 + 3]
      #expect(values.allSatisfy { $0 > 0 && $0 < 1 })
      #expect(abs(values.reduce(0, +) - 1) < 1e-6)
    }
    let image = DatasetImage(
      id: 0, name: "noise", width: width, height: height, channels: channels, pixels: pixels,
      labels: [UInt8](repeating: 0, count: height * width))
    #expect(try predictor.probabilities(of: image) == map)
  }

  @Test func theFirstOfEqualClassesWins() {
    let map = ProbabilityMap(
      height: 1, width: 4, classes: 3,
      values: [0.4, 0.4, 0.2, 0.2, 0.4, 0.4, 0.1, 0.2, 0.7, 0.5, 0, 0.5])
    #expect(map.labels == [0, 1, 2, 0])
  }

  @Test(arguments: [Padding.valid, .mirror])
  func threadsDoNotChangeABit(_ padding: Padding) throws {
    let small = SmallNetwork(base: 16, padding: padding)
    let pixels = noise(height: 31, width: 26)
    let results = try (1...3).map { threads in
      func map(_ averaging: Averaging) throws -> ProbabilityMap {
        try small.predictor(tile: 52, averaging: averaging, threads: threads).probabilities(
          height: 31, width: 26, channels: 1, pixels: pixels, image: 3)
      }
      return (
        try map(.none), try map(.dropout(samples: 2, seed: 9)), try map(.symmetries)
      )
    }
    for result in results.dropFirst() {
      #expect(result.0 == results[0].0)
      #expect(result.1 == results[0].1)
      #expect(result.2 == results[0].2)
    }
  }

  @Test func dropoutIsOffUnlessAskedFor() throws {
    let pixels = noise(height: 20, width: 20)
    func map(_ small: SmallNetwork) throws -> [ProbabilityMap] {
      let predictor = small.predictor(tile: 52)
      return try (0..<2).map { _ in
        try predictor.probabilities(height: 20, width: 20, channels: 1, pixels: pixels)
      }
    }
    let dropping = try map(SmallNetwork(dropout: 0.5))
    #expect(dropping[0] == dropping[1])
    #expect(try dropping == map(SmallNetwork(dropout: 0)))
  }
}

@Suite struct MonteCarloTests {
  private let pixels = noise(height: 20, width: 14)

  private func prediction(
    _ small: SmallNetwork, image: Int = 0, samples: Int, seed: UInt64 = 1
  ) throws -> ProbabilityMap {
    try small.predictor(tile: 52, averaging: .dropout(samples: samples, seed: seed))
      .probabilities(height: 20, width: 14, channels: 1, pixels: pixels, image: image)
  }

  @Test func theSeedDecidesTheMasks() throws {
    let small = SmallNetwork()
    let first = try prediction(small, samples: 3)
    #expect(try prediction(small, samples: 3) == first)
    #expect(try prediction(small, samples: 3, seed: 2) != first)
    #expect(try prediction(small, image: 1, samples: 3) != first)
    #expect(try prediction(small, samples: 2) != first)
  }

  @Test func onePassDiffersFromNoDropout() throws {
    func plain(_ small: SmallNetwork) throws -> ProbabilityMap {
      try small.predictor(tile: 52).probabilities(
        height: 20, width: 14, channels: 1, pixels: pixels)
    }
    let small = SmallNetwork()
    #expect(try prediction(small, samples: 1) != plain(small))
    // Where nothing can be dropped, a pass with dropout is a pass.
    let certain = SmallNetwork(dropout: 0)
    #expect(try prediction(certain, samples: 1) == plain(certain))
  }

  // Two passes have the mean of a first and of another one, which a mean over both then shows.
  @Test func theMeanIsThatOfThePasses() throws {
    let small = SmallNetwork()
    let one = try prediction(small, samples: 1).values
    let two = try prediction(small, samples: 2).values
    let second = zip(one, two).map { 2 * $1 - $0 }
    #expect(second.allSatisfy { $0 > -1e-6 && $0 < 1 + 1e-6 })
    #expect(zip(one, two).contains { abs($0 - $1) > 1e-3 })
  }

  @Test func entropyLiesBetweenCertaintyAndIgnorance() throws {
    let small = SmallNetwork(classes: 3)
    let result = try prediction(small, samples: 4)
    for (pixel, entropy) in result.entropy.enumerated() {
      let probabilities = result.values[pixel * 3..<pixel * 3 + 3].map { Double($0) }
      let expected = -probabilities.reduce(0) { $0 + $1 * log($1) }
      #expect(abs(Double(entropy) - expected) < 1e-6)
      #expect(entropy >= 0 && entropy <= Float(log(3.0)))
    }
    // Without parameters all classes are equally probable.
    small.parameters.floats.update(repeating: 0)
    let ignorant = try prediction(small, samples: 2)
    #expect(ignorant.entropy.allSatisfy { abs($0 - Float(log(3.0))) < 1e-6 })
    #expect(ignorant.labels.allSatisfy { $0 == 0 })
  }

  // By hand: -(1/4 ln 1/4 + 3/4 ln 3/4) = 0.5623351, and ln 2 = 0.6931472.
  @Test func entropyByHand() {
    let map = ProbabilityMap(
      height: 1, width: 3, classes: 2, values: [0.25, 0.75, 0.5, 0.5, 1, 0])
    for (found, expected) in zip(map.entropy, [0.5623351, 0.6931472, 0] as [Float]) {
      #expect(abs(found - expected) < 1e-6)
    }
  }

  @Test func certaintyHasNoEntropy() throws {
    let small = SmallNetwork()
    small.parameters.floats.update(repeating: 0)
    // The last parameter is the bias of the last class; e^-1000 is 0 in any precision.
    small.parameters.base[small.parameters.count - 1] = 1000
    let result = try prediction(small, samples: 3)
    #expect(result.entropy.allSatisfy { $0 == 0 })
    #expect(result.labels.allSatisfy { $0 == 1 })
  }
}

@Suite struct EnsembleTests {
  private func map(
    _ smalls: [SmallNetwork], tile: Int? = nil, threads: Int = 1, averaging: Averaging = .none
  ) throws -> ProbabilityMap {
    try TiledPredictor(
      smalls.map(\.member), tile: tile, averaging: averaging, threads: ThreadTeam(count: threads)
    ).probabilities(
      height: 61, width: 47, channels: 1, pixels: noise(height: 61, width: 47), image: 2)
  }

  // Of other depths, paddings and sizes.
  private let smalls = [
    SmallNetwork(), SmallNetwork(base: 6, depth: 3, padding: .mirror, seed: 3),
    SmallNetwork(base: 2, depth: 1, padding: .zero, upsampling: .transposed, seed: 4),
  ]

  @Test(arguments: [nil, 152]) func isTheMeanOfItsMembers(_ tile: Int?) throws {
    let together = try map(smalls, tile: tile)
    let alone = try smalls.map { try map([$0], tile: tile).values }
    for place in together.values.indices {
      let mean = alone.reduce(0) { $0 + Double($1[place]) } / 3
      #expect(abs(Double(together.values[place]) - mean) < 5e-5)
    }
    #expect(try map(smalls, tile: tile, threads: 3) == together)
  }

  @Test func oneNetworkTwiceIsItself() throws {
    let once = try map([smalls[0]])
    let twice = try map([smalls[0], smalls[0]])
    // But for the rounding of (p + p) / 2, which has none.
    #expect(once == twice)
  }

  @Test func membersHaveMasksOfTheirOwn() throws {
    let dropout = Averaging.dropout(samples: 2, seed: 1)
    let once = try map([smalls[0]], averaging: dropout)
    let twice = try map([smalls[0], smalls[0]], averaging: dropout)
    #expect(once != twice)
    // Two networks of two passes are one of four.
    #expect(try map([smalls[0]], averaging: .dropout(samples: 4, seed: 1)) == twice)
  }
}
