// The gradients of biases and of the rectifier that follows them.

import Tensors
import Threading

/// Rows of an image in a slice of a sum over its pixels: a fixed number, so that the order of the
/// sum never depends on the number of threads.
private let rowsInSlice = 8

/// Gradients that pass through a rectified convolution's output.
public enum BiasGradient {
  /// Scratch memory for an image of `shape`, in floats.
  public static func scratchCount(_ shape: ImageShape) -> Int {
    (shape.height + rowsInSlice - 1) / rowsInSlice * shape.channels
  }

  /// Takes a gradient back through the rectifier, and sums it for the bias.
  ///
  ///     gradient(y, x, c) := scale * gradient(y, x, c) where output(y, x, c) > 0, else 0
  ///     biasGradient(c) += sum over y, x of gradient(y, x, c)
  ///
  /// A value that dropout took away is 0 in the output as well, so `scale` = 1 / (1 - p) is all
  /// that dropout's gradient needs. The gradient is overwritten in place; dense views.
  public static func rectifier(
    output: TensorView, gradient: TensorView, scale: Float,
    biasGradient: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>,
    on team: ThreadTeam
  ) {
    precondition(
      output.shape == gradient.shape && output.isDense && gradient.isDense,
      "a rectifier's gradient of \(gradient.shape) for \(output.shape)")
    let context = (output, gradient, scale)
    sumSlices(
      gradient.shape, context, biasGradient: biasGradient, scratch: scratch, on: team
    ) { context, y, sums in
      let (output, gradient, scale) = context
      let channels = gradient.shape.channels
      for x in 0..<gradient.shape.width {
        let values = output.pixel(y, x)
        let gradients = gradient.pixel(y, x)
        var c = 0
        while c + 16 <= channels {
          let passed = Vector(repeating: 0).replacing(
            with: gradients.vector(c) * scale, where: values.vector(c) .> 0)
          gradients.store(passed, at: c)
          sums.store(sums.vector(c) + passed, at: c)
          c += 16
        }
        while c < channels {
          let passed = values[c] > 0 ? gradients[c] * scale : 0
          gradients[c] = passed
          sums[c] += passed
          c += 1
        }
      }
    }
  }

  /// biasGradient(c) += sum over y, x of gradient(y, x, c), for outputs without a rectifier.
  public static func linear(
    gradient: TensorView, biasGradient: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>, on team: ThreadTeam
  ) {
    sumSlices(
      gradient.shape, gradient, biasGradient: biasGradient, scratch: scratch, on: team
    ) { gradient, y, sums in
      let channels = gradient.shape.channels
      for x in 0..<gradient.shape.width {
        let gradients = gradient.pixel(y, x)
        for c in 0..<channels { sums[c] += gradients[c] }
      }
    }
  }

  /// Runs `body` for every row with the sums of its slice, then adds the slices in Double.
  private static func sumSlices<Context>(
    _ shape: ImageShape, _ context: Context, biasGradient: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>, on team: ThreadTeam,
    _ body: @escaping (_ context: Context, _ y: Int, _ sums: UnsafeMutablePointer<Float>) -> Void
  ) {
    let slices = (shape.height + rowsInSlice - 1) / rowsInSlice
    let slicing = Slicing(shape: shape, scratch: scratch, context: context, body: body)
    team.forEach(slices, slicing) { slicing, slice, _ in
      let channels = slicing.shape.channels
      let sums = slicing.scratch + slice * channels
      sums.update(repeating: 0, count: channels)
      for y in slice * rowsInSlice..<min((slice + 1) * rowsInSlice, slicing.shape.height) {
        slicing.body(slicing.context, y, sums)
      }
    }
    for c in 0..<shape.channels {
      var sum = 0.0
      for slice in 0..<slices { sum += Double(scratch[slice * shape.channels + c]) }
      biasGradient[c] += Float(sum)
    }
  }

  /// A loop over slices of rows.
  private struct Slicing<Context> {
    let shape: ImageShape
    let scratch: UnsafeMutablePointer<Float>
    let context: Context
    let body: (Context, Int, UnsafeMutablePointer<Float>) -> Void
  }
}
