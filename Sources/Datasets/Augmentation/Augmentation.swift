// Random training tiles: where they lie in an image and how they are turned.

package import Randomness
import Tensors

/// Cuts random tiles out of training images and varies them.
///
/// The position of the output window is always random where the image is larger than the output;
/// a smaller image stands in the middle of the window and continues mirrored, with its labels. The
/// steps on top of that are applied in the order of `Step.allCases`:
///
/// - `shift` moves the window by up to an eighth of its side in each direction, also beyond the
///   image, which continues mirrored;
/// - `rotate` turns the tile by 0, 1, 2 or 3 quarters;
/// - `flip` mirrors it left to right and top to bottom, each with probability 1/2.
///
/// The random numbers of every step are drawn whether it is on or not, so switching one step off
/// leaves the others' choices as they were.
package struct Augmentation: Sendable, Equatable {
  /// A variation, in the order of application.
  package enum Step: String, Codable, CaseIterable, Sendable {
    /// Moves the window, also beyond the image.
    case shift
    /// Quarter turns.
    case rotate
    /// Mirrors left to right and top to bottom.
    case flip
  }

  /// The steps in use, in the order of `Step.allCases`.
  package let steps: [Step]

  /// All steps.
  package static let all = Augmentation(Step.allCases)
  /// Random positions only.
  package static let none = Augmentation([])

  /// The steps in this list, each once, whatever its order.
  package init(_ steps: [Step]) {
    self.steps = Step.allCases.filter(steps.contains)
  }

  /// The random stream of one draw in one epoch.
  package static func stream(seed: UInt64, epoch: Int, draw: Int) -> RandomStream {
    RandomStream(seed: seed, purpose: .augmentation, epoch: epoch, sample: draw)
  }

  /// Fills a buffer with a random tile of an image and the labels of its centre.
  ///
  /// Image (inputSide x inputSide x channels) and labels (outputSide x outputSide) are overwritten;
  /// the labels belong to the tile without its margins.
  ///
  /// - Precondition: image and buffer have the same channels.
  package func fill(_ buffer: SampleBuffer, from image: DatasetImage, stream: RandomStream) {
    precondition(
      image.channels == buffer.channels,
      "\(image.channels) channels for a buffer of \(buffer.channels)")
    let placement = placement(
      width: image.width, height: image.height, outputSide: buffer.tile.outputSide, stream: stream)
    let margin = buffer.tile.margin
    let tile = placement.tileCopy(
      side: buffer.tile.inputSide, margin: margin, width: image.width, height: image.height)
    // The output is the same window without its margins, so its indices are the middle ones.
    let middle = margin..<margin + buffer.tile.outputSide
    let centre = TileCopy(
      rows: Array(tile.rows[middle]), columns: Array(tile.columns[middle]),
      isTransposed: tile.isTransposed)
    image.pixels.withUnsafeBufferPointer { pixels in
      guard let base = pixels.baseAddress else { preconditionFailure("an image without pixels") }
      tile.copy(from: base, width: image.width, channels: image.channels, to: buffer.image)
    }
    image.labels.withUnsafeBufferPointer { labels in
      guard let base = labels.baseAddress else { preconditionFailure("an image without labels") }
      centre.copy(from: base, width: image.width, channels: 1, to: buffer.labels)
    }
    buffer.sample = image.id
    buffer.name = image.name
  }

  // MARK: - Geometry

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

    /// The copy that makes the tile, `margin` pixels larger than the window on every side.
    func tileCopy(side: Int, margin: Int, width: Int, height: Int) -> TileCopy {
      var rows = BorderRule.mirrored(from: row - margin, length: side, count: height)
      var columns = BorderRule.mirrored(from: column - margin, length: side, count: width)
      // One quarter turn is out(i, j) = in(j, side - 1 - i): rows and columns change places, and
      // the index of columns runs backwards.
      if quarterTurns == 2 || quarterTurns == 3 { rows.reverse() }
      if quarterTurns == 1 || quarterTurns == 2 { columns.reverse() }
      let isTransposed = quarterTurns % 2 == 1
      // After an odd number of turns the rows of the image run along the rows of the tile.
      if isFlippedHorizontally {
        if isTransposed { rows.reverse() } else { columns.reverse() }
      }
      if isFlippedVertically {
        if isTransposed { columns.reverse() } else { rows.reverse() }
      }
      return TileCopy(rows: rows, columns: columns, isTransposed: isTransposed)
    }
  }

  /// Draws the placement of one tile.
  package func placement(
    width: Int, height: Int, outputSide: Int, stream: RandomStream
  ) -> Placement {
    var stream = stream
    var placement = Placement(
      row: Self.origin(length: height, outputSide: outputSide, stream: &stream),
      column: Self.origin(length: width, outputSide: outputSide, stream: &stream))
    for step in Step.allCases {
      let isOn = steps.contains(step)
      switch step {
      case .shift:
        let reach = outputSide / 8
        let down = stream.integer(below: 2 * reach + 1) - reach
        let right = stream.integer(below: 2 * reach + 1) - reach
        if isOn {
          placement.row += down
          placement.column += right
        }
      case .rotate:
        let turns = stream.integer(below: 4)
        if isOn { placement.quarterTurns = turns }
      case .flip:
        let horizontally = stream.coin()
        let vertically = stream.coin()
        if isOn {
          placement.isFlippedHorizontally = horizontally
          placement.isFlippedVertically = vertically
        }
      }
    }
    return placement
  }

  /// The first row or column of a window inside an image, or around a smaller one.
  private static func origin(length: Int, outputSide: Int, stream: inout RandomStream) -> Int {
    let room = length - outputSide
    let drawn = stream.integer(below: max(room, 0) + 1)
    return room >= 0 ? drawn : -((outputSide - length) / 2)
  }
}
