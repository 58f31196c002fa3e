// The sides of a tile of prediction, and where in it the window lies.

/// A tile along one axis, and the window in it that is shown its whole context, in pixels.
package struct WindowShape: Sendable, Hashable {
  /// The side of the image tile.
  package let inputSide: Int
  /// Pixels of context before the window.
  package let leading: Int
  /// The side of the window.
  package let side: Int

  /// Pixels of context behind the window.
  package var trailing: Int { inputSide - leading - side }

  /// The same tile backwards.
  package var reversed: WindowShape {
    WindowShape(inputSide: inputSide, leading: trailing, side: side)
  }

  /// A shape from its parts.
  ///
  /// - Precondition: the window is not empty and lies in the tile.
  package init(inputSide: Int, leading: Int, side: Int) {
    precondition(
      side > 0 && leading >= 0 && leading + side <= inputSide,
      "a window of \(side) behind \(leading) in a tile of \(inputSide)")
    self.inputSide = inputSide
    self.leading = leading
    self.side = side
  }
}
