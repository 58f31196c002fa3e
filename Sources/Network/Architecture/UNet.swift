// The U-Net: its layers in forward order, and its parameters.

package import Randomness
package import Tensors
package import Threading

/// The U-Net of Ronneberger, Fischer and Brox 2015 (arXiv 1505.04597).
///
/// A network is its configuration and the places of its parameters; the parameters themselves, their
/// gradients and the optimiser's state are flat buffers in the order of `layout`, and the memory
/// of a step is a `UNetActivations`. Backward finishes gradients from the end of the buffer.
package struct UNet: Sendable {
  /// The architecture.
  package let configuration: UNetConfiguration
  /// The parameters in forward order; their names are the keys of checkpoints.
  package let layout: ParameterLayout

  /// All layers in forward order.
  package let layers: [UNetLayer]

  /// A level of the contracting path: two 3x3 convolutions, then pooling; none at the bottleneck.
  struct ContractingStage {
    let first: ConvolutionUnit
    let second: ConvolutionUnit
    let pooling: PoolingLayer?
  }

  /// A level of the expansive path: up-convolution, then two convolutions over [skip, up].
  struct ExpansiveStage {
    let upConvolution: ConvolutionUnit
    let first: ConvolutionUnit
    let second: ConvolutionUnit
  }

  /// The contracting path by level; the last is the bottleneck.
  let down: [ContractingStage]
  /// The expansive path by the level of its skip.
  let up: [ExpansiveStage]
  let head: ConvolutionUnit

  /// A network of this architecture.
  ///
  /// - Precondition: the configuration was checked: positive sizes, depth at least 1.
  package init(_ configuration: UNetConfiguration) {
    self.configuration = configuration
    let depth = configuration.depth
    var builder = UNetBuilder(configuration)
    var features: Int?

    down = (0...depth).map { level in
      let channels = configuration.channels(level: level)
      let first = builder.unit(
        "down.\(level).conv1", .convolution(kernel: 3), from: features.map { [$0] } ?? [],
        inputChannels: level == 0
          ? configuration.inputChannels : configuration.channels(level: level - 1),
        outputChannels: channels)
      let second = builder.unit(
        "down.\(level).conv2", .convolution(kernel: 3), from: [first.index],
        inputChannels: channels, outputChannels: channels,
        dropout: level >= depth - 1 ? configuration.dropout : 0)
      let pooling =
        level < depth ? builder.pooling("down.\(level).pool", of: second.index) : nil
      features = pooling?.index ?? second.index
      return ContractingStage(first: first, second: second, pooling: pooling)
    }

    var up: [ExpansiveStage] = []
    var below = down[depth].second
    for level in (0..<depth).reversed() {
      let channels = configuration.channels(level: level)
      let upConvolution = builder.unit(
        "up.\(level).upconv", .upConvolution(configuration.upsampling), from: [below.index],
        inputChannels: 2 * channels, outputChannels: channels, appliesReLU: false)
      let first = builder.unit(
        "up.\(level).conv1", .convolution(kernel: 3),
        from: [down[level].second.index, upConvolution.index], inputChannels: 2 * channels,
        outputChannels: channels)
      below = builder.unit(
        "up.\(level).conv2", .convolution(kernel: 3), from: [first.index],
        inputChannels: channels, outputChannels: channels)
      up.append(ExpansiveStage(upConvolution: upConvolution, first: first, second: below))
    }
    self.up = up.reversed()

    head = builder.unit(
      "head", .convolution(kernel: 1), from: [below.index],
      inputChannels: configuration.baseChannels, outputChannels: configuration.classes,
      appliesReLU: false)
    layout = builder.layout
    layers = builder.layers
  }

  /// Overwrites the parameters with initial values.
  ///
  /// Weights are normal with standard deviation sqrt(2 / N), N the incoming weights of one neuron
  /// (section 3 of the paper, after He et al. 2015); biases are 0, scales 1. Parameter number i uses sample
  /// i of the stream, values 2 j and 2 j + 1 in the order of files its j-th pair of normal values.
  /// The same bits for any team or none.
  ///
  /// The 2 is for the half that a ReLU drops. With `isCalibrated` layers without one have sqrt(1 / N),
  /// and the head a tenth of that, so that all classes are nearly as probable at first and the loss is
  /// near ln(classes).
  package func initialize(
    _ parameters: UnsafeMutablePointer<Float>, seed: UInt64, isCalibrated: Bool = false,
    on team: ThreadTeam? = nil
  ) {
    // By the place of a layer's weights: the variance that it wants of its sums.
    let gains = layers.reduce(into: [Int: Float]()) { gains, layer in
      guard case .unit(let unit) = layer.operation, !unit.appliesReLU else { return }
      gains[unit.weight.offset] = unit.index == head.index ? 0.01 : 1
    }
    for (index, parameter) in layout.parameters.enumerated() {
      let slot = parameter.slot
      guard let fanIn = parameter.fanIn else {
        (parameters + slot.offset).update(repeating: parameter.initialValue, count: slot.count)
        continue
      }
      let stream = RandomStream(seed: seed, purpose: .initialization, sample: index)
      let gain = isCalibrated ? gains[slot.offset] ?? 2 : 2
      let deviation = (gain / Float(fanIn)).squareRoot()
      let pieces = (slot.count + Self.initializedTogether - 1) / Self.initializedTogether

      func initialize(piece: Int) {
        let start = piece * Self.initializedTogether
        // A value takes a word, and a block has four.
        var stream = stream.starting(atBlock: start / 4)
        for value in stride(
          from: start, to: min(start + Self.initializedTogether, slot.count), by: 2)
        {
          let (first, second) = stream.normalPair()
          let target = parameters + slot.offset
          target[parameter.place(ofFileValue: value)] = first * deviation
          if value + 1 < slot.count {
            target[parameter.place(ofFileValue: value + 1)] = second * deviation
          }
        }
      }
      if let team {
        team.forEach(pieces, ()) { _, piece, _ in initialize(piece: piece) }
      } else {
        for piece in 0..<pieces { initialize(piece: piece) }
      }
    }
  }

  /// Values that one thread initialises at a time: whole blocks of the stream.
  private static let initializedTogether = 16_384
}

/// Lays out layers and their parameters in forward order.
private struct UNetBuilder {
  let configuration: UNetConfiguration
  var layout = ParameterLayout()
  var layers: [UNetLayer] = []

  init(_ configuration: UNetConfiguration) { self.configuration = configuration }

  mutating func unit(
    _ name: String, _ operation: ConvolutionUnit.Operation, from sources: [Int],
    inputChannels: Int, outputChannels: Int, appliesReLU: Bool = true, dropout: Float = 0
  ) -> ConvolutionUnit {
    let unit = ConvolutionUnit(
      name, index: layers.count, operation: operation, inputChannels: inputChannels,
      outputChannels: outputChannels, padding: configuration.padding, appliesReLU: appliesReLU,
      normalization: appliesReLU ? configuration.normalization : .none, dropout: dropout,
      readsImage: sources.isEmpty, in: &layout)
    layers.append(UNetLayer(operation: .unit(unit), sources: sources))
    return unit
  }

  mutating func pooling(_ name: String, of source: Int) -> PoolingLayer {
    let pooling = PoolingLayer(index: layers.count, name: name)
    layers.append(UNetLayer(operation: .pooling(pooling), sources: [source]))
    return pooling
  }
}

/// Dropout in a forward pass: the probability is the configuration's.
package struct DropoutKey: Sendable {
  package let stream: RandomStream

  /// The masks of this stream, one stream for each sample of each step.
  package init(_ stream: RandomStream) { self.stream = stream }
}
