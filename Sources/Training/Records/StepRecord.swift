// The record of one training step.

/// The record of one training step.
package struct StepRecord: Equatable, Sendable {
  /// Seconds that the parts of a step took.
  package struct Seconds: Equatable, Sendable {
    /// Waiting for samples.
    package var load: Double
    /// The forward pass.
    package var forward: Double
    /// The backward pass.
    package var backward: Double
    /// Waiting for the other ranks.
    package var reduce: Double
    /// The optimiser's update.
    package var update: Double

    /// The parts of a step.
    package init(
      load: Double = 0, forward: Double = 0, backward: Double = 0, reduce: Double = 0,
      update: Double = 0
    ) {
      self.load = load
      self.forward = forward
      self.backward = backward
      self.reduce = reduce
      self.update = update
    }

    /// The parts in the order of time, under their names in logs.
    package var parts: [(name: String, seconds: Double)] {
      [
        ("load", load), ("forward", forward), ("backward", backward), ("reduce", reduce),
        ("update", update),
      ]
    }
  }

  /// The number of updates made, this one included.
  package var step: Int
  /// The epoch that the step belongs to, from 0.
  package var epoch: Int
  /// The loss over the global batch.
  package var loss: Double
  /// The learning rate of the update.
  package var learningRate: Double
  /// The Euclidean norm of the whole gradient, before clipping.
  package var gradientNorm: Double
  /// Samples a second over all ranks.
  package var imagesPerSecond: Double
  /// Where the time went, on the rank that writes the log.
  package var seconds: Seconds
  /// Where it went on all ranks, where there are several.
  package var rankSeconds: RankSeconds?
  /// The bytes of gradients and weights that the rank which writes the log has sent.
  package var sentByteCount: Int
  /// The samples of the step, where the run was asked to tell.
  package var samples: DrawnSamples?

  /// A record from its parts.
  package init(
    step: Int, epoch: Int, loss: Double, learningRate: Double, gradientNorm: Double,
    imagesPerSecond: Double, seconds: Seconds, rankSeconds: RankSeconds? = nil,
    sentByteCount: Int = 0, samples: DrawnSamples? = nil
  ) {
    self.step = step
    self.epoch = epoch
    self.loss = loss
    self.learningRate = learningRate
    self.gradientNorm = gradientNorm
    self.imagesPerSecond = imagesPerSecond
    self.seconds = seconds
    self.rankSeconds = rankSeconds
    self.sentByteCount = sentByteCount
    self.samples = samples
  }
}
