// The pixel-wise softmax, and the weighted cross-entropy of its probabilities.

import Glibc
import Tensors
import Threading

/// The pixel-wise softmax p(k) = exp(a(k)) / sum over j of exp(a(j)), and its cross-entropy.
///
/// Exponentials are taken of a(k) - max a, so they do not overflow. Ronneberger et al. 2015,
/// section 3: the loss is the sum over pixels of w(x) log p(l(x)), with the sign that makes it fall.
package enum SoftmaxCrossEntropy {
  /// The loss and its gradient.
  ///
  ///     loss = sum over pixels of w(label) * -log p(label)
  ///     gradient(y, x, k) := w(label) * (p(k) - [k = label]) * scale
  ///
  /// `logits` and `gradient` are dense, height x width x classes, and may be the same memory;
  /// `labels` are dense, height x width, each below the number of classes; `classWeights` has one
  /// weight a class, or is nil for 1. `scale` divides by the global batch and the output pixels.
  /// `rowSums` is workspace of one Double a row.
  ///
  /// - Returns: the sum over pixels, unscaled, added up in Double in the order of rows.
  package static func lossAndGradient(
    logits: TensorView, labels: UnsafePointer<UInt8>, classWeights: UnsafePointer<Float>?,
    scale: Float, gradient: TensorView, rowSums: UnsafeMutablePointer<Double>, on team: ThreadTeam
  ) -> Double {
    precondition(logits.shape == gradient.shape && logits.isDense && gradient.isDense)
    let context = (logits, labels, classWeights, scale, gradient, rowSums)
    team.forEach(logits.shape.height, context) { context, y, _ in
      let (logits, labels, classWeights, scale, gradient, rowSums) = context
      let (width, classes) = (logits.shape.width, logits.shape.channels)
      var sum = 0.0
      for x in 0..<width {
        let scores = logits.pixel(y, x)
        let target = gradient.pixel(y, x)
        let label = Int(labels[y * width + x])
        let weight = classWeights?[label] ?? 1
        let logSum = logSumOfExponentials(scores, classes)
        sum += Double(weight) * Double(logSum - scores[label])
        for k in 0..<classes {
          let probability = exp(scores[k] - logSum)
          target[k] = weight * (probability - (k == label ? 1 : 0)) * scale
        }
      }
      rowSums[y] = sum
    }
    return total(rowSums, logits.shape.height)
  }

  /// The loss alone, as `lossAndGradient` returns it.
  package static func loss(
    logits: TensorView, labels: UnsafePointer<UInt8>, classWeights: UnsafePointer<Float>?,
    rowSums: UnsafeMutablePointer<Double>, on team: ThreadTeam
  ) -> Double {
    let context = (logits, labels, classWeights, rowSums)
    team.forEach(logits.shape.height, context) { context, y, _ in
      let (logits, labels, classWeights, rowSums) = context
      let (width, classes) = (logits.shape.width, logits.shape.channels)
      var sum = 0.0
      for x in 0..<width {
        let scores = logits.pixel(y, x)
        let label = Int(labels[y * width + x])
        sum +=
          Double(classWeights?[label] ?? 1)
          * Double(logSumOfExponentials(scores, classes) - scores[label])
      }
      rowSums[y] = sum
    }
    return total(rowSums, logits.shape.height)
  }

  /// probabilities(y, x, k) := p(k); dense views, which may be the same memory.
  package static func probabilities(
    logits: TensorView, into probabilities: TensorView, on team: ThreadTeam
  ) {
    precondition(logits.shape == probabilities.shape)
    team.forEach(logits.shape.height, (logits, probabilities)) { context, y, _ in
      let (logits, probabilities) = context
      let classes = logits.shape.channels
      for x in 0..<logits.shape.width {
        let scores = logits.pixel(y, x)
        let target = probabilities.pixel(y, x)
        let logSum = logSumOfExponentials(scores, classes)
        for k in 0..<classes { target[k] = exp(scores[k] - logSum) }
      }
    }
  }

  /// log of the sum of exp(scores(k)), by way of the largest score.
  @inline(__always)
  private static func logSumOfExponentials(_ scores: UnsafePointer<Float>, _ count: Int) -> Float {
    var largest = scores[0]
    for k in 1..<max(count, 1) { largest = max(largest, scores[k]) }
    var sum: Float = 0
    for k in 0..<count { sum += exp(scores[k] - largest) }
    return largest + log(sum)
  }

  private static func total(_ rowSums: UnsafePointer<Double>, _ count: Int) -> Double {
    var sum = 0.0
    for row in 0..<count { sum += rowSums[row] }
    return sum
  }
}
