// The gradient of a bias: the sum over pixels of the output's gradient.

import Tensors
import Threading

/// Sums over the pixels of an image.
enum BiasGradient {
  /// Rows of an image in a slice of the sum: a fixed number, so that the order of the sum never
  /// depends on the number of threads.
  private static let rowsInSlice = 8

  private static func slices(_ shape: ImageShape) -> Int {
    (shape.height + rowsInSlice - 1) / rowsInSlice
  }

  /// Workspace for an image of `shape`, in floats.
  static func workspaceCount(_ shape: ImageShape) -> Int { slices(shape) * shape.channels }

  /// biasGradient(c) += sum over y, x of gradient(y, x, c): slices in Float, their sum in Double.
  static func add(
    _ gradient: TensorView, to biasGradient: UnsafeMutablePointer<Float>,
    workspace: UnsafeMutablePointer<Float>, on team: ThreadTeam
  ) {
    let slices = slices(gradient.shape)
    team.forEach(slices, (gradient, workspace)) { context, slice, _ in
      let (gradient, workspace) = context
      let shape = gradient.shape
      let sums = workspace + slice * shape.channels
      sums.update(repeating: 0, count: shape.channels)
      for y in slice * rowsInSlice..<min((slice + 1) * rowsInSlice, shape.height) {
        for x in 0..<shape.width {
          let gradients = gradient.pixel(y, x)
          for c in 0..<shape.channels { sums[c] += gradients[c] }
        }
      }
    }
    let channels = gradient.shape.channels
    for c in 0..<channels {
      var sum = 0.0
      for slice in 0..<slices { sum += Double(workspace[slice * channels + c]) }
      biasGradient[c] += Float(sum)
    }
  }
}
