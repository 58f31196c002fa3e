// The optimiser: its state, and updates of parameters.

package import Tensors
package import Threading

/// The rule that turns gradients into new weights, with the state it keeps between steps.
///
/// An optimiser may keep the state of some chunks of the parameters only, where other ranks keep the
/// rest; the updates are element by element, so the chunks do not change a bit.
package final class Optimizer {
  /// The rule.
  package let kind: OptimizerKind
  /// The velocities of momentum, or the first moments of Adam, of the chunks in order.
  package let firstMoments: FloatBuffer
  /// The second moments of Adam; nil for momentum.
  package let secondMoments: FloatBuffer?
  /// The exponential moving averages of the weights; nil without averaging.
  package let averages: FloatBuffer?
  /// The parameters whose state is kept, ascending, as ranges of the flat buffer.
  package let chunks: [Range<Int>]

  private let momentum: Float
  private let isNesterov: Bool
  private let averageDecay: Double
  private let weightDecay: Float
  /// Consecutive parameters of one role, as ranges of the flat buffer.
  private let spans: [(range: Range<Int>, role: ParameterRole)]

  /// An optimiser with empty state for parameters of this layout, or for `chunks` of them.
  ///
  /// With an `averageDecay` above 0 it keeps averages of the weights, which `beginAverages` sets.
  package init(
    kind: OptimizerKind, momentum: Double, weightDecay: Double, layout: ParameterLayout,
    isNesterov: Bool = false, averageDecay: Double = 0, chunks: [Range<Int>]? = nil
  ) throws(AllocationError) {
    self.kind = kind
    self.momentum = Float(momentum)
    self.isNesterov = isNesterov
    self.averageDecay = averageDecay
    self.weightDecay = Float(weightDecay)
    self.chunks = chunks ?? [0..<layout.count]
    let stateCount = self.chunks.reduce(0) { $0 + $1.count }
    firstMoments = try FloatBuffer(count: stateCount, for: "optimiser state")
    secondMoments =
      kind == .sgd ? nil : try FloatBuffer(count: stateCount, for: "optimiser state")
    averages = averageDecay > 0 ? try FloatBuffer(count: stateCount, for: "averages") : nil
    spans = layout.parameters.reduce(into: []) { spans, parameter in
      let end = parameter.slot.offset + parameter.slot.count
      // Without weight decay one loop serves all that is trained.
      let role = parameter.role == .decaying && weightDecay == 0 ? .trained : parameter.role
      if let last = spans.last, last.role == role {
        spans[spans.count - 1].range = last.range.lowerBound..<end
      } else {
        spans.append((parameter.slot.offset..<end, role))
      }
    }
  }

  /// The parts of the state that a checkpoint keeps, by the name under which it keeps them; each
  /// holds the chunks one after the other.
  package var state: [(name: String, values: FloatBuffer)] {
    [("momentum", firstMoments)] + (secondMoments.map { [("variance", $0)] } ?? [])
      + (averages.map { [(Self.averagesName, $0)] } ?? [])
  }

  /// The name of the averages among the parts of the state.
  package static let averagesName = "average"

  /// Empties the state, as it is before the first update.
  package func clear() {
    for (_, values) in state { values.floats.update(repeating: 0) }
  }

  /// Sets the averages to the parameters, where a run begins.
  package func beginAverages(_ parameters: FloatBuffer) {
    guard let averages else { return }
    var place = 0
    for chunk in chunks {
      (averages.base + place).update(from: parameters.base + chunk.lowerBound, count: chunk.count)
      place += chunk.count
    }
  }

  /// What running averages of statistics keep in an update.
  private static let statisticsKept: Float = 0.9

  /// What averages keep in update number `update`: less than the decay in the first updates, so that
  /// they are not dragged by the weights of the start (as in TensorFlow's ExponentialMovingAverage).
  private func kept(update: Int) -> Float {
    Float(min(averageDecay, Double(1 + update) / Double(10 + update)))
  }

  /// Updates the parameters in `range`, as far as their state is kept, from gradients times
  /// `gradientScale`.
  ///
  /// A statistic s becomes 0.9 s + 0.1 g, where g is what stands in its place of the gradients (as
  /// PyTorch's momentum of 0.1 has it).
  ///
  /// `update` is the number of this update, from 1.
  package func update(
    _ parameters: FloatBuffer, gradients: FloatBuffer, range: Range<Int>, gradientScale: Float,
    rate: Double, update: Int, on team: ThreadTeam
  ) {
    var stateOffset = 0
    for chunk in chunks {
      let place = stateOffset
      stateOffset += chunk.count
      let part = chunk.clamped(to: range)
      if part.isEmpty { continue }
      for (span, role) in spans where span.overlaps(part) {
        let run = span.clamped(to: part)
        updateRun(
          parameters.base + run.lowerBound, gradients: gradients.base + run.lowerBound,
          stateOffset: place + run.lowerBound - chunk.lowerBound, count: run.count,
          role: role, gradientScale: gradientScale, rate: rate,
          update: update, on: team)
      }
    }
  }

  private func updateRun(
    _ weights: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>, stateOffset: Int,
    count: Int, role: ParameterRole, gradientScale: Float, rate: Double, update: Int,
    on team: ThreadTeam
  ) {
    let weightDecay = role == .decaying ? weightDecay : 0
    if role == .statistic {
      OptimizerUpdates.average(
        weights, weights: gradients, count: count, keep: Self.statisticsKept, on: team)
    } else if let secondMoments {
      OptimizerUpdates.adam(
        weights: weights, gradients: gradients, firstMoments: firstMoments.base + stateOffset,
        secondMoments: secondMoments.base + stateOffset, count: count, rate: rate, step: update,
        weightDecay: weightDecay, decoupled: kind == .adamw, gradientScale: gradientScale, on: team)
    } else {
      OptimizerUpdates.momentum(
        weights: weights, gradients: gradients, velocities: firstMoments.base + stateOffset,
        count: count, rate: Float(rate), momentum: momentum, weightDecay: weightDecay,
        gradientScale: gradientScale, isNesterov: isNesterov, on: team)
    }
    if let averages {
      OptimizerUpdates.average(
        averages.base + stateOffset, weights: weights, count: count, keep: kept(update: update),
        on: team)
    }
  }
}
