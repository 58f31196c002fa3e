// The U-Net: its layers in forward order, and its parameters.

import Randomness
import Tensors
import Threading

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

  /// The contracting path by level; the last is the bottleneck.
  package let down: [ConvolutionBlock]
  /// The expansive path by the level of its skip.
  package let up: [UpStage]
  package let head: ConvolutionLayer

  /// A network of this architecture.
  ///
  /// - Precondition: the configuration was checked: positive sizes, depth at least 1.
  package init(_ configuration: UNetConfiguration) {
    self.configuration = configuration
    let depth = configuration.depth
    var layout = ParameterLayout()
    down = (0...depth).map { level in
      ConvolutionBlock(
        "down.\(level)",
        inputChannels: level == 0
          ? configuration.inputChannels : configuration.channels(level: level - 1),
        outputChannels: configuration.channels(level: level), in: &layout)
    }
    up = Array(
      (0..<depth).reversed().map { level in
        UpStage(
          "up.\(level)", channels: configuration.channels(level: level),
          upsampling: configuration.upsampling, in: &layout)
      }.reversed())
    head = ConvolutionLayer(
      "head", inputChannels: configuration.baseChannels, outputChannels: configuration.classes,
      kernel: 1, in: &layout)
    self.layout = layout
  }

  /// Overwrites the parameters with initial values.
  ///
  /// Weights are normal with standard deviation sqrt(2 / N), N the incoming weights of one neuron
  /// (section 3 of the paper, after He et al. 2015); biases are 0. Parameter number i uses sample
  /// i of the stream, values 2 j and 2 j + 1 in the order of files its j-th pair of normal values.
  /// The same bits for any team or none.
  package func initialize(
    _ parameters: UnsafeMutablePointer<Float>, seed: UInt64, on team: ThreadTeam? = nil
  ) {
    for (index, parameter) in layout.parameters.enumerated() {
      let slot = parameter.slot
      guard let fanIn = parameter.fanIn else {
        (parameters + slot.offset).update(repeating: 0, count: slot.count)
        continue
      }
      let stream = RandomStream(seed: seed, purpose: .initialization, sample: index)
      let deviation = (2 / Float(fanIn)).squareRoot()
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

/// Dropout in a forward pass: the probability is the configuration's.
package struct DropoutKey: Sendable {
  package let stream: RandomStream

  /// The masks of this stream, one stream for each sample of each step.
  package init(_ stream: RandomStream) { self.stream = stream }
}
