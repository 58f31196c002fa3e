// The soft Dice loss of one sample, alone or beside the cross-entropy.

import Glibc
package import Tensors
package import Threading

/// One minus the mean soft Dice coefficient of the classes that occur in a sample.
///
///     D(k) = 2 sum of p(k) g(k) / (sum of p(k) + sum of g(k)),  loss = 1 - mean over k of D(k)
///
/// with p the softmax, g the labels as 0 and 1, and sums over the sample's pixels that are neither ignored
/// nor of a class that is left out (Milletari et al. 2016). No class is taken for the background: which one is does not show in its
/// number. A class that is not in the sample has no coefficient: with one, however it is smoothed, all
/// samples without a rare class push its probability to 0, where the few with it cannot raise it.
/// A sample without any class has the loss 0.
package struct SoftDice: SegmentationLoss {
  /// Added to it and to its gradient, if any.
  package let pixelLoss: SoftmaxCrossEntropy?
  /// The classes that are left out wherever they occur: their pixels count for no class, so that nothing is
  /// learnt from them.
  package let omitted: Set<Int>

  /// The Dice loss, plus the mean of `pixelLoss` where there is one.
  package init(plus pixelLoss: SoftmaxCrossEntropy? = nil, omitting omitted: Set<Int> = []) {
    self.pixelLoss = pixelLoss
    self.omitted = omitted
  }

  /// For each class the sums of p g, of p and of g; what the pixel loss takes is less.
  package func workspacePerRow(classes: Int) -> Int { 3 * classes }

  /// The loss and its gradient; see ``SegmentationLoss``.
  ///
  /// Weights count in the pixel loss only.
  package func lossAndGradient(
    logits: TensorView, labels: UnsafePointer<UInt8>, weights: UnsafePointer<Float>?,
    scale: Float, gradient: TensorView, workspace: UnsafeMutablePointer<Double>,
    on team: ThreadTeam
  ) -> Double {
    precondition(logits.shape == gradient.shape && logits.isDense && gradient.isDense)
    let shape = logits.shape
    let pixelSum = pixelLoss.map {
      $0.lossAndGradient(
        logits: logits, labels: labels, weights: weights, scale: scale, gradient: gradient,
        workspace: workspace, on: team)
    }
    let classes = shape.channels
    let counts = (0...255).map { $0 != Int(ignoredLabel) && !omitted.contains($0) }
    team.forEach(shape.height, (logits, labels, workspace, counts)) { context, y, _ in
      Self.sum(
        context.0, context.1, counting: context.3, row: y,
        into: context.2 + y * 3 * context.0.shape.channels)
    }
    // The derivatives by p(k), at pixels of other classes and of class k, take the place of sums which
    // have been read: those of class k and below, in the first row.
    let slopes = workspace
    func total(_ k: Int, _ index: Int) -> Double {
      rowTotal(workspace, rows: shape.height, perRow: 3 * classes, index: 3 * k + index)
    }
    let learnt = (0..<classes).count { total($0, 2) > 0 }
    var loss = learnt == 0 ? 0 : 1.0
    for k in 0..<classes {
      let (both, size, isPresent) = (2 * total(k, 0), total(k, 1) + total(k, 2), total(k, 2) > 0)
      guard isPresent else {
        (slopes[2 * k], slopes[2 * k + 1]) = (0, 0)
        continue
      }
      let share = 1 / Double(learnt)
      loss -= share * both / size
      slopes[2 * k] = share * both / (size * size)
      slopes[2 * k + 1] = share * (both / (size * size) - 2 / size)
    }
    // The loss counts once for each pixel, so its derivative does too.
    let factor = scale * Float(shape.pixels)
    let isAdded = pixelLoss != nil
    team.forEach(shape.height, (logits, labels, gradient, slopes, factor, isAdded, counts)) {
      context, y, _ in
      Self.differentiate(
        context.0, context.1, counting: context.6, row: y, slopes: context.3, factor: context.4,
        isAdded: context.5, into: context.2)
    }
    return loss * Double(shape.pixels) + (pixelSum ?? 0)
  }

  /// sums [classes, 3] := the sums of p g, of p and of g over the pixels of one row whose label counts.
  private static func sum(
    _ logits: TensorView, _ labels: UnsafePointer<UInt8>, counting counts: [Bool], row y: Int,
    into sums: UnsafeMutablePointer<Double>
  ) {
    let (width, classes) = (logits.shape.width, logits.shape.channels)
    for index in 0..<3 * classes { sums[index] = 0 }
    for x in 0..<width where counts[Int(labels[y * width + x])] {
      let (pixel, label) = (logits.pixel(y, x), Int(labels[y * width + x]))
      let logSum = Softmax.logSumOfExponentials(pixel, classes)
      for k in 0..<classes {
        let probability = Double(exp(pixel[k] - logSum))
        sums[3 * k + 1] += probability
        if k == label {
          sums[3 * k] += probability
          sums[3 * k + 2] += 1
        }
      }
    }
  }

  /// gradient of one row := or += factor * p(k) (q(k) - sum over j of p(j) q(j)), with q the
  /// derivatives by the probabilities; 0 at pixels whose label does not count.
  private static func differentiate(
    _ logits: TensorView, _ labels: UnsafePointer<UInt8>, counting counts: [Bool], row y: Int,
    slopes: UnsafePointer<Double>, factor: Float, isAdded: Bool, into gradient: TensorView
  ) {
    let (width, classes) = (logits.shape.width, logits.shape.channels)
    for x in 0..<width {
      let (pixel, target) = (logits.pixel(y, x), gradient.pixel(y, x))
      guard counts[Int(labels[y * width + x])] else {
        if !isAdded { for k in 0..<classes { target[k] = 0 } }
        continue
      }
      let label = Int(labels[y * width + x])
      let logSum = Softmax.logSumOfExponentials(pixel, classes)
      var mean: Float = 0
      for k in 0..<classes {
        mean += exp(pixel[k] - logSum) * Float(slopes[2 * k + (k == label ? 1 : 0)])
      }
      for k in 0..<classes {
        let slope = Float(slopes[2 * k + (k == label ? 1 : 0)])
        let value = factor * exp(pixel[k] - logSum) * (slope - mean)
        target[k] = isAdded ? target[k] + value : value
      }
    }
  }
}
