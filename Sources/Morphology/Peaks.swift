// The peaks of a relief that stand out by a height.

/// The maxima of a relief whose dynamics are large enough (Grimaud 1992, "New measure of contrast: the
/// dynamics").
///
/// The dynamics of a maximum is how far one must go down from it, on the best way, to come to a higher one;
/// that of the highest within reach is infinite. These are the maxima that an h-maxima transform leaves.
package enum Peaks {
  /// A marker at each peak, numbered from 1 in rows from the top; 0 elsewhere.
  ///
  /// Pixels are looked at from the highest down, of equally high ones the first in rows from the top. One
  /// beside none that was looked at begins a hill; where hills meet, the lower ones end, and their peaks
  /// stay where they stand out by at least `dynamics`. Hills of different `regions` never meet, and where
  /// there is the region 0 there is no hill.
  ///
  /// - Precondition: the counts fit the size.
  /// - Complexity: n log n in the number of pixels of a region.
  package static func markers(
    of relief: [Float], regions: [Int32], dynamics: Float, width: Int, height: Int,
    connectivity: Connectivity = .four
  ) -> [Int32] {
    precondition(
      relief.count == width * height && regions.count == relief.count,
      "\(relief.count) heights for \(width) x \(height)")
    let order = relief.indices.filter { regions[$0] != 0 }.sorted {
      (relief[$1], $0) < (relief[$0], $1)
    }
    let neighbours = connectivity.neighbours(width: width, height: height)
    // The hill of a pixel is its root's; a root is its hill's peak, and comes before all others of it.
    var parents = [Int32](repeating: -1, count: relief.count)
    var ranks = [Int32](repeating: 0, count: relief.count)
    func root(_ place: Int) -> Int {
      var place = place
      while Int(parents[place]) != place {
        parents[place] = parents[Int(parents[place])]
        place = Int(parents[place])
      }
      return place
    }
    var isPeak = [Bool](repeating: false, count: relief.count)
    for (rank, place) in order.enumerated() {
      beat(at: rank)
      ranks[place] = Int32(rank)
      parents[place] = Int32(place)
      isPeak[place] = true
      neighbours.forEach(of: place) { other in
        guard parents[other] >= 0 && regions[other] == regions[place] else { return }
        let (own, beside) = (root(place), root(other))
        guard own != beside else { return }
        let (upper, lower) = ranks[own] < ranks[beside] ? (own, beside) : (beside, own)
        parents[lower] = Int32(upper)
        // The pixel itself is no peak: it stands out by nothing.
        if lower == place || relief[lower] - relief[place] < dynamics { isPeak[lower] = false }
      }
    }
    var count: Int32 = 0
    return isPeak.map { isPeak in
      if isPeak { count += 1 }
      return isPeak ? count : 0
    }
  }
}
