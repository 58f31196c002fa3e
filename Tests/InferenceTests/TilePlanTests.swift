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
      for: UNet(configuration), height: height, width: width, byteLimit: byteLimit)
  }

  private func sides(_ plan: TilePlan) -> [Int] { [plan.rows.inputSide, plan.columns.inputSide] }

  // 16 k + 60 with an output 184 smaller: 512 wants 516 of 700, and 1 wants 4 of 188.
  @Test func thePaperNetworkCoversMostImagesByOneTile() {
    let paper = UNetConfiguration()
    #expect(sides(best(paper, 512, 512)) == [700, 700])
    #expect(best(paper, 512, 512).columns == TileShape(inputSide: 700, outputSide: 516))
    #expect(sides(best(paper, 388, 388)) == [572, 572])
    #expect(sides(best(paper, 389, 388)) == [588, 572])
    #expect(sides(best(paper, 1, 1)) == [188, 188])
    #expect(sides(best(paper, 256, 900)) == [444, 1084])
  }

  // Multiples of 16 with a context of 96 a side.
  @Test(arguments: [Padding.zero, .mirror]) func paddedTilesHaveTheirWholeContext(
    _ padding: Padding
  ) {
    let configuration = UNetConfiguration(padding: padding)
    #expect(best(configuration, 512, 512).rows == TileShape(inputSide: 704, outputSide: 512))
    #expect(best(configuration, 1, 16).rows == TileShape(inputSide: 208, outputSide: 16))
    #expect(sides(best(configuration, 17, 100)) == [224, 304])
  }

  @Test func anImageTooLargeForOneTileGetsTheLargestThatPay() {
    let small = UNetConfiguration(baseChannels: 4, depth: 2)
    let whole = best(small, 200, 200)
    let limit = UNetMemory.activationByteCount(
      UNet(small), height: whole.rows.inputSide, width: whole.columns.inputSide, training: false,
      threads: 1)
    #expect(best(small, 200, 200, byteLimit: limit) == whole)
    let halves = best(small, 200, 200, byteLimit: limit - 1)
    #expect(halves.tiling(height: 200, width: 200).windows.count == 2)
    // Nothing fits: the smallest tile there is.
    #expect(sides(best(small, 200, 200, byteLimit: 1)) == [44, 44])
  }

  /// All pairs of legal sides with their whole context, by a search that leaves nothing out.
  private func leastWork(
    _ configuration: UNetConfiguration, _ height: Int, _ width: Int, byteLimit: Int
  ) -> Int {
    let network = UNet(configuration)
    let smallest = best(configuration, 1, 1).rows
    let context = smallest.inputSide - smallest.outputSide
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
    for byteLimit in [1 << 30, 400_000] {
      let plan = best(configuration, size.height, size.width, byteLimit: byteLimit)
      let tiles = plan.tiling(height: size.height, width: size.width).windows.count
      let work = UNet(configuration).multiplyAdds(
        height: plan.rows.inputSide, width: plan.columns.inputSide)
      #expect(
        tiles * work
          == leastWork(configuration, size.height, size.width, byteLimit: byteLimit))
    }
  }

  @Test func squareTilesHaveAContextOfAtMostAQuarterASide() {
    func square(_ configuration: UNetConfiguration, _ tile: Int) -> TileShape {
      let plan = TilePlan(square: tile, for: configuration)
      #expect(plan.rows == plan.columns)
      return plan.rows
    }
    #expect(
      square(UNetConfiguration(depth: 2, padding: .mirror), 16)
        == TileShape(inputSide: 16, outputSide: 8))
    #expect(
      square(UNetConfiguration(depth: 1, padding: .zero), 2)
        == TileShape(inputSide: 2, outputSide: 2))
    #expect(
      square(UNetConfiguration(depth: 2), 44) == TileShape(inputSide: 44, outputSide: 4))
  }

  // A side of 2^depth pixels is legal, but none has room for the context of so deep a network.
  @Test func aNetworkWithoutRoomForItsContextGetsItsSmallestTile() {
    let deep = UNetConfiguration(baseChannels: 1, depth: 12, padding: .zero)
    let plan = best(deep, 10, 5000)
    #expect(plan.rows == TilePlan(square: 4096, for: deep).rows)
    #expect(plan.tiling(height: 10, width: 5000).windows.count == 2)
  }
}
