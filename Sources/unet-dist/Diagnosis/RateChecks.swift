// Checks that measure: how fast ranks compute, and how fast they exchange.

import Communication
import Files
import Kernels
import Network
import Tensors
import Threading

/// Rates of the ranks, of which the slowest holds all others up.
package enum RateChecks {
  /// A rank that computes at less than this part of the fastest one's rate is told of.
  private static let slowestShare = 0.7
  /// Floats of the sum over ranks that is measured.
  private static let floatCount = 4 << 20

  /// The rate of a rank beside those of all.
  package static func computation(_ own: Double, of all: [Double]) -> Finding {
    let fastest = all.max() ?? own
    return Finding(
      "computation", "\(Int(own.rounded())) GFLOP/s in a forward pass",
      advice: own < slowestShare * fastest
        ? "another rank has \(Int(fastest.rounded())): look for other programs on this host, fewer cores or "
          + "a slower processor; all ranks wait for the slowest" : nil)
  }

  /// The rate of a sum over the ranks.
  package static func exchange(bytesPerSecond: Double, hosts: Int) -> Finding {
    Finding(
      "all-reduce",
      "\(Int(bytesPerSecond).megabytes)/s of gradients, \(hosts == 1 ? "1 host" : "\(hosts) hosts")",
      advice: hosts > 1 && bytesPerSecond < 50e6
        ? "see docs/cluster.md on networks; --compression bf16 halves the bytes, --accumulate the exchanges"
        : nil)
  }

  /// GFLOP/s of a forward pass of a small network by the direct algorithm's count, the best of three.
  static func measureComputation(threads: Int) throws(AllocationError) -> Double {
    let network = UNet(UNetConfiguration(baseChannels: 32, depth: 2, padding: .zero))
    let side = 192
    let team = ThreadTeam(count: threads)
    let parameters = try FloatBuffer(count: network.layout.count, for: "parameters")
    network.initialize(parameters.base, seed: 0, on: team)
    let activations = try UNetActivations(
      network, height: side, width: side, training: false, threads: team.count)
    let image = try FloatBuffer(count: activations.input.count, for: "a tile")
    for place in 0..<image.count { image.base[place] = Float(place % 7) - 3 }
    let view = TensorView(base: image.base, shape: activations.input)
    var best = Double.infinity
    for _ in 0..<3 {
      let began = ContinuousClock().now
      network.forward(view, parameters: parameters.base, activations: activations, on: team)
      best = min(best, (ContinuousClock().now - began) / .seconds(1))
    }
    return gflop(network.multiplyAdds(height: side, width: side)) / max(1e-9, best)
  }

  /// Bytes of gradients a second that the ranks sum, the best of three; collective.
  static func measureExchange(_ communicator: any Communicator) throws -> Double {
    let buffer = try communicator.together { try FloatBuffer(count: floatCount, for: "a sum") }
    for place in 0..<buffer.count { buffer.base[place] = 1 }
    var best = Double.infinity
    for _ in 0..<3 {
      try communicator.barrier()
      let began = ContinuousClock().now
      try communicator.allReduceSum(buffer.floats)
      best = min(best, (ContinuousClock().now - began) / .seconds(1))
    }
    return Double(buffer.count * MemoryLayout<Float>.stride) / max(1e-9, best)
  }
}
