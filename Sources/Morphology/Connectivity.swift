// Which pixels are neighbours.

/// Which pixels are neighbours: those that share an edge, or also those that share a corner.
package enum Connectivity: Sendable {
  /// Above, left, right, below.
  case four
  /// These, and the four diagonal ones.
  case eight

  /// The steps to the neighbours: those over an edge first, each kind from the top and the left.
  private var steps: [(row: Int, column: Int)] {
    let edges = [(-1, 0), (0, -1), (0, 1), (1, 0)]
    let corners = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    return (self == .four ? edges : edges + corners).map { (row: $0.0, column: $0.1) }
  }

  /// A walk over the neighbours of pixels in an image of this size.
  func neighbours(width: Int, height: Int) -> Neighbours {
    Neighbours(steps: steps, width: width, height: height)
  }

  /// The neighbours of the pixels of an image.
  struct Neighbours {
    fileprivate let steps: [(row: Int, column: Int)]
    fileprivate let width: Int
    fileprivate let height: Int

    /// Calls `body` with the place of each neighbour within the image.
    func forEach(of place: Int, _ body: (_ other: Int) -> Void) {
      let (row, column) = (place / width, place % width)
      for step in steps {
        let (y, x) = (row + step.row, column + step.column)
        if y >= 0 && y < height && x >= 0 && x < width { body(y * width + x) }
      }
    }
  }
}
