// How values are spread, for TensorBoard's histograms.

/// How often values occur in ranges of equal width, from the least to the greatest.
package struct ValueHistogram: Equatable, Sendable {
  /// Ranges between the least and the greatest value.
  package static let bucketCount = 40

  /// The least and the greatest value; 0 where there is none.
  package private(set) var least = 0.0
  package private(set) var greatest = 0.0
  /// How many values there are.
  package private(set) var count = 0
  package private(set) var sum = 0.0
  package private(set) var sumOfSquares = 0.0
  /// The upper end of each range; it belongs to it.
  package private(set) var limits: [Double] = []
  /// How many values lie in each range.
  package private(set) var counts: [Int] = []

  /// The histogram of the values that are finite.
  package init(_ values: UnsafeBufferPointer<Float>) {
    var (least, greatest) = (Float.infinity, -Float.infinity)
    for value in values where value.isFinite {
      least = min(least, value)
      greatest = max(greatest, value)
      count += 1
      sum += Double(value)
      sumOfSquares += Double(value) * Double(value)
    }
    guard count > 0 else { return }
    (self.least, self.greatest) = (Double(least), Double(greatest))
    let width = (self.greatest - self.least) / Double(Self.bucketCount)
    guard width > 0 else {
      (limits, counts) = ([self.greatest], [count])
      return
    }
    limits = (1...Self.bucketCount).map { self.least + Double($0) * width }
    limits[Self.bucketCount - 1] = self.greatest
    counts = [Int](repeating: 0, count: Self.bucketCount)
    for value in values where value.isFinite {
      // Up to its own limit, so that the greatest value is in the last range.
      let place = ((Double(value) - self.least) / width).rounded(.up) - 1
      counts[min(max(0, Int(place)), Self.bucketCount - 1)] += 1
    }
  }
}
