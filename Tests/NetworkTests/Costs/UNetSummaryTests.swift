// The costs of a network as its summary tells them.

import Network
import Tensors
import Testing

@Suite struct UNetSummaryTests {
  @Test func thePaperNetworkHasItsCosts() throws {
    let network = UNet(UNetConfiguration())
    let summary = UNetSummary(network, height: 572, width: 572)
    #expect(summary.parameterCount == 31_030_658)
    #expect(summary.parameterCount == network.layout.count)
    #expect(summary.multiplyAdds == 167_322_556_672)
    #expect(summary.layers.count == 27)

    let first = try #require(summary.layers.first)
    #expect(first.name == "down.0.conv1")
    #expect((first.output.height, first.output.width, first.output.channels) == (570, 570, 64))
    #expect(first.parameterCount == 640)
    #expect(first.multiplyAdds == 570 * 570 * 64 * 9)
    #expect(first.activationByteCount == 570 * 570 * 64 * 4)
    let pooling = try #require(summary.layers.first { $0.name == "down.3.pool" })
    #expect((pooling.output.height, pooling.output.channels) == (32, 512))
    #expect(pooling.activationByteCount == 32 * 32 * 512 * 5)
    let upsampling = try #require(summary.layers.first { $0.name == "up.3.upconv" })
    #expect(upsampling.parameterCount == 4 * 1024 * 512 + 512)
    let head = try #require(summary.layers.last)
    #expect((head.name, head.output.height, head.output.channels) == ("head", 388, 2))
  }

  @Test(arguments: Padding.allCases, Upsampling.allCases)
  func agreesWithTheMemoryThatIsAllocated(_ padding: Padding, _ upsampling: Upsampling) throws {
    let network = UNet(
      UNetConfiguration(
        inputChannels: 3, classes: 3, baseChannels: 4, depth: 2, padding: padding,
        upsampling: upsampling))
    let summary = UNetSummary(network, height: 60, width: 76)
    let training = try UNetActivations(network, height: 60, width: 76, training: true, threads: 2)
    let inference = try UNetActivations(network, height: 60, width: 76, training: false, threads: 2)
    let memory = summary.trainingMemory(threads: 2)
    let parameters = 4 * network.layout.count
    #expect(memory.arena == training.byteCount)
    #expect(memory.total == 3 * parameters + training.byteCount)
    #expect(summary.inferenceByteCount(threads: 2) == parameters + inference.byteCount)
    // Output pixels x weights; one of the four taps of a transposed up-convolution.
    let multiplyAdds = summary.layers.reduce(0) { sum, layer in
      guard layer.parameterCount > 0 else { return sum }
      let weights = layer.parameterCount - layer.output.channels
      let isTransposed = upsampling == .transposed && layer.name.hasSuffix("upconv")
      return sum + layer.output.pixels * (isTransposed ? weights / 4 : weights)
    }
    #expect(summary.multiplyAdds == multiplyAdds)
    #expect(network.multiplyAdds(height: 60, width: 76) == multiplyAdds)
    #expect(summary.parameterCount == network.layout.count)
  }

  @Test func legalTilesHaveTheirOutputs() {
    let sizes = UNetSummary.legalTiles(UNetConfiguration(), through: 600)
    #expect(sizes.first?.output == 4)
    #expect(sizes.first { $0.input == 572 }?.output == 388)
    #expect(sizes.map(\.input) == Array(stride(from: 188, through: 588, by: 16)))
    let padded = UNetSummary.legalTiles(UNetConfiguration(depth: 3, padding: .zero), through: 24)
    #expect(padded.map(\.input) == [8, 16, 24])
    #expect(padded.map(\.output) == [8, 16, 24])
  }
}
