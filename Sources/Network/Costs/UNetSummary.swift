// What a U-Net costs: its layers with their shapes, parameters, multiply-adds and memory.

import Kernels
import Tensors

/// The layers of a U-Net for one tile size, and what they cost; no memory is allocated for it.
package struct UNetSummary: Sendable {
  /// One layer in forward order.
  package struct Layer: Sendable {
    /// The name its parameters begin with; `down.LEVEL.pool` for a pooling.
    package let name: String
    /// The extents of its output.
    package let output: ImageShape
    /// Weights and biases.
    package let parameterCount: Int
    /// Multiply-adds of its forward pass by the direct algorithm.
    package let multiplyAdds: Int
    /// Bytes of its output, and of the places of the largest for a pooling.
    package let activationByteCount: Int
    /// How it is computed; nil for a pooling.
    package var plan: LayerPlan? {
      switch kernel {
      case .convolution(let convolution, _, _): convolution.plan
      case .upConvolution(let upConvolution): upConvolution.plan
      case .pooling: nil
      }
    }
    /// The kernel that computes it; its parameters follow the layer's name in the layout.
    package let kernel: Kernel
  }

  /// A kernel as the network calls it.
  package enum Kernel: Sendable {
    /// A convolution of one image, or of two side by side in channels.
    case convolution(Convolution, sources: Int, appliesReLU: Bool)
    /// A doubling of rows and columns.
    case upConvolution(UpConvolution)
    /// 2x2 max pooling.
    case pooling
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
    var layers: [Layer] = []

    func add(
      _ name: String, _ layer: ConvolutionLayer, _ convolution: Convolution, sources: Int = 1,
      appliesReLU: Bool = true
    ) {
      layers.append(
        Layer(
          name: name, output: convolution.output,
          parameterCount: layer.weight.count + layer.bias.count,
          multiplyAdds: convolution.multiplyAdds,
          activationByteCount: convolution.output.count * MemoryLayout<Float>.stride,
          kernel: .convolution(convolution, sources: sources, appliesReLU: appliesReLU)))
    }

    for (level, stage) in plan.down.enumerated() {
      add("down.\(level).conv1", network.down[level].first, stage.first.convolution)
      add("down.\(level).conv2", network.down[level].second, stage.second.convolution)
      if let pooling = stage.pooling {
        let shape = pooling.buffer.shape
        layers.append(
          Layer(
            name: "down.\(level).pool", output: shape, parameterCount: 0, multiplyAdds: 0,
            activationByteCount: shape.count * (MemoryLayout<Float>.stride + 1), kernel: .pooling))
      }
    }
    for (level, stage) in plan.up.enumerated().reversed() {
      let upsampling = network.up[level].upConvolution
      layers.append(
        Layer(
          name: "up.\(level).upconv", output: stage.upConvolution.output,
          parameterCount: upsampling.weight.count + upsampling.bias.count,
          multiplyAdds: stage.upConvolution.multiplyAdds,
          activationByteCount: stage.upConvolution.output.count * MemoryLayout<Float>.stride,
          kernel: .upConvolution(stage.upConvolution)))
      let block = network.up[level].block
      add("up.\(level).conv1", block.first, stage.first.convolution, sources: 2)
      add("up.\(level).conv2", block.second, stage.second.convolution)
    }
    add("head", network.head, plan.head, appliesReLU: false)
    self.layers = layers
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
  package func trainingMemory(threads: Int) -> TrainingMemory {
    let parameters = parameterCount * MemoryLayout<Float>.stride
    return TrainingMemory(
      parameters: parameters, gradients: parameters, momentum: parameters,
      arena: arenaByteCount(training: true, threads: threads))
  }

  /// Bytes of the parameters, the activations and the workspace of inference.
  package func inferenceByteCount(threads: Int) -> Int {
    parameterCount * MemoryLayout<Float>.stride + arenaByteCount(training: false, threads: threads)
  }

  private func arenaByteCount(training: Bool, threads: Int) -> Int {
    let plan = UNetActivationPlan(
      UNet(configuration), height: input.height, width: input.width, training: training,
      threads: threads)
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
