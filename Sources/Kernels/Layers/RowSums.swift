// Sums along a row of an image, for each channel.

import CVectors
import Tensors

/// Sums along one row for each channel: [2, channel] in Double; overwritten.
enum RowSums {
  /// The differences from `origin`, and their squares.
  static func deviations(
    _ image: TensorView, row: Int, from origin: UnsafePointer<Float>,
    into sums: UnsafeMutablePointer<Double>
  ) {
    let (channels, width, stride) = (image.shape.channels, image.shape.width, image.pixelStride)
    let pixels = image.pixel(row, 0)
    var c = 0
    while c &+ 16 <= channels {
      let start = origin.vector(c)
      var (sum, squares) = (Vector.zero, Vector.zero)
      for x in 0..<width {
        let value = pixels.vector(x &* stride &+ c) - start
        sum += value
        squares = CVectors_multiplyAdd(value, value, squares)
      }
      store(sum, squares, channel: c, of: channels, in: sums)
      c &+= 16
    }
    while c < channels {
      var (sum, squares): (Float, Float) = (0, 0)
      for x in 0..<width {
        let value = pixels[x &* stride &+ c] - origin[c]
        sum += value
        squares.addProduct(value, value)
      }
      (sums[c], sums[channels &+ c]) = (Double(sum), Double(squares))
      c &+= 1
    }
  }

  /// The gradients, and their products with the differences of `image` from `means`.
  static func products(
    _ gradient: TensorView, _ image: TensorView, row: Int, means: UnsafePointer<Float>,
    into sums: UnsafeMutablePointer<Double>
  ) {
    let (channels, width) = (image.shape.channels, image.shape.width)
    let (pixels, gradients) = (image.pixel(row, 0), gradient.pixel(row, 0))
    let (stride, gradientStride) = (image.pixelStride, gradient.pixelStride)
    var c = 0
    while c &+ 16 <= channels {
      let mean = means.vector(c)
      var (sum, products) = (Vector.zero, Vector.zero)
      for x in 0..<width {
        let value = gradients.vector(x &* gradientStride &+ c)
        sum += value
        products = CVectors_multiplyAdd(
          value, pixels.vector(x &* stride &+ c) - mean, products)
      }
      store(sum, products, channel: c, of: channels, in: sums)
      c &+= 16
    }
    while c < channels {
      var (sum, products): (Float, Float) = (0, 0)
      for x in 0..<width {
        let value = gradients[x &* gradientStride &+ c]
        sum += value
        products.addProduct(value, pixels[x &* stride &+ c] - means[c])
      }
      (sums[c], sums[channels &+ c]) = (Double(sum), Double(products))
      c &+= 1
    }
  }

  @inline(__always)
  private static func store(
    _ first: Vector, _ second: Vector, channel: Int, of channels: Int,
    in sums: UnsafeMutablePointer<Double>
  ) {
    for lane in 0..<16 {
      sums[channel &+ lane] = Double(first[lane])
      sums[channels &+ channel &+ lane] = Double(second[lane])
    }
  }
}
