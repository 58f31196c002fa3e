// A probe of the arithmetic: the bits that this build computes on this machine, in a few bytes.

import Files
import Foundation
import Kernels
import Network
import Randomness
import Tensors
import Threading

/// A small step of training whose bits tell builds and machines apart that would train differently.
///
/// Bits depend on the matrix kernels, on the instruction set that the program was compiled for, on
/// the compiler, and on how the network divides its work. Instead of listing those, the probe runs
/// one forward and backward pass and an update of a small fixed network and digests what came out.
/// Ranks whose digests differ do not start, and a run that is resumed where the digest is another
/// one warns. Equal digests are a strong hint and no proof: layers of other sizes may take other
/// paths.
package enum ArithmeticProbe {
  /// The digest of this process, in hexadecimal; computed once, in some milliseconds.
  ///
  /// - Throws: `AllocationError`.
  package static var digest: String { get throws { try measured.get() } }

  private static let measured = Result { try measure() }

  private static func measure() throws -> String {
    let network = UNet(
      UNetConfiguration(
        inputChannels: 1, classes: 2, baseChannels: 16, depth: 2, padding: .zero,
        upsampling: .nearest, dropout: 0.5))
    let tile = 32
    let team = ThreadTeam(count: 1)
    let activations = try UNetActivations(
      network, height: tile, width: tile, training: true, threads: 1)
    let parameters = FloatBuffer(count: network.layout.count)
    let gradients = FloatBuffer(count: network.layout.count)
    network.initialize(parameters.base, seed: 1)
    VectorSums.clear(gradients.base, count: gradients.count, on: team)

    let image = FloatBuffer(count: tile * tile)
    var stream = RandomStream(seed: 1, purpose: .synthesis)
    for index in 0..<image.count { image.base[index] = stream.normalPair().0 }
    var labels = (0..<tile * tile).map { UInt8($0 / 3 % 2) }
    let view = TensorView(base: image.base, shape: activations.input)
    network.forward(
      view, parameters: parameters.base, activations: activations,
      dropout: DropoutKey(RandomStream(seed: 1, purpose: .dropout)), on: team)
    guard let logitsGradient = activations.logitsGradient else {
      preconditionFailure("activations for training have a gradient of the logits")
    }
    var loss = SoftmaxCrossEntropy().lossAndGradient(
      logits: activations.logits, labels: &labels, weights: nil, scale: 1,
      gradient: logitsGradient, workspace: activations.lossWorkspace, on: team)
    network.backward(
      view, parameters: parameters.base, activations: activations, gradients: gradients.base,
      dropped: true, on: team
    ) { _ in }
    let optimizer = try Optimizer(
      kind: .adam, momentum: 0, weightDecay: 0.01, layout: network.layout)
    optimizer.update(
      parameters, gradients: gradients, range: 0..<gradients.count, gradientScale: 0.5, rate: 0.001,
      update: 1, on: team)

    var hash = SHA256()
    withUnsafeBytes(of: &loss) { hash.update($0) }
    for buffer in [gradients, parameters] {
      hash.update(UnsafeRawBufferPointer(buffer.floats))
    }
    return hash.finalize().prefix(8).hexadecimal
  }
}
