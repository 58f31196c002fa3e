// What is to be seen of an evaluation beyond its scores: validation images and weights.

package import Imaging
package import Reports

/// Validation images with what the network says of them, and the spread of its weights.
package struct EvaluationView: Sendable {
  /// Validation images that are shown at most.
  package static let imageLimit = 3
  /// Pixels of an image beyond which it is not shown: rank 0 predicts it while the others wait.
  package static let pixelLimit = 1 << 20

  /// The updates made before.
  package var step: Int
  /// Pictures by name: of an image its prediction and its truth.
  package var pictures: [(name: String, image: Image)]
  /// The weights by the parameter's name.
  package var weights: [(name: String, histogram: ValueHistogram)]
}
