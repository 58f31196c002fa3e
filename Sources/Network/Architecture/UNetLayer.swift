// The layers of a U-Net in forward order, and the one walk through their shapes.

package import Tensors

/// A layer of the network, and whose outputs it reads.
package struct UNetLayer: Sendable {
  /// What the layer computes.
  package enum Operation: Sendable {
    /// A layer with parameters.
    case unit(ConvolutionUnit)
    /// 2x2 max pooling.
    case pooling(PoolingLayer)
  }

  package let operation: Operation
  /// The places in `UNet.layers` of the layers that it reads, side by side in channels, each cropped
  /// about its centre to the extents of the last; none for the image.
  package let sources: [Int]

  /// The name, unique in the network.
  package var name: String {
    switch operation {
    case .unit(let unit): unit.name
    case .pooling(let pooling): pooling.name
    }
  }

  /// Weights and biases, scales and shifts.
  package var parameterCount: Int {
    switch operation {
    case .unit(let unit): unit.parameterCount
    case .pooling: 0
    }
  }

  /// The extents of its output for an input of these extents.
  package func output(of input: ImageShape) -> ImageShape {
    switch operation {
    case .unit(let unit): unit.output(of: input)
    case .pooling(let pooling): pooling.output(of: input)
    }
  }

  /// Multiply-adds of a forward pass by the direct algorithm.
  package func multiplyAdds(of input: ImageShape) -> Int {
    switch operation {
    case .unit(let unit): unit.multiplyAdds(of: input)
    case .pooling: 0
    }
  }
}

/// 2x2 max pooling with stride 2.
package struct PoolingLayer: Sendable {
  /// Its place in `UNet.layers`.
  package let index: Int
  package let name: String

  /// The extents of its output for an input of these extents, which are even.
  package func output(of input: ImageShape) -> ImageShape {
    ImageShape(height: input.height / 2, width: input.width / 2, channels: input.channels)
  }
}

/// The extents of what a layer reads, its sources joined, and of what it writes.
package struct LayerShape: Sendable {
  package let input: ImageShape
  package let output: ImageShape
}

extension UNet {
  /// The extents of every layer for a tile of `height` x `width`, in forward order.
  ///
  /// - Precondition: both are legal tile sizes of the configuration.
  package func shapes(height: Int, width: Int) -> [LayerShape] {
    precondition(
      configuration.outputSide(tile: height) != nil && configuration.outputSide(tile: width) != nil,
      "a tile of \(height) x \(width), which is not legal")
    let image = ImageShape(height: height, width: width, channels: configuration.inputChannels)
    var shapes: [LayerShape] = []
    for layer in layers {
      let sources = layer.sources.map { shapes[$0].output }
      var input = sources.last ?? image
      if !sources.isEmpty { input.channels = sources.reduce(0) { $0 + $1.channels } }
      shapes.append(LayerShape(input: input, output: layer.output(of: input)))
    }
    return shapes
  }

  /// Multiply-adds of a forward pass by the direct algorithm, for a tile of `height` x `width`.
  ///
  /// - Precondition: both are legal tile sizes of the configuration.
  package func multiplyAdds(height: Int, width: Int) -> Int {
    zip(layers, shapes(height: height, width: width)).reduce(0) { sum, layer in
      sum + layer.0.multiplyAdds(of: layer.1.input)
    }
  }
}

/// Multiply-adds in units of 10^9 floating-point operations, two each.
package func gflop(_ multiplyAdds: Int) -> Double { 2 * Double(multiplyAdds) / 1e9 }
