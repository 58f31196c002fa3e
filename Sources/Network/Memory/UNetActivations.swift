// The memory of a pass through the network: every activation and gradient, planned once.

import Kernels
package import Tensors

/// The activations of a U-Net for one tile, and for training their gradients.
///
/// A backward pass writes the gradient of an activation over it. The plan knows when each buffer is
/// written first and read last, so buffers that are never needed at the same time share memory.
/// Nothing is allocated in a pass.
package final class UNetActivations: @unchecked Sendable {
  // Unchecked: one pass at a time uses it, and the kernels divide the writing.

  /// The extents of the tile.
  package let input: ImageShape
  /// The scores of each class for each pixel of the output, written by `UNet.forward`.
  package let logits: TensorView
  /// The gradient of the loss by the logits, read by `UNet.backward`; nil for inference.
  package let logitsGradient: TensorView?
  /// Workspace of a loss: as many Doubles for each row of the output as were asked for.
  package let lossWorkspace: UnsafeMutablePointer<Double>
  /// Bytes of memory held.
  package let byteCount: Int

  /// The units that the backward pass computes again, by their places in `UNet.layers`.
  let recomputed: Set<Int>
  /// For each layer whether the backward pass under way has computed its output again.
  let computedAgain: UnsafeMutableBufferPointer<Bool>
  private let layers: [LayerMemory]
  private let arena: Arena

  /// Where the sums of a unit lie and what becomes of them, in one place where there is no
  /// normalization between them; in the backward pass later their gradients.
  struct Places {
    let sums: TensorView
    let output: TensorView

    /// Their centred part.
    func centred(_ part: ImageShape) -> Places {
      Places(
        sums: sums.centred(height: part.height, width: part.width),
        output: output.centred(height: part.height, width: part.width))
    }
  }

  /// The memory of a unit's normalization.
  struct NormalizationMemory {
    let kernel: ChannelNormalization
    let statistics: UnsafeMutablePointer<Float>
  }

  /// The memory of a layer with parameters.
  struct UnitMemory {
    let kernel: UnitKernel
    let normalization: NormalizationMemory?
    let forward: Places
    /// Those of the backward pass; for inference those of the forward pass, and of no use.
    let backward: Places
    /// The centre of the output that goes across in the forward pass, kept by itself, and where the
    /// backward pass finds it and writes its gradient; nil where it is a part of the output, or all of it.
    let skip: (forward: TensorView, backward: TensorView)?
    let workspaces: Workspaces

    /// Where the backward pass finds the centre of sums and output, of the extents of `part`.
    func backwardCentre(_ part: ImageShape) -> Places {
      guard let skip else { return backward.centred(part) }
      return Places(
        sums: backward.sums.centred(height: part.height, width: part.width), output: skip.backward)
    }
  }

  /// The workspace of a unit: in the forward pass, where its output is computed again, and in the backward pass;
  /// for inference always the first.
  struct Workspaces {
    let forward: ConvolutionWorkspace
    let again: ConvolutionWorkspace
    let backward: ConvolutionWorkspace
  }

  /// The memory of a pooling.
  struct PoolingMemory {
    /// The pooled features; later their gradient.
    let output: TensorView
    /// Which of four values was the largest, for each value of the output.
    let indices: UnsafeMutablePointer<UInt8>
  }

  fileprivate enum LayerMemory {
    case unit(UnitMemory)
    case pooling(PoolingMemory)
  }

  /// Plans and allocates the memory for tiles of `height` x `width`.
  ///
  /// - Precondition: both are legal tile sizes of the configuration.
  package init(
    _ network: UNet, height: Int, width: Int, training: Bool, threads: Int,
    recomputation: Recomputation = .least, lossWorkspacePerRow: Int = 1
  ) throws(AllocationError) {
    let plan = UNetActivationPlan(
      network, height: height, width: width, training: training, threads: threads,
      recomputation: recomputation, lossWorkspacePerRow: lossWorkspacePerRow)
    let arena = try plan.arena.allocate(for: "activations")
    self.arena = arena
    input = plan.input
    recomputed = plan.recomputed
    computedAgain = .allocate(capacity: plan.layers.count)
    computedAgain.initialize(repeating: false)
    byteCount = arena.count * MemoryLayout<Float>.stride
    layers = plan.layers.map { LayerMemory($0, in: arena) }
    logits = arena.view(plan.logits)
    logitsGradient = plan.layers[plan.layers.count - 1].backward.map { arena.view($0.output) }
    lossWorkspace = UnsafeMutableRawPointer(arena.pointer(plan.lossWorkspace)).bindMemory(
      to: Double.self, capacity: lossWorkspacePerRow * plan.logits.shape.height)
  }

  deinit { computedAgain.deallocate() }

  /// The memory of a unit of this network.
  subscript(unit: ConvolutionUnit) -> UnitMemory {
    guard case .unit(let memory) = layers[unit.index] else {
      preconditionFailure("\(unit.name) of another network")
    }
    return memory
  }

  /// The memory of a pooling of this network.
  subscript(pooling: PoolingLayer) -> PoolingMemory {
    guard case .pooling(let memory) = layers[pooling.index] else {
      preconditionFailure("\(pooling.name) of another network")
    }
    return memory
  }
}

extension UNetActivations.LayerMemory {
  fileprivate init(_ layer: PlannedLayer, in arena: Arena) {
    let forward = arena.places(layer.forward)
    switch layer.kernel {
    case .unit(let kernel):
      guard let workspaces = layer.workspaces else {
        preconditionFailure("a unit without workspace")
      }
      self = .unit(
        UNetActivations.UnitMemory(
          kernel: kernel,
          normalization: layer.normalization.map {
            UNetActivations.NormalizationMemory(
              kernel: $0.kernel, statistics: arena.pointer($0.statistics))
          },
          forward: forward, backward: layer.backward.map { arena.places($0) } ?? forward,
          skip: layer.skip.map { (arena.view($0.forward), arena.view($0.backward ?? $0.forward)) },
          workspaces: arena.workspaces(workspaces)))
    case .pooling:
      guard let indices = layer.indices else { preconditionFailure("a pooling without places") }
      self = .pooling(
        UNetActivations.PoolingMemory(
          output: forward.output,
          indices: UnsafeMutableRawPointer(arena.pointer(indices)).bindMemory(
            to: UInt8.self, capacity: forward.output.shape.count)))
    }
  }
}

extension Arena {
  fileprivate func view(_ buffer: PlannedBuffer) -> TensorView { view(buffer.part, buffer.shape) }

  fileprivate func workspaces(_ planned: PlannedWorkspaces) -> UNetActivations.Workspaces {
    func workspace(_ planned: PlannedWorkspace) -> ConvolutionWorkspace {
      ConvolutionWorkspace(
        threads: pointer(planned.threads), threadStride: planned.size.thread,
        shared: pointer(planned.shared))
    }
    let forward = workspace(planned.forward)
    return UNetActivations.Workspaces(
      forward: forward, again: planned.again.map(workspace) ?? forward,
      backward: planned.backward.map(workspace) ?? forward)
  }

  fileprivate func places(_ places: PlannedPlaces) -> UNetActivations.Places {
    UNetActivations.Places(sums: view(places.sums), output: view(places.output))
  }
}
