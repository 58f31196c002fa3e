// The pixel-wise softmax, and the weighted cross-entropy of its probabilities.

import Glibc
package import Tensors
package import Threading

/// The pixel-wise softmax p(k) = exp(a(k)) / sum over j of exp(a(j)), and its cross-entropy.
///
/// Exponentials are taken of a(k) - max a, so they do not overflow. Ronneberger et al. 2015,
/// section 3: the loss is the sum over pixels of w(x) log p(l(x)), with the sign that makes it fall.
package struct SoftmaxCrossEntropy: SegmentationLoss {
  /// One weight a class, or nil for 1.
  package let classWeights: [Float]?

  /// A loss with these weights of the classes.
  package init(classWeights: [Float]? = nil) { self.classWeights = classWeights }

  /// The loss and its gradient; see ``SegmentationLoss``.
  ///
  ///     loss = sum over pixels of w(label) * -log p(label)
  ///     gradient(y, x, k) := w(label) * (p(k) - [k = label]) * scale
  package func lossAndGradient(
    logits: TensorView, labels: UnsafePointer<UInt8>, scale: Float, gradient: TensorView,
    rowSums: UnsafeMutablePointer<Double>, on team: ThreadTeam
  ) -> Double {
    guard let classWeights else {
      return Self.lossAndGradient(
        logits, labels, nil, scale: scale, gradient: gradient, rowSums: rowSums, on: team)
    }
    precondition(
      classWeights.count >= logits.shape.channels,
      "\(classWeights.count) weights for \(logits.shape.channels) classes")
    return classWeights.withUnsafeBufferPointer { weights in
      Self.lossAndGradient(
        logits, labels, weights.baseAddress, scale: scale, gradient: gradient, rowSums: rowSums,
        on: team)
    }
  }

  private static func lossAndGradient(
    _ logits: TensorView, _ labels: UnsafePointer<UInt8>, _ classWeights: UnsafePointer<Float>?,
    scale: Float, gradient: TensorView, rowSums: UnsafeMutablePointer<Double>, on team: ThreadTeam
  ) -> Double {
    precondition(logits.shape == gradient.shape && logits.isDense && gradient.isDense)
    let context = (logits, labels, classWeights, scale, gradient, rowSums)
    team.forEach(logits.shape.height, context) { context, y, _ in
      let (logits, labels, classWeights, scale, gradient, rowSums) = context
      let (width, classes) = (logits.shape.width, logits.shape.channels)
      var sum = 0.0
      for x in 0..<width {
        let pixel = logits.pixel(y, x)
        let target = gradient.pixel(y, x)
        let label = Int(labels[y * width + x])
        let weight = classWeights?[label] ?? 1
        let logSum = logSumOfExponentials(pixel, classes)
        sum += Double(weight) * Double(logSum - pixel[label])
        for k in 0..<classes {
          let probability = exp(pixel[k] - logSum)
          target[k] = weight * (probability - (k == label ? 1 : 0)) * scale
        }
      }
      rowSums[y] = sum
    }
    return total(rowSums, logits.shape.height)
  }

  /// log of the sum of exp(logits(k)), by way of the largest logit.
  @inline(__always)
  private static func logSumOfExponentials(_ logits: UnsafePointer<Float>, _ count: Int) -> Float {
    var largest = logits[0]
    for k in 1..<max(count, 1) { largest = max(largest, logits[k]) }
    var sum: Float = 0
    for k in 0..<count { sum += exp(logits[k] - largest) }
    return largest + log(sum)
  }

  private static func total(_ rowSums: UnsafePointer<Double>, _ count: Int) -> Double {
    var sum = 0.0
    for row in 0..<count { sum += rowSums[row] }
    return sum
  }
}
