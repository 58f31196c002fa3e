// The choice of an optimiser.

/// The rule that turns a gradient into a step.
package enum OptimizerKind: String, Codable, CaseIterable, Sendable {
  /// Stochastic gradient descent with momentum; weight decay is added to the gradient.
  case sgd
  /// Adam with betas 0.9 and 0.999; weight decay is added to the gradient.
  case adam
  /// Adam with betas 0.9 and 0.999; weight decay acts on the weights, apart from the gradient.
  case adamw
}
