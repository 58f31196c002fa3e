// What a checkpoint keeps of the evaluations of its run.

extension Checkpoint {
  /// A validation score and the step that reached it.
  package struct BestScore: Codable, Equatable, Sendable {
    /// Updates made.
    package var step: Int
    /// The mean IoU.
    package var meanIntersectionOverUnion: Double

    /// A score and its step.
    package init(step: Int, meanIntersectionOverUnion: Double) {
      self.step = step
      self.meanIntersectionOverUnion = meanIntersectionOverUnion
    }
  }

  /// The score that a run waits to better, and the evaluations since.
  ///
  /// Unlike `best` it is of the whole run, be the checkpoint that reached it in the folder or not.
  package struct Patience: Codable, Equatable, Sendable {
    /// The best mean IoU.
    package private(set) var meanIntersectionOverUnion = -1.0
    /// Evaluations since that did not better it.
    package private(set) var evaluations = 0

    /// Nothing to better yet.
    package init() {}

    /// Takes the score of one more evaluation.
    package mutating func take(_ score: Double) {
      if score > meanIntersectionOverUnion {
        (meanIntersectionOverUnion, evaluations) = (score, 0)
      } else {
        evaluations += 1
      }
    }
  }

  /// The threshold on the probability of the second of two classes that was best for validation images.
  package struct Threshold: Codable, Equatable, Sendable {
    /// Updates made when it was found.
    package var step: Int
    /// A pixel is of the second class where its probability is above this.
    package var value: Double
    /// The Dice that it reached.
    package var dice: Double

    /// A threshold from its parts.
    package init(step: Int, value: Double, dice: Double) {
      self.step = step
      self.value = value
      self.dice = dice
    }
  }
}
