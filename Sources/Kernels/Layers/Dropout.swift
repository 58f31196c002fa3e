// Inverted dropout.

package import Randomness
package import Tensors
package import Threading

/// Inverted dropout: a value becomes 0 with probability p, or 1 / (1 - p) times itself.
///
/// Source: Srivastava et al., "Dropout", JMLR 15, 2014; the paper's network drops at the end of
/// the contracting path.
package enum Dropout {
  /// Drops values of `image` in place.
  ///
  /// Value i is kept if word i of the stream, as a fraction of 2^32, is at least p; `firstBlock` is
  /// the stream's first block of four words that this image uses. Dense views.
  ///
  /// - Returns: the first block that a following image may use.
  /// - Precondition: p in 0..<1.
  @discardableResult
  package static func apply(
    _ image: TensorView, probability: Float, stream: RandomStream, firstBlock: Int,
    on team: ThreadTeam
  ) -> Int {
    precondition(image.isDense && probability >= 0 && probability < 1)
    let count = image.shape.count
    let blocks = (count + 3) / 4
    let threshold = UInt32(Double(probability) * 0x1p32)
    let scale = 1 / (1 - probability)
    let context = (image.base, stream, firstBlock, threshold, scale)
    forEachBlock(count, context, on: team) { context, block in
      let (values, stream, firstBlock, threshold, scale) = context
      var index = block.lowerBound
      while index < block.upperBound {
        let words = stream.block(firstBlock + index / 4)
        for lane in 0..<min(4, block.upperBound - index) {
          values[index + lane] = words[lane] >= threshold ? values[index + lane] * scale : 0
        }
        index += 4
      }
    }
    return firstBlock + blocks
  }

  /// gradient := gradient / (1 - p), in place: the gradient of what was kept.
  ///
  /// What was dropped is 0 in the output, so the ReLU before it, whose output that is, has
  /// made its gradient 0 already. Dense views.
  package static func scaleGradient(
    _ gradient: TensorView, probability: Float, on team: ThreadTeam
  ) {
    precondition(gradient.isDense && probability >= 0 && probability < 1)
    let context = (gradient.base, 1 / (1 - probability))
    forEachBlock(gradient.shape.count, context, on: team) { context, block in
      let (values, scale) = context
      for index in block { values[index] *= scale }
    }
  }
}
