// The oracles for the optimisers' updates, in Double, as PyTorch defines them.

/// Stochastic gradient descent with momentum: g += decay * w, v = momentum * v + g, w -= rate * v.
package struct ReferenceSGD: Sendable {
  /// The share of the velocity that stays.
  package var momentum: Double
  /// The share of the weights that is added to the gradient.
  package var weightDecay: Double
  /// The velocity v, zero at first.
  package var velocity: [Double]

  /// An optimiser of `count` parameters.
  package init(count: Int, momentum: Double, weightDecay: Double) {
    self.momentum = momentum
    self.weightDecay = weightDecay
    velocity = [Double](repeating: 0, count: count)
  }

  /// One update of `parameters`.
  package mutating func step(
    _ parameters: inout [Double], gradients: [Double], learningRate: Double
  ) {
    for i in parameters.indices {
      velocity[i] = momentum * velocity[i] + gradients[i] + weightDecay * parameters[i]
      parameters[i] -= learningRate * velocity[i]
    }
  }
}

/// Adam, and AdamW when the decay is decoupled.
///
/// Sources: Kingma, Ba 2014, arXiv 1412.6980; Loshchilov, Hutter 2017, arXiv 1711.05101.
///
///     g += decay * w (coupled), or w -= rate * decay * w (decoupled)
///     m = beta1 * m + (1 - beta1) * g,  v = beta2 * v + (1 - beta2) * g^2
///     w -= rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
package struct ReferenceAdam: Sendable {
  /// The share of the mean gradient that stays.
  package var beta1: Double
  /// The share of the mean square that stays.
  package var beta2: Double
  /// What is added to the root of the mean square.
  package var epsilon: Double
  /// The strength of the decay.
  package var weightDecay: Double
  /// Whether the decay acts on the weights themselves (AdamW) and not on the gradient (Adam).
  package var isDecayDecoupled: Bool
  /// The mean of the gradients, m.
  package var momentum: [Double]
  /// The mean of the squared gradients, v.
  package var variance: [Double]
  private var beta1Power = 1.0
  private var beta2Power = 1.0

  /// An optimiser of `count` parameters.
  package init(
    count: Int, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double, isDecayDecoupled: Bool
  ) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.isDecayDecoupled = isDecayDecoupled
    momentum = [Double](repeating: 0, count: count)
    variance = momentum
  }

  /// One update of `parameters`.
  package mutating func step(
    _ parameters: inout [Double], gradients: [Double], learningRate: Double
  ) {
    beta1Power *= beta1
    beta2Power *= beta2
    for i in parameters.indices {
      var gradient = gradients[i]
      if isDecayDecoupled {
        parameters[i] -= learningRate * weightDecay * parameters[i]
      } else {
        gradient += weightDecay * parameters[i]
      }
      momentum[i] = beta1 * momentum[i] + (1 - beta1) * gradient
      variance[i] = beta2 * variance[i] + (1 - beta2) * gradient * gradient
      let mean = momentum[i] / (1 - beta1Power)
      let scale = (variance[i] / (1 - beta2Power)).squareRoot() + epsilon
      parameters[i] -= learningRate * mean / scale
    }
  }
}
