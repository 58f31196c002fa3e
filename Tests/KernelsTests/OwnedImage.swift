// An image with memory of its own, to hand to kernels as a view.

import Kernels
import Tensors
import TestSupport

/// An image with memory of its own.
final class OwnedImage {
  let buffer: FloatBuffer
  let shape: ImageShape

  init(_ height: Int, _ width: Int, _ channels: Int) {
    shape = ImageShape(height: height, width: width, channels: channels)
    buffer = lasting(FloatBuffer(count: shape.count))
    // What a kernel fails to overwrite shows.
    buffer.floats.update(repeating: .nan)
  }

  convenience init(_ image: ReferenceImage) {
    self.init(image.height, image.width, image.channels)
    for (index, value) in image.values.enumerated() { buffer.base[index] = value }
  }

  var view: TensorView { TensorView(base: buffer.base, shape: shape) }
  var values: [Float] { Array(buffer.floats) }
}

extension FloatBuffer {
  convenience init(_ values: [Float]) {
    self.init(count: values.count)
    _ = lasting(self)
    for (index, value) in values.enumerated() { base[index] = value }
  }

  var values: [Float] { Array(floats) }
}

/// The buffer, kept for the rest of the program.
///
/// A view does not keep its memory alive, and a buffer ends after the last line that names it. The
/// tests are short, so their memory may stay.
private func lasting(_ buffer: FloatBuffer) -> FloatBuffer {
  Unmanaged.passRetained(buffer).takeUnretainedValue()
}

/// Workspace of the size that a kernel asks for, filled with NaN.
func makeWorkspace(_ size: WorkspaceSize, threads: Int) -> ConvolutionWorkspace {
  let perThread = lasting(FloatBuffer(count: size.thread * threads))
  let shared = lasting(FloatBuffer(count: size.shared))
  perThread.floats.update(repeating: .nan)
  shared.floats.update(repeating: .nan)
  return ConvolutionWorkspace(
    threads: perThread.base, threadStride: size.thread, shared: shared.base)
}

/// Weights in the order of the kernels, from those of files.
func kernelOrder(_ weights: [Float], shape: [Int], _ order: ParameterOrder) -> [Float] {
  var layout = ParameterLayout()
  _ = layout.reserveWeights("weight", shape: shape, order: order, fanIn: 1)
  let buffer = FloatBuffer(count: weights.count)
  layout.parameters[0].store(fileValues: weights, to: buffer.base)
  return buffer.values
}

/// Weights in the order of files, from those of the kernels.
func fileOrder(_ weights: [Float], shape: [Int], _ order: ParameterOrder) -> [Float] {
  var layout = ParameterLayout()
  _ = layout.reserveWeights("weight", shape: shape, order: order, fanIn: 1)
  return layout.parameters[0].fileValues(from: FloatBuffer(weights).base)
}
