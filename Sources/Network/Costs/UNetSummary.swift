// The summary of a U-Net: layers with their shapes, parameters, multiply-adds and memory.

package import Kernels
package import Tensors

/// The layers of a U-Net for one tile size, and what they cost; no memory is allocated for it.
package struct UNetSummary: Sendable {
  /// One layer in forward order.
  package struct Layer: Sendable {
    /// The name its parameters begin with; `down.LEVEL.pool` for a pooling.
    package let name: String
    /// The extents of what it reads, all sources together.
    package let input: ImageShape
    /// The extents of its output.
    package let output: ImageShape
    /// Weights and biases, scales and shifts.
    package let parameterCount: Int
    /// Multiply-adds of its forward pass by the direct algorithm.
    package let multiplyAdds: Int
    /// Bytes of its output, of the sums that a normalization reads, and of the places of the largest for a pooling.
    package let activationByteCount: Int
    /// The layer, whose sources tell how many images it reads.
    package let layer: UNetLayer
    /// What computes it.
    package let kernel: LayerKernel
    /// How it is computed; nil for a pooling.
    package var plan: LayerPlan? { kernel.plan }
  }

  /// The bytes of a training run on one rank.
  package struct TrainingMemory: Sendable, Equatable {
    /// The parameters.
    package let parameters: Int
    /// Their gradients.
    package let gradients: Int
    /// The momentum of SGD, one value a parameter.
    package let momentum: Int
    /// Activations, their gradients and workspace, where buffers share what they can.
    package let arena: Int

    /// All of it.
    package var total: Int { parameters + gradients + momentum + arena }
  }

  /// A legal tile and the output it gives.
  package struct TileSize: Sendable, Equatable {
    /// The side of the tile.
    package let input: Int
    /// The side of its output.
    package let output: Int
  }

  /// The architecture.
  package let configuration: UNetConfiguration
  /// The extents of the tile.
  package let input: ImageShape
  /// The layers in forward order.
  package let layers: [Layer]
  /// Workspace that serves the kernel of every layer, forward and backward.
  package let workspaceSize: WorkspaceSize

  /// The layers of `network` for tiles of `height` x `width`.
  ///
  /// - Precondition: both are legal tile sizes of the configuration.
  package init(_ network: UNet, height: Int, width: Int) {
    let plan = UNetActivationPlan(
      network, height: height, width: width, training: true, threads: 1)
    configuration = network.configuration
    input = plan.input
    workspaceSize = plan.workspaceSize
    layers = zip(network.layers, plan.layers).map { layer, planned in
      let output = planned.forward.output.shape
      // A place of the largest is a byte; sums before a normalization are kept too.
      let valueByteCount =
        MemoryLayout<Float>.stride * (planned.normalization == nil ? 1 : 2)
        + (planned.indices == nil ? 0 : 1)
      return Layer(
        name: layer.name, input: planned.input, output: output,
        parameterCount: layer.parameterCount, multiplyAdds: layer.multiplyAdds(of: planned.input),
        activationByteCount: output.count * valueByteCount, layer: layer, kernel: planned.kernel)
    }
  }
}

// MARK: - Totals

extension UNetSummary {
  /// Parameters in all.
  package var parameterCount: Int { layers.reduce(0) { $0 + $1.parameterCount } }

  /// Multiply-adds of a forward pass by the direct algorithm.
  package var multiplyAdds: Int { layers.reduce(0) { $0 + $1.multiplyAdds } }

  /// Bytes of all activations, were none to share memory with another.
  package var activationByteCount: Int { layers.reduce(0) { $0 + $1.activationByteCount } }

  /// What a rank needs to train with `threads` threads, apart from its data.
  package func trainingMemory(
    threads: Int, recomputation: Recomputation = .least
  ) -> TrainingMemory {
    let parameters = parameterCount * MemoryLayout<Float>.stride
    return TrainingMemory(
      parameters: parameters, gradients: parameters, momentum: parameters,
      arena: arenaByteCount(training: true, threads: threads, recomputation: recomputation))
  }

  /// Bytes of the parameters, the activations and the workspace of inference.
  package func inferenceByteCount(threads: Int) -> Int {
    parameterCount * MemoryLayout<Float>.stride + arenaByteCount(training: false, threads: threads)
  }

  private func arenaByteCount(
    training: Bool, threads: Int, recomputation: Recomputation = .least
  ) -> Int {
    let plan = UNetActivationPlan(
      UNet(configuration), height: input.height, width: input.width, training: training,
      threads: threads, recomputation: recomputation)
    return plan.arena.floatCount * MemoryLayout<Float>.stride
  }

  /// The legal tile sizes of an architecture, the smallest first, through `limit`.
  package static func legalTiles(
    _ configuration: UNetConfiguration, through limit: Int
  ) -> [TileSize] {
    (1...max(1, limit)).compactMap { side in
      configuration.outputSide(tile: side).map { TileSize(input: side, output: $0) }
    }
  }
}
