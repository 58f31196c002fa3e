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

  /// What to do about a network that holds training up.
  static let slowNetwork =
    "see docs/cluster.md on networks; --compression bf16 halves the bytes, --accumulate the exchanges"

  /// A rank's rate of products of matrices beside those of all.
  package static func products(_ own: Double, of all: [Double]) -> Finding {
    computation("sgemm", "\(Int(own.rounded())) GFLOP/s", own, of: all)
  }

  /// A rank's rate of the network's forward pass beside those of all.
  package static func forwardPass(_ own: Double, of all: [Double]) -> Finding {
    computation(
      "forward pass", "\(Int(own.rounded())) GFLOP/s by the count of the direct algorithm", own,
      of: all)
  }

  private static func computation(
    _ name: String, _ found: String, _ own: Double, of all: [Double]
  ) -> Finding {
    let fastest = all.max() ?? own
    return Finding(
      name, found,
      advice: own < slowestShare * fastest
        ? "another rank has \(Int(fastest.rounded())): look for other programs on this host, fewer cores or "
          + "a slower processor; all ranks wait for the slowest" : nil)
  }

  /// The rates of the sum over all ranks: by the tree of training, and by the library's own.
  package static func exchange(_ rates: ExchangeRates, hosts: Int) -> Finding {
    Finding(
      "all-reduce",
      "\(Int(rates.tree).megabytes)/s of gradients by the tree that train takes "
        + "(\(Int(rates.library).megabytes)/s by --reduction fast), "
        + (hosts == 1 ? "1 host" : "\(hosts) hosts"),
      advice: hosts > 1 && rates.tree < 50e6 ? slowNetwork : nil)
  }

  /// Seconds that `work` takes, the best of three and more than 0; each begins when `isReady` returns.
  static func bestSeconds(
    when isReady: () throws -> Void, _ work: () throws -> Void
  ) rethrows -> Double {
    var best = Double.infinity
    for _ in 0..<3 {
      try isReady()
      let began = ContinuousClock().now
      try work()
      best = min(best, (ContinuousClock().now - began) / .seconds(1))
    }
    return max(1e-9, best)
  }

  /// The same without anything to wait for.
  static func bestSeconds(_ work: () throws -> Void) rethrows -> Double {
    try bestSeconds(when: {}, work)
  }

  /// GFLOP/s of products of matrices by all threads of the rank at once, the best of three.
  static func measureProducts(threads: Int) throws(AllocationError) -> Double {
    let side = 512
    let team = ThreadTeam(count: threads)
    let operands = try FloatBuffer(count: side * side, for: "matrices")
    let results = try FloatBuffer(count: team.count * side * side, for: "matrices")
    for place in 0..<operands.count { operands.base[place] = Float(place % 7) - 3 }
    let items = 4 * team.count
    let seconds = bestSeconds {
      team.forEach(items, (operands.base, results.base, side)) { matrices, _, thread in
        let (operand, results, side) = matrices
        MatrixProduct.multiplySquares(
          side: side, operand, operand, into: results + thread * side * side)
      }
    }
    return gflop(items * side * side * side) / seconds
  }

  /// GFLOP/s of a forward pass of a small network by the direct algorithm's count, the best of three.
  static func measureForwardPass(threads: Int) throws(AllocationError) -> Double {
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
    let seconds = bestSeconds {
      network.forward(view, parameters: parameters.base, activations: activations, on: team)
    }
    return gflop(network.multiplyAdds(height: side, width: side)) / seconds
  }

  /// Bytes of gradients a second that the ranks sum, the best of three each; collective.
  ///
  /// The tree is that of `train` by its defaults: one partial sum a rank, in buckets, here without a backward pass
  /// beside it.
  static func measureExchange(
    _ communicator: any Communicator, overlap: Overlap
  ) throws -> ExchangeRates {
    let buffer = try communicator.together { try FloatBuffer(count: floatCount, for: "a sum") }
    defer { withExtendedLifetime(buffer) {} }
    // Zeros, so that sums of sums stay finite.
    let reducer = GradientReducer(
      communicator: communicator, buckets: GradientBuckets(elementCount: buffer.count),
      overlap: overlap)
    let shards = (0..<communicator.size).map { $0..<$0 + 1 }
    func rate(_ sum: () throws -> Void) throws -> Double {
      let seconds = try bestSeconds(when: { try communicator.barrier() }, sum)
      return Double(buffer.count * MemoryLayout<Float>.stride) / seconds
    }
    return ExchangeRates(
      tree: try rate {
        reducer.begin([buffer.floats], shards: shards)
        try reducer.finish()
      },
      library: try rate { try communicator.allReduceSum(buffer.floats) })
  }
}

/// Bytes of gradients a second that all ranks sum.
package struct ExchangeRates: Equatable, Sendable {
  /// By the tree, which gives the same bits for any number of ranks.
  package let tree: Double
  /// By the MPI library's `MPI_Allreduce`.
  package let library: Double

  package init(tree: Double, library: Double) { (self.tree, self.library) = (tree, library) }
}
