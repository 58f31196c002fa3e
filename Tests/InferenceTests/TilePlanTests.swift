// The tiles of least work: for sizes worked out by hand, and against all legal tiles.

import Datasets
import Inference
import Network
import Testing

@Suite struct TilePlanTests {
  private func best(
    _ configuration: UNetConfiguration, _ height: Int, _ width: Int,
    byteLimit: Int = TilePlan.activationByteLimit
  ) -> TilePlan {
    TilePlan.best(
      for: [UNet(configuration)], height: height, width: width, byteLimit: byteLimit)
  }

  private func sides(_ plan: TilePlan) -> [Int] {
    [plan.tiles[0].rows.inputSide, plan.tiles[0].columns.inputSide]
  }

  // 16 k + 60 with an output 184 smaller, of which the last 15 are lost to the 2x2 convolutions: 512 wants
  // 527 of 711, hence 716, and 1 wants 16 + 15 of 215, hence 220.
  @Test func thePaperNetworkCoversMostImagesByOneTile() {
    let paper = UNetConfiguration()
    #expect(sides(best(paper, 512, 512)) == [716, 716])
    #expect(
      best(paper, 512, 512).tiles[0].columns == WindowShape(inputSide: 716, leading: 92, side: 512))
    #expect(sides(best(paper, 388, 400)) == [604, 604])
    #expect(sides(best(paper, 401, 384)) == [620, 588])
    #expect(sides(best(paper, 1, 1)) == [220, 220])
    #expect(sides(best(paper, 256, 900)) == [460, 1116])
  }

  // Multiples of 16 with a context of 96 before a window, and of 112 behind it: the paddings of the 2x2
  // convolutions add 15 to 94.
  @Test(arguments: [Padding.zero, .mirror]) func paddedTilesHaveTheirWholeContext(
    _ padding: Padding
  ) {
    let configuration = UNetConfiguration(padding: padding)
    #expect(
      best(configuration, 512, 512).tiles[0].rows
        == WindowShape(inputSide: 720, leading: 96, side: 512))
    #expect(
      best(configuration, 1, 16).tiles[0].rows
        == WindowShape(inputSide: 224, leading: 96, side: 16))
    #expect(sides(best(configuration, 17, 100)) == [240, 320])
    let transposed = UNetConfiguration(padding: padding, upsampling: .transposed)
    #expect(
      best(transposed, 512, 512).tiles[0].rows
        == WindowShape(inputSide: 704, leading: 96, side: 512))
    #expect(sides(best(transposed, 17, 100)) == [224, 304])
  }

  @Test func flippedTilesHaveTheContextOfEitherEnd() {
    let paper = TilePlan.best(
      for: [UNet(UNetConfiguration())], height: 512, width: 512, isSymmetric: true)
    #expect(paper.tiles[0].rows == WindowShape(inputSide: 732, leading: 108, side: 512))
    #expect(paper.tiles[0].rows.trailing == 112)
    let padded = TilePlan(
      square: 512, for: [UNetConfiguration(padding: .mirror)], isSymmetric: true)
    #expect(padded.isExact)
    #expect(padded.tiles[0].rows == WindowShape(inputSide: 512, leading: 112, side: 288))
  }

  // A window of 400 in all: 716 for the first, which has 16 k + 60 with windows of 16 k + 44 - 184 - 15;
  // of the second multiples of 8 with contexts of 48 and 56.
  @Test func networksTogetherHaveOneWindowAndTheirOwnTiles() {
    let networks = [
      UNet(UNetConfiguration()), UNet(UNetConfiguration(depth: 3, padding: .mirror)),
    ]
    let plan = TilePlan.best(for: networks, height: 400, width: 100)
    #expect(
      plan.tiles.map(\.rows) == [
        WindowShape(inputSide: 604, leading: 92, side: 400),
        WindowShape(inputSide: 504, leading: 48, side: 400),
      ])
    #expect(plan.tiles.map(\.columns.side) == [112, 112])
    let square = TilePlan(
      square: 252, for: [UNetConfiguration(), UNetConfiguration(depth: 3)])
    // 252 - 184 - 15 = 53 and 252 - 88 - 7 = 157: 48 is the largest both have room for.
    #expect(square.isExact && square.tiles.map(\.rows.side) == [48, 48])
    #expect(square.tiles.map(\.rows.leading) == [92, 44])
  }

  @Test func anImageTooLargeForOneTileGetsTheLargestThatPay() {
    let small = UNetConfiguration(baseChannels: 4, depth: 2)
    let whole = best(small, 200, 200)
    let limit = UNetMemory.activationByteCount(
      UNet(small), height: sides(whole)[0], width: sides(whole)[1], training: false, threads: 1)
    #expect(best(small, 200, 200, byteLimit: limit) == whole)
    let halves = best(small, 200, 200, byteLimit: limit - 1)
    #expect(halves.tiling(height: 200, width: 200).windows.count == 2)
    // Nothing fits: the smallest tile there is.
    #expect(sides(best(small, 200, 200, byteLimit: 1)) == [48, 48])
  }

  /// All pairs of legal sides with their whole context, by a search that leaves nothing out.
  private func leastWork(
    _ configuration: UNetConfiguration, _ height: Int, _ width: Int, byteLimit: Int
  ) -> Int {
    let network = UNet(configuration)
    let smallest = best(configuration, 1, 1).tiles[0].rows
    let context = smallest.inputSide - smallest.side
    let legal = (context + 1...context + 2 * max(height, width) + 16).filter {
      configuration.outputSide(tile: $0) != nil
    }
    func windows(_ length: Int, _ side: Int) -> Int {
      (length + side - context - 1) / (side - context)
    }
    var least = Int.max
    for rows in legal {
      for columns in legal {
        let bytes = UNetMemory.activationByteCount(
          network, height: rows, width: columns, training: false, threads: 1)
        guard bytes <= byteLimit else { continue }
        let work = network.multiplyAdds(height: rows, width: columns)
        least = min(least, windows(height, rows) * windows(width, columns) * work)
      }
    }
    return least
  }

  @Test(
    arguments: [
      UNetConfiguration(baseChannels: 4, depth: 2),
      UNetConfiguration(baseChannels: 2, depth: 1, padding: .zero, upsampling: .transposed),
      UNetConfiguration(baseChannels: 2, depth: 2, padding: .mirror),
    ], [(1, 1), (40, 90), (97, 20), (64, 64)])
  func noPlanIsCheaper(_ configuration: UNetConfiguration, _ size: (height: Int, width: Int)) {
    for byteLimit in [1 << 30, 450_000] {
      let plan = best(configuration, size.height, size.width, byteLimit: byteLimit)
      let tiles = plan.tiling(height: size.height, width: size.width).windows.count
      let work = UNet(configuration).multiplyAdds(
        height: sides(plan)[0], width: sides(plan)[1])
      #expect(
        tiles * work
          == leastWork(configuration, size.height, size.width, byteLimit: byteLimit))
    }
  }

  @Test func squareTilesHaveTheirWholeContextWhereTheyCan() {
    func square(_ configuration: UNetConfiguration, _ tile: Int) -> TilePlan {
      let plan = TilePlan(square: tile, for: [configuration])
      #expect(plan.tiles[0].rows == plan.tiles[0].columns)
      return plan
    }
    // 388 less the 15 that depend on the end, in whole pixels of the bottleneck.
    let paper = square(UNetConfiguration(), 572)
    #expect(paper.isExact)
    #expect(paper.tiles[0].rows == WindowShape(inputSide: 572, leading: 92, side: 368))
    let transposed = square(UNetConfiguration(upsampling: .transposed), 572)
    #expect(transposed.tiles[0].rows == WindowShape(inputSide: 572, leading: 92, side: 384))
    let padded = square(UNetConfiguration(depth: 3, padding: .mirror), 256)
    #expect(padded.isExact)
    #expect(padded.tiles[0].rows == WindowShape(inputSide: 256, leading: 48, side: 152))

    // Half the tile at most is context; a tile without a window of whole pixels has its output.
    for (plan, expected) in [
      (
        square(UNetConfiguration(depth: 2, padding: .mirror), 16),
        WindowShape(inputSide: 16, leading: 4, side: 8)
      ),
      (
        square(UNetConfiguration(depth: 1, padding: .zero), 2),
        WindowShape(inputSide: 2, leading: 0, side: 2)
      ),
      (square(UNetConfiguration(depth: 2), 44), WindowShape(inputSide: 44, leading: 20, side: 4)),
    ] {
      #expect(!plan.isExact)
      #expect(plan.tiles[0].rows == expected)
    }
  }

  // A side of 2^depth pixels is legal, but none has room for the context of so deep a network.
  @Test func aNetworkWithoutRoomForItsContextGetsItsSmallestTile() {
    let deep = UNetConfiguration(baseChannels: 1, depth: 12, padding: .zero)
    let plan = best(deep, 10, 5000)
    #expect(!plan.isExact)
    #expect(plan.tiles[0].rows == TilePlan(square: 4096, for: [deep]).tiles[0].rows)
    #expect(plan.tiling(height: 10, width: 5000).windows.count == 2)
  }
}
