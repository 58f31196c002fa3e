// Made-up numbers for benchmarks: speed does not depend on them.

import Randomness
package import Tensors

/// Buffers of repeatable values.
package enum BenchmarkData {
  /// `count` normal values of mean 0 and deviation 1.
  ///
  /// They repeat after a while, because drawing takes longer than the kernels that are measured.
  package static func normal(count: Int, scale: Float = 1) throws(AllocationError) -> FloatBuffer {
    let buffer = try FloatBuffer(count: count, for: "made-up values")
    var stream = RandomStream(seed: 0, purpose: .synthesis)
    let period = min(count, 1 << 16)
    for index in 0..<period { buffer.base[index] = stream.normalPair().0 * scale }
    for index in period..<max(period, count) { buffer.base[index] = buffer.base[index - period] }
    return buffer
  }

  /// `count` labels below `classes`.
  package static func labels(count: Int, classes: Int) -> [UInt8] {
    var stream = RandomStream(seed: 1, purpose: .synthesis)
    return (0..<count).map { _ in UInt8(stream.integer(below: classes)) }
  }
}
