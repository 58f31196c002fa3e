// The groups of metrics that an evaluation may be asked for.

/// A group of metrics, one folder of this module.
package enum MetricGroup: String, CaseIterable, Codable, Sendable {
  /// Scores of single pixels by class.
  case pixels
  /// Scores of the borders between cells, and of the outlines of classes.
  case boundaries
  /// Scores of whole objects.
  case objects
}
