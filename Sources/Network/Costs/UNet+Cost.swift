// What a pass through the network costs for a tile of any size, without planning it.

extension UNet {
  /// Multiply-adds of a forward pass by the direct algorithm.
  ///
  /// The sum over the layers of output pixels x weights; a pixel of a transposed up-convolution
  /// sees one of its four taps.
  ///
  /// - Precondition: both are legal tile sizes of the configuration.
  package func multiplyAdds(height: Int, width: Int) -> Int {
    precondition(
      configuration.outputSide(tile: height) != nil && configuration.outputSide(tile: width) != nil,
      "a tile of \(height) x \(width), which is not legal")
    // A 3x3 convolution without padding takes off a pixel a side.
    let loss = configuration.padding == .valid ? 2 : 0
    var (rows, columns, sum) = (height, width, 0)

    func addBlock(_ block: ConvolutionBlock) {
      for layer in [block.first, block.second] {
        (rows, columns) = (rows - loss, columns - loss)
        sum += rows * columns * layer.weight.count
      }
    }
    for level in 0...configuration.depth {
      addBlock(down[level])
      if level < configuration.depth { (rows, columns) = (rows / 2, columns / 2) }
    }
    for level in (0..<configuration.depth).reversed() {
      let taps = configuration.upsampling == .nearest ? 4 : 1
      sum += rows * columns * taps * up[level].upConvolution.weight.count
      (rows, columns) = (2 * rows, 2 * columns)
      addBlock(up[level].block)
    }
    return sum + rows * columns * head.weight.count
  }
}

/// Multiply-adds in units of 10^9 floating-point operations, two each.
package func gflop(_ multiplyAdds: Int) -> Double { 2 * Double(multiplyAdds) / 1e9 }
