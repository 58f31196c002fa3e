// The memory of a pass through the network: every activation and gradient, planned once.

import Kernels
import Tensors

/// The activations of a U-Net for one tile, and for training their gradients.
///
/// A backward pass writes the gradient of an activation over it. The plan knows when each buffer is written first and read last, so buffers that are never needed
/// at the same time share memory. Nothing is allocated in a pass.
package final class UNetActivations: @unchecked Sendable {
  // Unchecked: one pass at a time uses it, and the kernels divide the writing.

  /// The extents of the tile.
  package let input: ImageShape
  /// The scores of each class for each pixel of the output, written by `UNet.forward`.
  package let logits: TensorView
  /// The gradient of the loss by the logits, read by `UNet.backward`; nil for inference.
  package let logitsGradient: TensorView?
  /// Workspace of one Double for each row of the output.
  package let rowSums: UnsafeMutablePointer<Double>
  /// Bytes of memory held.
  package let byteCount: Int

  let down: [DownMemory]
  let up: [UpMemory]
  let head: Convolution
  let workspace: ConvolutionWorkspace
  private let arena: Arena

  /// A convolution and its output; later the output's gradient.
  struct Layer {
    let convolution: Convolution
    let output: TensorView
  }

  /// A level of the contracting path.
  struct DownMemory {
    let first: Layer
    /// Where the backward pass computes the first output anew; nil where it is kept.
    let recomputedFirst: TensorView?
    let second: Layer
    /// Missing at the bottleneck.
    let pooling: Pooling?
  }

  /// The pooled features below a level, later their gradient, and what takes it back.
  struct Pooling {
    let output: TensorView
    let indices: UnsafeMutablePointer<UInt8>
  }

  /// A level of the expansive path.
  struct UpMemory {
    let upConvolution: UpConvolution
    let upOutput: TensorView
    let first: Layer
    let second: Layer
  }

  /// Plans and allocates the memory for tiles of `height` x `width`.
  ///
  /// - Precondition: both are legal tile sizes of the configuration.
  package init(
    _ network: UNet, height: Int, width: Int, training: Bool, threads: Int
  ) throws(AllocationError) {
    let plan = UNetActivationPlan(
      network, height: height, width: width, training: training, threads: threads)
    let arena = try plan.arena.allocate(for: "activations")
    self.arena = arena
    input = plan.input
    byteCount = arena.count * MemoryLayout<Float>.stride
    down = plan.down.map { stage in
      DownMemory(
        first: stage.first.resolved(in: arena),
        recomputedFirst: stage.recomputedFirst.map { arena.view($0.part, $0.shape) },
        second: stage.second.resolved(in: arena),
        pooling: stage.pooling.map { pooling in
          Pooling(
            output: arena.view(pooling.buffer.part, pooling.buffer.shape),
            indices: UnsafeMutableRawPointer(arena.pointer(pooling.indices)).bindMemory(
              to: UInt8.self, capacity: pooling.buffer.shape.count))
        })
    }
    up = plan.up.map { stage in
      UpMemory(
        upConvolution: stage.upConvolution,
        upOutput: arena.view(stage.buffer.part, stage.buffer.shape),
        first: stage.first.resolved(in: arena), second: stage.second.resolved(in: arena))
    }
    head = plan.head
    logits = arena.view(plan.logits.part, plan.logits.shape)
    logitsGradient = plan.logitsGradient.map { arena.view($0, plan.logits.shape) }
    workspace = ConvolutionWorkspace(
      threads: arena.pointer(plan.threadWorkspace), threadStride: plan.workspaceSize.thread,
      shared: arena.pointer(plan.sharedWorkspace))
    rowSums = UnsafeMutableRawPointer(arena.pointer(plan.rowSums)).bindMemory(
      to: Double.self, capacity: head.output.height)
  }

  /// Multiply-adds of a forward pass by the direct algorithm.
  package var multiplyAdds: Int {
    down.reduce(0) { $0 + $1.first.convolution.multiplyAdds + $1.second.convolution.multiplyAdds }
      + up.reduce(0) {
        $0 + $1.upConvolution.multiplyAdds + $1.first.convolution.multiplyAdds
          + $1.second.convolution.multiplyAdds
      } + head.multiplyAdds
  }
}

extension PlannedLayer {
  fileprivate func resolved(in arena: Arena) -> UNetActivations.Layer {
    UNetActivations.Layer(
      convolution: convolution, output: arena.view(buffer.part, buffer.shape))
  }
}
