// The protocol of losses of a segmentation.

package import Tensors
package import Threading

/// A loss that compares the logits of one sample with its labels.
///
/// A new loss is a type in this folder that conforms, and a case of `LossKind` that makes it. Its sum is
/// one sample's own, so that neither ranks nor threads decide the bits; what is divided by the
/// global batch comes in as `scale`.
package protocol SegmentationLoss: Sendable {
  /// Overwrites `gradient` with `scale` times the derivative of the loss by the logits.
  ///
  /// - Parameters:
  ///   - logits: [H, W, classes], dense.
  ///   - labels: [H, W], dense, each below the number of classes.
  ///   - scale: 1 / (samples of the global batch x output pixels).
  ///   - gradient: [H, W, classes], dense; may be the memory of `logits`.
  ///   - rowSums: workspace of H values.
  /// - Returns: the loss summed over pixels, unscaled, in Double and in an order that does not depend
  ///   on the threads.
  func lossAndGradient(
    logits: TensorView, labels: UnsafePointer<UInt8>, scale: Float, gradient: TensorView,
    rowSums: UnsafeMutablePointer<Double>, on team: ThreadTeam
  ) -> Double
}
