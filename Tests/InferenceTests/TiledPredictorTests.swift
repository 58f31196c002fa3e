// Whole images by tiles: against one tile that covers everything, and the same for any team.

import Datasets
import Foundation
import Inference
import Network
import Tensors
import Testing

@Suite struct TiledPredictorTests {
  /// Several roundings of logits up to 8, by kernels of different block shapes.
  private static let tolerance: Float = 5e-5

  /// What one tile that covers the whole image says, as the network's own logits.
  private func logitsOfOneTile(
    _ small: SmallNetwork, tile: Int, pixels: [Float], side: Int
  ) throws -> [Float] {
    let predictor = small.predictor(tile: tile)
    let tiling = predictor.tiling(height: side, width: side)
    #expect(tiling.windows.count == 1)
    return try rows(predictor.logits(tiling.windows[0], of: tiling, pixels: pixels))
  }

  private func rows(_ view: TensorView) -> [Float] {
    (0..<view.shape.height).flatMap { y in
      (0..<view.shape.width * view.shape.channels).map { view.pixel(y, 0)[$0] }
    }
  }

  /// The logits of each window's own pixels, put together.
  private func logitsOfWindows(
    _ predictor: TiledPredictor, pixels: [Float], height: Int, width: Int
  ) throws -> [Float] {
    let classes = predictor.network.configuration.classes
    let tiling = predictor.tiling(height: height, width: width)
    var values = [Float](repeating: .nan, count: height * width * classes)
    for window in tiling.windows {
      let logits = try predictor.logits(window, of: tiling, pixels: pixels)
      for y in window.ownRows {
        for x in window.ownColumns {
          for k in 0..<classes {
            values[(y * width + x) * classes + k] =
              logits.pixel(y - window.row, x - window.column)[k]
          }
        }
      }
    }
    return values
  }

  private func largestDifference(_ left: [Float], _ right: [Float]) -> Float {
    #expect(left.count == right.count)
    return zip(left, right).map { abs($0 - $1) }.max() ?? .nan
  }

  // A U-Net is the same everywhere on the grid of its poolings only, so the windows here begin at
  // multiples of 2^depth. Bits may differ: in another tile a kernel cuts its blocks elsewhere.

  @Test(arguments: [4, 16])
  func tilesWithoutPaddingSayWhatOneLargeTileSays(_ base: Int) throws {
    let small = SmallNetwork(base: base, upsampling: .transposed)
    let pixels = noise(height: 28, width: 28)
    let predictor = small.predictor(tile: 52)
    #expect(predictor.plan(height: 28, width: 28).rows == TileShape(inputSide: 52, outputSide: 12))
    #expect(predictor.tiling(height: 28, width: 28).windows.map(\.row).max() == 16)
    let tiled = try logitsOfWindows(predictor, pixels: pixels, height: 28, width: 28)
    let whole = try logitsOfOneTile(small, tile: 68, pixels: pixels, side: 28)
    #expect(largestDifference(tiled, whole) < Self.tolerance)
  }

  // A 2x2 convolution after nearest-neighbour upsampling sees padding beyond the end of its input,
  // also in a network without padding: that is one more pixel at each level, 2^depth - 1 at the
  // output.
  @Test func nearestUpsamplingChangesOnlyTheEndOfAnOutput() throws {
    let small = SmallNetwork(upsampling: .nearest)
    let pixels = noise(height: 28, width: 28)
    let predictor = small.predictor(tile: 52)
    let tiled = try logitsOfWindows(predictor, pixels: pixels, height: 28, width: 28)
    let whole = try logitsOfOneTile(small, tile: 68, pixels: pixels, side: 28)
    let changed = 3
    // The windows that decide end at 12, 24 and 28.
    let intact = (0..<28).filter { place in
      [12, 24, 28].allSatisfy { !($0 - changed..<$0).contains(place) }
    }
    for y in intact {
      for x in intact {
        for k in 0..<2 {
          let place = (y * 28 + x) * 2 + k
          #expect(abs(tiled[place] - whole[place]) < Self.tolerance)
        }
      }
    }
  }

  @Test(arguments: [Padding.zero, .mirror])
  func tilesWithPaddingTakeOnlyWhatSeesNoPadding(_ padding: Padding) throws {
    let small = SmallNetwork(base: 2, padding: padding, upsampling: .transposed)
    let pixels = noise(height: 96, width: 96)
    let predictor = small.predictor(tile: 96)
    #expect(predictor.plan(height: 96, width: 96).rows == TileShape(inputSide: 96, outputSide: 48))
    let tiled = try logitsOfWindows(predictor, pixels: pixels, height: 96, width: 96)
    let whole = try logitsOfOneTile(small, tile: 144, pixels: pixels, side: 96)
    #expect(largestDifference(tiled, whole) < Self.tolerance)
  }

  // Tiles of another plan whose windows begin at whole pixels of the bottleneck too, or which cover
  // the image at once. Nearest-neighbour upsampling changes the last 2^depth - 1 rows and columns
  // of a window.
  @Test(
    arguments: [(Padding.valid, 52, 12), (.zero, 96, 48), (.mirror, 96, 48)],
    [(28, 44), (12, 60), (5, 3), (24, 7)])
  func theBestPlanSaysWhatSquareTilesSay(
    _ rule: (padding: Padding, tile: Int, window: Int), _ size: (height: Int, width: Int)
  ) throws {
    let (height, width) = size
    let pixels = noise(height: height, width: width)
    for upsampling in Upsampling.allCases {
      let small = SmallNetwork(base: 4, padding: rule.padding, upsampling: upsampling)
      let best = small.predictor(tile: nil)
      let square = small.predictor(tile: rule.tile)
      let plan = best.plan(height: height, width: width)
      #expect(plan != square.plan(height: height, width: width))
      #expect(plan.tiling(height: height, width: width).windows.count == 1)
      let (left, right) = (
        try logitsOfWindows(best, pixels: pixels, height: height, width: width),
        try logitsOfWindows(square, pixels: pixels, height: height, width: width)
      )
      func isIntact(_ place: Int, length: Int, outputSide: Int) -> Bool {
        guard upsampling == .nearest else { return true }
        let ends = Array(stride(from: rule.window, to: length, by: rule.window))
        return (ends + [max(length, rule.window), outputSide]).allSatisfy {
          !($0 - 3..<$0).contains(place)
        }
      }
      var compared = 0
      for y in 0..<height where isIntact(y, length: height, outputSide: plan.rows.outputSide) {
        for x in 0..<width where isIntact(x, length: width, outputSide: plan.columns.outputSide) {
          for place in (y * width + x) * 2..<(y * width + x + 1) * 2 {
            #expect(abs(left[place] - right[place]) < Self.tolerance)
            compared += 1
          }
        }
      }
      #expect(compared > 0)
    }
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
    // They are the softmax of the logits.
    let logits = try logitsOfWindows(predictor, pixels: pixels, height: height, width: width)
    let expected = stride(from: 0, to: logits.count, by: 3).flatMap { start in
      let powers = logits[start..<start + 3].map { exp(Double($0)) }
      return powers.map { Float($0 / powers.reduce(0, +)) }
    }
    #expect(largestDifference(map.values, expected) < 1e-6)
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
      let predictor = small.predictor(tile: 52, threads: threads)
      return (
        try predictor.probabilities(height: 31, width: 26, channels: 1, pixels: pixels),
        try predictor.monteCarlo(
          height: 31, width: 26, channels: 1, pixels: pixels, image: 3, samples: 2, seed: 9)
      )
    }
    for result in results.dropFirst() {
      #expect(result.0 == results[0].0)
      #expect(result.1 == results[0].1)
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
    _ predictor: TiledPredictor, image: Int = 0, samples: Int, seed: UInt64 = 1
  ) throws -> MonteCarloPrediction {
    try predictor.monteCarlo(
      height: 20, width: 14, channels: 1, pixels: pixels, image: image, samples: samples,
      seed: seed)
  }

  @Test func theSeedDecidesTheMasks() throws {
    let predictor = SmallNetwork().predictor(tile: 52)
    let first = try prediction(predictor, samples: 3)
    #expect(try prediction(predictor, samples: 3) == first)
    #expect(try prediction(predictor, samples: 3, seed: 2) != first)
    #expect(try prediction(predictor, image: 1, samples: 3) != first)
    #expect(try prediction(predictor, samples: 2) != first)
  }

  @Test func onePassDiffersFromNoDropout() throws {
    let predictor = SmallNetwork().predictor(tile: 52)
    let plain = try predictor.probabilities(height: 20, width: 14, channels: 1, pixels: pixels)
    #expect(try prediction(predictor, samples: 1).mean != plain)
    // Where nothing can be dropped, a pass with dropout is a pass.
    let certain = SmallNetwork(dropout: 0).predictor(tile: 52)
    #expect(try prediction(certain, samples: 1).mean == plain)
  }

  @Test func entropyLiesBetweenCertaintyAndIgnorance() throws {
    let small = SmallNetwork(classes: 3)
    let result = try prediction(small.predictor(tile: 52), samples: 4)
    for pixel in result.entropy.indices {
      let probabilities = result.mean.values[pixel * 3..<pixel * 3 + 3].map { Double($0) }
      let expected = -probabilities.reduce(0) { $0 + $1 * log($1) }
      #expect(abs(Double(result.entropy[pixel]) - expected) < 1e-6)
      #expect(result.entropy[pixel] >= 0 && result.entropy[pixel] <= Float(log(3.0)))
    }
    // Without parameters all classes are equally probable.
    small.parameters.floats.update(repeating: 0)
    let ignorant = try prediction(small.predictor(tile: 52), samples: 2)
    #expect(ignorant.entropy.allSatisfy { $0 == Float(log(3.0)) })
    #expect(ignorant.mean.labels.allSatisfy { $0 == 0 })
  }

  @Test func certaintyHasNoEntropy() throws {
    let small = SmallNetwork()
    small.parameters.floats.update(repeating: 0)
    // The last parameter is the bias of the last class; e^-1000 is 0 in any precision.
    small.parameters.base[small.parameters.count - 1] = 1000
    let result = try prediction(small.predictor(tile: 52), samples: 3)
    #expect(result.entropy.allSatisfy { $0 == 0 })
    #expect(result.mean.labels.allSatisfy { $0 == 1 })
  }
}
