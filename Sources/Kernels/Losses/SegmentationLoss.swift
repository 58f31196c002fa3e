// The protocol of losses of a segmentation.

import Glibc
package import Tensors
package import Threading

/// A loss that compares the logits of one sample with its labels.
///
/// A new loss is a type in this folder that conforms, and a case of `LossKind` that makes it. Its sum is
/// one sample's own, so that neither ranks nor threads decide the bits; what is divided by the
/// global batch comes in as `scale`.
package protocol SegmentationLoss: Sendable {
  /// Doubles of workspace for each row of logits of so many classes.
  func workspacePerRow(classes: Int) -> Int

  /// Overwrites `gradient` with `scale` times the derivative of the loss by the logits.
  ///
  /// - Parameters:
  ///   - logits: [H, W, classes], dense.
  ///   - labels: [H, W], dense, each below the number of classes or `ignoredLabel`, which has neither
  ///     loss nor gradient.
  ///   - weights: [H, W], a factor of each pixel, or nil for 1.
  ///   - scale: 1 / (samples of the global batch x output pixels).
  ///   - gradient: [H, W, classes], dense; not the memory of `logits`.
  ///   - workspace: H x `workspacePerRow` values.
  /// - Returns: the loss summed over pixels, unscaled, in Double and in an order that does not depend
  ///   on the threads. A loss of a whole sample counts once for each output pixel, so that its mean is
  ///   the loss itself.
  func lossAndGradient(
    logits: TensorView, labels: UnsafePointer<UInt8>, weights: UnsafePointer<Float>?,
    scale: Float, gradient: TensorView, workspace: UnsafeMutablePointer<Double>,
    on team: ThreadTeam
  ) -> Double
}

/// The pixel-wise softmax p(k) = exp(a(k)) / sum over j of exp(a(j)), by way of a(k) - max a, so that
/// nothing overflows.
enum Softmax {
  /// log of the sum of exp(logits(k)) over `count` classes.
  @inline(__always)
  static func logSumOfExponentials(_ logits: UnsafePointer<Float>, _ count: Int) -> Float {
    var largest = logits[0]
    for k in 1..<max(count, 1) { largest = max(largest, logits[k]) }
    var sum: Float = 0
    for k in 0..<count { sum += exp(logits[k] - largest) }
    return largest + log(sum)
  }
}

/// The sum of `count` rows' values number `index` of `perRow`, in the order of rows.
func rowTotal(
  _ values: UnsafePointer<Double>, rows: Int, perRow: Int = 1, index: Int = 0
) -> Double {
  var sum = 0.0
  for row in 0..<rows { sum += values[row * perRow + index] }
  return sum
}
