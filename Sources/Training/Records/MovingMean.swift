// The loss as people are shown it.

/// The mean of the last values, which an old one leaves slowly: m + (x - m) / n with n up to 20.
struct MovingMean {
  private(set) var mean = 0.0
  private var count = 0.0

  /// Takes the next value.
  mutating func add(_ value: Double) {
    count = min(count + 1, 20)
    mean += (value - mean) / count
  }
}
