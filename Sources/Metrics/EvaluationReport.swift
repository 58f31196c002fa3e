// How an evaluation is reported: which metrics, and what classes and objects are.

/// What a report of scores says beside the scores.
package struct EvaluationReport: Sendable {
  /// The metrics that were asked for.
  let groups: Set<MetricGroup>
  /// What the classes are called, by label.
  let classes: [ClassLabel]
  /// The label of the class that parts cells.
  let border: Int
  /// The labels of what is no object.
  let backgrounds: Set<UInt8>
  /// Whether the true objects are numbered; else they are components of the masks.
  let hasInstances: Bool

  /// A report on these metrics.
  ///
  /// - Precondition: `border` is the label of one of `classes`.
  package init(
    groups: Set<MetricGroup>, classes: [ClassLabel], border: Int, backgrounds: Set<UInt8>? = nil,
    hasInstances: Bool
  ) {
    precondition(classes.indices.contains(border), "border \(border) of \(classes.count) classes")
    self.groups = groups
    self.classes = classes
    self.border = border
    self.backgrounds = backgrounds ?? [UInt8(border)]
    self.hasInstances = hasInstances
  }
}
