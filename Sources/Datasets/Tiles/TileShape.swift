// The sides of a network's input tile and of its output.

/// The side of an input tile and of the output in its centre, in pixels.
///
/// A tile of training has it along both axes; one of prediction may have another along each.
package struct TileShape: Sendable, Hashable {
  /// The side T of the image tile.
  package let inputSide: Int
  /// The side O of the labels in the tile's centre.
  package let outputSide: Int

  /// The pixels of context a side, (T - O) / 2.
  package var margin: Int { (inputSide - outputSide) / 2 }

  /// A shape from its sides.
  ///
  /// - Precondition: 0 < output <= input, and their difference is even.
  package init(inputSide: Int, outputSide: Int) {
    precondition(
      outputSide > 0 && outputSide <= inputSide && (inputSide - outputSide) % 2 == 0,
      "a tile of \(inputSide) with an output of \(outputSide)")
    self.inputSide = inputSide
    self.outputSide = outputSide
  }
}
