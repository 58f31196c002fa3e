// The memory that a rank will need, told before it is allocated.

package import Communication
import Foundation
package import Network

/// The memory that a rank is going to take, by part.
package struct MemoryDemand: Sendable {
  private var parts: [(name: String, byteCount: Int)] = []

  /// A demand for nothing.
  package init() {}

  /// Bytes in all.
  package var byteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }

  /// Adds a part: a noun phrase such as "activations", and its bytes.
  package mutating func add(_ name: String, _ byteCount: Int) {
    if byteCount > 0 { parts.append((name, byteCount)) }
  }

  /// Adds what the network's tiles of `height` x `width` take: activations, and the tile's pixels.
  package mutating func addTile(
    of network: UNet, height: Int, width: Int, training: Bool, threads: Int,
    recomputation: Recomputation = .least
  ) {
    let activations = UNetMemory.activationByteCount(
      network, height: height, width: width, training: training, threads: threads,
      recomputation: recomputation)
    let pixels = height * width * network.configuration.inputChannels * MemoryLayout<Float>.stride
    add("activations", activations + pixels)
  }

  /// Refuses what a rank cannot hold.
  ///
  /// - Parameters:
  ///   - subject: what takes the memory, for the message; `hint`: what would make it smaller.
  /// - Throws: `ConfigurationError` with the bound, and with the parts from the largest on.
  package func check(
    against budget: MemoryBudget, option: String?, subject: String, hint: String,
    origin: ConfigurationError.Origin? = nil
  ) throws(ConfigurationError) {
    guard byteCount > budget.byteCount else { return }
    let listed = parts.sorted { $0.byteCount > $1.byteCount }
      .map { "\($0.name) \(Self.mebibytes($0.byteCount))" }.joined(separator: ", ")
    throw ConfigurationError(
      option: option,
      expected: "what takes at most \(budget.byteCount >> 20) MiB a rank, by \(budget.bound)",
      found: "\(subject), which takes \(Self.mebibytes(byteCount)) MiB (\(listed))",
      hint: "\(hint), or \(budget.remedy)", origin: origin)
  }

  /// Rounded up, so that what is refused never looks as if it fitted.
  private static func mebibytes(_ byteCount: Int) -> Int { (byteCount + (1 << 20) - 1) >> 20 }
}
