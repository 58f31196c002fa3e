// The optimisers' updates of flat buffers, and the norm that clipping needs.

package import Threading

/// Updates of weights from gradients, as PyTorch defines them, one pass over memory each.
package enum OptimizerUpdates {
  /// Stochastic gradient descent with momentum.
  ///
  ///     g := gradientScale * gradient + weightDecay * weight
  ///     velocity := momentum * velocity + g
  ///     weight := weight - rate * (velocity, or g + momentum * velocity for Nesterov's form)
  ///
  /// Source: PyTorch's `torch.optim.SGD` with dampening 0.
  package static func momentum(
    weights: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    velocities: UnsafeMutablePointer<Float>, count: Int, rate: Float, momentum: Float,
    weightDecay: Float, gradientScale: Float, isNesterov: Bool = false, on team: ThreadTeam
  ) {
    let context = (
      (weights, gradients, velocities), rate, momentum, weightDecay, gradientScale, isNesterov
    )
    forEachBlock(count, context, on: team) { context, block in
      let (buffers, rate, momentum, weightDecay, gradientScale, isNesterov) = context
      let (weights, gradients, velocities) = buffers
      for index in block {
        let gradient = gradients[index] * gradientScale + weights[index] * weightDecay
        let velocity = velocities[index] * momentum + gradient
        velocities[index] = velocity
        weights[index] -= rate * (isNesterov ? gradient + momentum * velocity : velocity)
      }
    }
  }

  /// Adam (Kingma and Ba 2015, arXiv 1412.6980), or AdamW (Loshchilov and Hutter 2019,
  /// arXiv 1711.05101) when `decoupled`.
  ///
  ///     g := gradientScale * gradient (+ weightDecay * weight unless decoupled)
  ///     m := b1 m + (1 - b1) g;   v := b2 v + (1 - b2) g^2
  ///     weight := weight (1 - rate weightDecay if decoupled)
  ///               - rate / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + epsilon)
  ///
  /// `step` is t, from 1. Source: PyTorch's `torch.optim.Adam` and `AdamW`.
  package static func adam(
    weights: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    firstMoments: UnsafeMutablePointer<Float>, secondMoments: UnsafeMutablePointer<Float>,
    count: Int,
    rate: Double, step: Int, weightDecay: Float, decoupled: Bool, gradientScale: Float,
    on team: ThreadTeam
  ) {
    let (firstDecay, secondDecay, epsilon) = (0.9, 0.999, Float(1e-8))
    let stepRate = Float(rate / (1 - power(firstDecay, step)))
    let varianceScale = Float(1 / (1 - power(secondDecay, step)).squareRoot())
    let keep = decoupled ? Float(1 - rate * Double(weightDecay)) : 1
    let coupled = decoupled ? 0 : weightDecay
    let (b1, b2) = (Float(firstDecay), Float(secondDecay))
    let (c1, c2) = (Float(1 - firstDecay), Float(1 - secondDecay))
    let context = (
      buffers: (weights, gradients, firstMoments, secondMoments), decays: (b1, b2, c1, c2),
      scales: (gradientScale, coupled, keep, stepRate, varianceScale, epsilon)
    )
    forEachBlock(count, context, on: team) { context, block in
      let (weights, gradients, firstMoments, secondMoments) = context.buffers
      let (b1, b2, c1, c2) = context.decays
      let (gradientScale, coupled, keep, stepRate, varianceScale, epsilon) = context.scales
      for index in block {
        let gradient = gradients[index] * gradientScale + weights[index] * coupled
        let m = firstMoments[index] * b1 + gradient * c1
        let v = secondMoments[index] * b2 + gradient * gradient * c2
        firstMoments[index] = m
        secondMoments[index] = v
        weights[index] =
          weights[index] * keep - stepRate * m / (v.squareRoot() * varianceScale + epsilon)
      }
    }
  }

  /// average := keep * average + (1 - keep) * weight; accumulated.
  package static func average(
    _ averages: UnsafeMutablePointer<Float>, weights: UnsafePointer<Float>, count: Int,
    keep: Float, on team: ThreadTeam
  ) {
    forEachBlock(count, (averages, weights, keep, 1 - keep), on: team) { context, block in
      let (averages, weights, keep, rest) = context
      for index in block { averages[index] = averages[index] * keep + weights[index] * rest }
    }
  }

  /// base^exponent by repeated squaring: the same bits on every machine.
  private static func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, square, rest) = (1.0, base, exponent)
    while rest > 0 {
      if rest & 1 == 1 { result *= square }
      square *= square
      rest >>= 1
    }
    return result
  }
}

/// Sums over flat buffers in a fixed order.
package enum VectorSums {
  /// Overwrites a buffer with zeros, the sum of nothing.
  package static func clear(
    _ values: UnsafeMutablePointer<Float>, count: Int, on team: ThreadTeam
  ) {
    forEachBlock(count, values, on: team) { values, block in
      (values + block.lowerBound).update(repeating: 0, count: block.count)
    }
  }

  /// Doubles of workspace that `squares` needs.
  package static func workspaceCount(_ count: Int) -> Int { blockCount(count) }

  /// The sum of squares, in Double: within blocks of a fixed size, then over the blocks in order.
  package static func squares(
    _ values: UnsafePointer<Float>, count: Int, workspace: UnsafeMutablePointer<Double>,
    on team: ThreadTeam
  ) -> Double {
    forEachBlock(count, (values, workspace), on: team) { context, block in
      let (values, workspace) = context
      var sums = SIMD8<Double>(repeating: 0)
      var index = block.lowerBound
      while index + 8 <= block.upperBound {
        let part = SIMD8<Double>(
          UnsafeRawPointer(values + index).loadUnaligned(as: SIMD8<Float>.self))
        sums += part * part
        index += 8
      }
      var sum = sums.sum()
      while index < block.upperBound {
        sum += Double(values[index]) * Double(values[index])
        index += 1
      }
      workspace[block.lowerBound / blockSize] = sum
    }
    var total = 0.0
    for block in 0..<blockCount(count) { total += workspace[block] }
    return total
  }
}
