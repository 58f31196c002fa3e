// The optimiser: its state, and one update of all parameters.

import Kernels
import Tensors
import Threading

/// The rule that turns gradients into new weights, with the state it keeps between steps.
public final class Optimizer {
  /// The rule.
  public let kind: OptimizerKind
  /// The velocities of momentum, or the first moments of Adam, in the order of the parameters.
  public let momenta: FloatBuffer
  /// The second moments of Adam; nil for momentum.
  public let variances: FloatBuffer?

  private let momentum: Float
  private let weightDecay: Float
  /// Consecutive parameters that decay, or do not, as ranges of the flat buffer.
  private let spans: [(range: Range<Int>, decays: Bool)]

  /// An optimiser with empty state for parameters of this layout.
  public init(
    kind: OptimizerKind, momentum: Double, weightDecay: Double, layout: ParameterLayout
  ) {
    self.kind = kind
    self.momentum = Float(momentum)
    self.weightDecay = Float(weightDecay)
    momenta = FloatBuffer(count: layout.count)
    variances = kind == .sgd ? nil : FloatBuffer(count: layout.count)
    guard weightDecay != 0 else {
      spans = [(0..<layout.count, false)]
      return
    }
    spans = layout.parameters.reduce(into: []) { spans, parameter in
      let end = parameter.slot.offset + parameter.slot.count
      if let last = spans.last, last.decays == parameter.decays {
        spans[spans.count - 1].range = last.range.lowerBound..<end
      } else {
        spans.append((parameter.slot.offset..<end, parameter.decays))
      }
    }
  }

  /// The parts of the state that a checkpoint keeps, by the name under which it keeps them.
  public var state: [(name: String, values: FloatBuffer)] {
    [("momentum", momenta)] + (variances.map { [("variance", $0)] } ?? [])
  }

  /// Updates the parameters from gradients times `gradientScale`.
  ///
  /// `update` is the number of this update, from 1.
  public func update(
    _ parameters: FloatBuffer, gradients: FloatBuffer, gradientScale: Float, rate: Double,
    update: Int, on team: ThreadTeam
  ) {
    for (range, decays) in spans {
      let decay = decays ? weightDecay : 0
      if let variances {
        OptimizerUpdates.adam(
          weights: parameters.base + range.lowerBound,
          gradients: gradients.base + range.lowerBound,
          momenta: momenta.base + range.lowerBound, variances: variances.base + range.lowerBound,
          count: range.count, rate: rate, step: update, weightDecay: decay,
          decoupled: kind == .adamw, gradientScale: gradientScale, on: team)
      } else {
        OptimizerUpdates.momentum(
          weights: parameters.base + range.lowerBound,
          gradients: gradients.base + range.lowerBound,
          velocities: momenta.base + range.lowerBound, count: range.count, rate: Float(rate),
          momentum: momentum, weightDecay: decay, gradientScale: gradientScale, on: team)
      }
    }
  }
}
