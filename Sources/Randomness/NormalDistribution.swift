// Normally distributed values from uniform ones.

import Foundation

extension RandomStream {
  /// Two independent values of mean 0 and standard deviation 1 (Box and Muller 1958), computed in
  /// Double so that the C library's float functions do not decide the bits.
  package mutating func normalPair() -> (Float, Float) {
    // 1 - u lies in (0, 1], so the logarithm is finite.
    let radius = (-2 * log(1 - Double(uniform()))).squareRoot()
    let angle = 2 * Double.pi * Double(uniform())
    return (Float(radius * cos(angle)), Float(radius * sin(angle)))
  }
}
