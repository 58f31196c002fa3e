// How many pixels of either class have which probability of the foreground, and the threshold that follows.

/// Pixels of a task of two classes by their class and by the probability of the second one, in hundredths.
///
/// Counts are integers, so that sums over images and ranks are exact in any order, and the best threshold is
/// the same for all of them.
package struct ForegroundHistogram: Sendable, Equatable {
  /// The number of bins; threshold k / 100 lies between the bins k - 1 and k.
  package static let binCount = 100

  /// The counts: of background pixels in each bin, then of foreground pixels.
  package private(set) var flat: [Int64]

  /// A histogram of nothing.
  package init() { flat = [Int64](repeating: 0, count: 2 * Self.binCount) }

  /// A histogram from its flat form, such as an all-reduce returns.
  ///
  /// - Precondition: there are as many counts as bins for both classes.
  package init(flat: [Int64]) {
    precondition(flat.count == 2 * Self.binCount, "\(flat.count) counts")
    self.flat = flat
  }

  /// Threshold k / 100, as a probability is compared with.
  package static func threshold(_ k: Int) -> Float { Float(Double(k) / Double(binCount)) }

  /// The number of thresholds 1/100, ..., 99/100 that a probability is above; a NaN is above none.
  package static func bin(_ probability: Float) -> Int {
    guard probability > 0 else { return 0 }
    // Rounding may put the product on the wrong side of a threshold, by one.
    var bin = Int(min(probability, 1) * Float(binCount - 1))
    while bin > 0, probability <= threshold(bin) { bin -= 1 }
    while bin < binCount - 1, probability > threshold(bin + 1) { bin += 1 }
    return bin
  }

  /// Counts a pixel whose class is the foreground or not.
  package mutating func add(isForeground: Bool, bin: Int) {
    flat[(isForeground ? Self.binCount : 0) + bin] += 1
  }

  /// A threshold and what it reaches.
  package struct Best: Sendable, Equatable {
    /// A pixel is foreground where its probability is above this.
    package let threshold: Double
    /// The Dice of the foreground, 2 TP / (2 TP + FP + FN), which is its F1.
    package let dice: Double
  }

  /// The threshold in steps of 0.01 with the largest Dice of the foreground; nil where no pixel is foreground.
  ///
  /// It has the largest IoU too, which grows with the Dice. Of several it is the nearest to 0.5, then the
  /// lower one.
  package var best: Best? {
    let foreground = flat[Self.binCount...].reduce(0, +)
    guard foreground > 0 else { return nil }
    var best: Best?
    // Pixels above threshold k are those of the bins from k on.
    var (hits, falseAlarms) = (Int64(0), Int64(0))
    var found: [(k: Int, dice: Double)] = []
    for k in stride(from: Self.binCount - 1, through: 1, by: -1) {
      hits += flat[Self.binCount + k]
      falseAlarms += flat[k]
      // FN = foreground - TP, so the denominator is TP + FP + foreground.
      found.append((k, Double(2 * hits) / Double(hits + falseAlarms + foreground)))
    }
    let middle = Self.binCount / 2
    for (k, dice) in found.sorted(by: { (abs($0.k - middle), $0.k) < (abs($1.k - middle), $1.k) })
    where dice > best?.dice ?? -1 {
      best = Best(threshold: Double(k) / Double(Self.binCount), dice: dice)
    }
    return best
  }
}
