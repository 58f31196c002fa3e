// The softmax of one pixel in double precision, the same for scores and for masks.

import Glibc

/// The softmax of each pixel of a view, with workspace for a team of threads.
///
/// Training uses the kernel in single precision. Here the sum over a whole data set and an entropy
/// are wanted, and beside a pass of the network the precision costs nothing.
package struct PixelSoftmax: ~Copyable {
  private let classes: Int
  private let stride: Int
  private let workspace: UnsafeMutablePointer<Double>

  /// Workspace for pixels of `classes` scores on `threads` threads.
  package init(classes: Int, threads: Int) {
    self.classes = classes
    // Whole cache lines of 8 doubles, so that threads do not write to each other's.
    stride = (classes + 7) / 8 * 8
    workspace = .allocate(capacity: stride * threads)
  }

  deinit { workspace.deallocate() }

  /// The probabilities of one pixel, valid until the thread's next call, and the log of the sum of
  /// the exponentials of its scores.
  ///
  /// p(k) = exp(a(k) - max a) / sum over j of exp(a(j) - max a).
  @inline(__always)
  package func callAsFunction(
    _ scores: UnsafePointer<Float>, thread: Int
  ) -> (probabilities: UnsafePointer<Double>, logSum: Double) {
    let probabilities = workspace + thread * stride
    var largest = scores[0]
    for k in 1..<max(classes, 1) { largest = max(largest, scores[k]) }
    var sum = 0.0
    for k in 0..<classes {
      probabilities[k] = exp(Double(scores[k]) - Double(largest))
      sum += probabilities[k]
    }
    for k in 0..<classes { probabilities[k] /= sum }
    return (UnsafePointer(probabilities), Double(largest) + log(sum))
  }
}
