// The weighted cross-entropy of the pixel-wise softmax, focal or not.

import Glibc
package import Tensors
package import Threading

/// The cross-entropy of the softmax at every pixel, and its focal form.
///
///     loss = (n / m) sum over pixels of w(x) w(label) (1 - p(label))^gamma * -log p(label)
///
/// with n pixels in all, of which m are not ignored, so that ignored pixels do not make the loss of the
/// others less; gamma = 0 for the cross-entropy of Ronneberger et al. 2015, section 3, and gamma = 2 for the
/// focal loss of Lin et al. 2017 (arXiv 1708.02002), which turns to pixels that are still wrong.
package struct SoftmaxCrossEntropy: SegmentationLoss {
  /// One weight a class, or nil for 1.
  package let classWeights: [Float]?
  /// Whether the loss is focal.
  package let isFocal: Bool

  /// A loss with these weights of the classes.
  package init(classWeights: [Float]? = nil, isFocal: Bool = false) {
    self.classWeights = classWeights
    self.isFocal = isFocal
  }

  package func workspacePerRow(classes: Int) -> Int { 1 }

  /// The loss and its gradient; see ``SegmentationLoss``.
  ///
  ///     gradient(y, x, k) := scale * w * f * (p(k) - [k = label])
  ///
  /// with f = 1, or for the focal loss (1 - p)^2 - 2 p (1 - p) log p at the label.
  package func lossAndGradient(
    logits: TensorView, labels: UnsafePointer<UInt8>, weights: UnsafePointer<Float>?,
    scale: Float, gradient: TensorView, workspace: UnsafeMutablePointer<Double>,
    on team: ThreadTeam
  ) -> Double {
    precondition(logits.shape == gradient.shape && logits.isDense && gradient.isDense)
    let classes = logits.shape.channels
    let pixels = logits.shape.pixels
    let labelled = pixels - Self.ignoredCount(labels, count: pixels)
    guard labelled > 0 else {
      (gradient.base).update(repeating: 0, count: gradient.shape.count)
      return 0
    }
    let share = Float(pixels) / Float(labelled)
    func run(_ classWeights: UnsafePointer<Float>?) {
      let context = Operands(
        logits: logits, labels: labels, weights: weights, classWeights: classWeights,
        scale: scale * share, gradient: gradient, rowSums: workspace, isFocal: isFocal)
      team.forEach(logits.shape.height, context) { context, y, _ in context.row(y) }
    }
    if let classWeights {
      precondition(
        classWeights.count >= classes, "\(classWeights.count) weights for \(classes) classes")
      classWeights.withUnsafeBufferPointer { run($0.baseAddress) }
    } else {
      run(nil)
    }
    return rowTotal(workspace, rows: logits.shape.height) * Double(share)
  }

  /// The ignored ones among so many labels.
  private static func ignoredCount(_ labels: UnsafePointer<UInt8>, count: Int) -> Int {
    var ignored = 0
    for place in 0..<count where labels[place] == ignoredLabel { ignored += 1 }
    return ignored
  }

  private struct Operands {
    let logits: TensorView
    let labels: UnsafePointer<UInt8>
    let weights: UnsafePointer<Float>?
    let classWeights: UnsafePointer<Float>?
    let scale: Float
    let gradient: TensorView
    let rowSums: UnsafeMutablePointer<Double>
    let isFocal: Bool

    func row(_ y: Int) {
      let (width, classes) = (logits.shape.width, logits.shape.channels)
      var sum = 0.0
      for x in 0..<width {
        let pixel = logits.pixel(y, x)
        let target = gradient.pixel(y, x)
        guard labels[y * width + x] != ignoredLabel else {
          for k in 0..<classes { target[k] = 0 }
          continue
        }
        let label = Int(labels[y * width + x])
        var weight = classWeights?[label] ?? 1
        if let weights { weight *= weights[y * width + x] }
        let logSum = Softmax.logSumOfExponentials(pixel, classes)
        let entropy = logSum - pixel[label]
        if isFocal {
          let probability = exp(-entropy)
          let rest = 1 - probability
          sum += Double(weight) * Double(rest * rest * entropy)
          weight *= rest * rest + 2 * probability * rest * entropy
        } else {
          sum += Double(weight) * Double(entropy)
        }
        for k in 0..<classes {
          let probability = exp(pixel[k] - logSum)
          target[k] = weight * (probability - (k == label ? 1 : 0)) * scale
        }
      }
      rowSums[y] = sum
    }
  }
}
