// The errors that no bending of borders explains: splits, mergers, holes and objects.

/// The warping of a true segmentation towards a predicted one without change of its topology.
///
/// From Jain et al. 2010, "Boundary learning by optimization with topological constraints", CVPR.
/// Pixels that differ are flipped in the truth, those of the greatest difference |probability - label|
/// first, as long as they are simple: as long as no component of interior (4-connected) or of border
/// (8-connected) appears, vanishes, splits or merges. What still differs then is an error of topology.
/// The descent is greedy, as the paper's: it goes through the pixels that differ in that order, equal
/// ones from the top left, again and again until none can be flipped.
enum TopologyWarping {
  /// The pixels that differ after the warping.
  ///
  /// - Parameters:
  ///   - truth: the interior of the truth.
  ///   - interior: the probability of interior, which is predicted above `threshold`.
  ///   - isKnown: where the truth is known; other pixels are neither flipped nor counted.
  static func remainingErrors(
    truth: [Bool], interior: [Float], threshold: Float, isKnown: [Bool], width: Int, height: Int
  ) -> Int {
    var warped = truth
    func difference(_ place: Int) -> Float {
      truth[place] ? threshold - interior[place] : interior[place] - threshold
    }
    var different = truth.indices.filter {
      isKnown[$0] && truth[$0] != (interior[$0] > threshold)
    }
    different.sort {
      difference($0) != difference($1) ? difference($0) > difference($1) : $0 < $1
    }
    var before = -1
    while different.count != before {
      before = different.count
      different.removeAll { place in
        guard isSimple(place, in: warped, width: width, height: height) else { return false }
        warped[place].toggle()
        return true
      }
    }
    return different.count
  }

  /// Whether a flip of the pixel keeps the topology: its 4-connectivity number (Yokoi et al. 1975)
  ///
  ///     sum over the neighbours k at its edges of x_k - x_k x_(k+1) x_(k+2)
  ///
  /// is 1, with x = 1 for interior and the eight neighbours counted around. Beyond the image is border.
  private static func isSimple(_ place: Int, in image: [Bool], width: Int, height: Int) -> Bool {
    let (row, column) = (place / width, place % width)
    func isInterior(_ index: Int) -> Bool {
      let (dy, dx) = around[index & 7]
      let (y, x) = (row + dy, column + dx)
      return y >= 0 && y < height && x >= 0 && x < width && image[y * width + x]
    }
    var number = 0
    for edge in stride(from: 1, to: 8, by: 2) where isInterior(edge) {
      if !(isInterior(edge + 1) && isInterior(edge + 2)) { number += 1 }
    }
    return number == 1
  }

  /// The steps to the eight neighbours, clockwise from the top left; those at edges have odd numbers.
  private static let around = [
    (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1),
  ]
}
