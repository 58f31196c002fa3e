// Which tiles are legal, and what they leave.

import Network
import Testing

@Suite struct UNetConfigurationTests {
  @Test func validTilesOfThePaper() {
    let configuration = UNetConfiguration()
    let legal = (1...600).filter { configuration.outputSide(tile: $0) != nil }
    #expect(legal == stride(from: 188, through: 600, by: 16).map { $0 })
    #expect(legal.allSatisfy { configuration.outputSide(tile: $0) == $0 - 184 })
    #expect(configuration.margin == 92)
    #expect(configuration.legalTiles(near: 512) == [508, 524])
    #expect(configuration.legalTiles(near: 10) == [188])
  }

  @Test(arguments: [Padding.zero, .mirror]) func paddedTilesAreMultiples(_ padding: Padding) {
    let configuration = UNetConfiguration(depth: 3, padding: padding)
    let legal = (1...64).filter { configuration.outputSide(tile: $0) != nil }
    #expect(legal == [8, 16, 24, 32, 40, 48, 56, 64])
    #expect(configuration.outputSide(tile: 24) == 24)
    #expect(configuration.margin == 0)
    #expect(configuration.legalTiles(near: 3) == [8])
    #expect(configuration.legalTiles(near: 30) == [24, 32])
  }

  @Test(arguments: 1...5) func marginIsHalfOfWhatIsLost(_ depth: Int) {
    let configuration = UNetConfiguration(depth: depth)
    let smallest = (1...2000).first { configuration.outputSide(tile: $0) != nil } ?? 0
    let output = configuration.outputSide(tile: smallest) ?? 0
    #expect(smallest - output == 2 * configuration.margin)
  }
}
