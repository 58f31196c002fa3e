// Where a tile's output window lies in its image, and its quarter turns and flips.

import Tensors

extension Augmentation {
  /// Where the output window lies and how it is turned.
  package struct Placement: Equatable {
    /// The window's first row in the image, before turning; may be negative.
    package var row: Int
    /// The window's first column in the image, before turning; may be negative.
    package var column: Int
    /// Quarter turns, counter-clockwise.
    package var quarterTurns = 0
    /// Mirrors left to right after turning.
    package var isFlippedHorizontally = false
    /// Mirrors top to bottom after turning.
    package var isFlippedVertically = false

    /// A window that is neither turned nor flipped.
    package init(row: Int, column: Int) {
      self.row = row
      self.column = column
    }

    /// Whether rows of the image run along the columns of the tile.
    var isTransposed: Bool { quarterTurns % 2 == 1 }

    // One quarter turn is out(i, j) = in(j, side - 1 - i): rows and columns change places, and the
    // index of columns runs backwards. After an odd number of turns the rows of the image run along
    // the rows of the tile, so a flip reverses the other index.

    /// Whether the image's rows are read backwards.
    var reversesRows: Bool {
      (quarterTurns == 2 || quarterTurns == 3)
        != (isTransposed ? isFlippedHorizontally : isFlippedVertically)
    }

    /// Whether the image's columns are read backwards.
    var reversesColumns: Bool {
      (quarterTurns == 1 || quarterTurns == 2)
        != (isTransposed ? isFlippedVertically : isFlippedHorizontally)
    }

    /// The copy that makes the tile, `margin` pixels larger than the window on every side.
    func tileCopy(side: Int, margin: Int, width: Int, height: Int) -> TileCopy {
      var rows = BorderRule.mirrored(from: row - margin, length: side, count: height)
      var columns = BorderRule.mirrored(from: column - margin, length: side, count: width)
      if reversesRows { rows.reverse() }
      if reversesColumns { columns.reverse() }
      return TileCopy(rows: rows, columns: columns, isTransposed: isTransposed)
    }
  }
}
