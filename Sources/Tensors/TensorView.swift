// Shapes of images, and views of floats as rows x columns x channels.

/// The extents of one sample: rows, columns and channels.
package struct ImageShape: Hashable, Sendable {
  /// Rows.
  package var height: Int
  /// Columns.
  package var width: Int
  /// Values a pixel.
  package var channels: Int

  /// A shape from its extents.
  package init(height: Int, width: Int, channels: Int) {
    self.height = height
    self.width = width
    self.channels = channels
  }

  /// Values in all.
  package var count: Int { height * width * channels }
  /// Pixels in all.
  package var pixels: Int { height * width }
}

/// A view of floats as rows x columns x channels, channels side by side; it owns nothing.
///
/// The value (y, x, c) lies at base + y * rowStride + x * pixelStride + c. A copy of the view sees
/// the same memory, and whoever makes it answers for the memory's life.
package struct TensorView: @unchecked Sendable {
  // Unchecked: a kernel's threads write to disjoint parts, which no type can show.

  /// The value (0, 0, 0).
  package let base: UnsafeMutablePointer<Float>
  /// The extents.
  package let shape: ImageShape
  /// Floats from a row to the next.
  package let rowStride: Int
  /// Floats from a pixel to the next in its row.
  package let pixelStride: Int

  /// A view; strides are those of dense memory unless given.
  package init(
    base: UnsafeMutablePointer<Float>, shape: ImageShape, rowStride: Int? = nil,
    pixelStride: Int? = nil
  ) {
    self.base = base
    self.shape = shape
    self.pixelStride = pixelStride ?? shape.channels
    self.rowStride = rowStride ?? shape.width * self.pixelStride
  }

  /// Whether the values lie side by side without gaps.
  package var isDense: Bool {
    pixelStride == shape.channels && rowStride == shape.width * shape.channels
  }

  /// The address of the pixel (y, x).
  ///
  /// - Precondition: it lies in the view, which debug builds check.
  @inline(__always)
  package func pixel(_ y: Int, _ x: Int) -> UnsafeMutablePointer<Float> {
    // Not `assert`, which numeric modules never see: they are optimised in every configuration.
    #if DEBUG
      precondition(
        0..<shape.height ~= y && 0..<shape.width ~= x, "the pixel (\(y), \(x)) of \(shape)")
    #endif
    return base + y * rowStride + x * pixelStride
  }

  /// The centred part of this view with the extents of `height` and `width`.
  ///
  /// - Precondition: it fits; an odd difference leaves the extra row or column at the end.
  package func centred(height: Int, width: Int) -> TensorView {
    precondition(
      height <= shape.height && width <= shape.width,
      "a crop of \(height) x \(width) from \(shape.height) x \(shape.width)")
    return TensorView(
      base: pixel((shape.height - height) / 2, (shape.width - width) / 2),
      shape: ImageShape(height: height, width: width, channels: shape.channels),
      rowStride: rowStride, pixelStride: pixelStride)
  }

  /// Every `step`th row and column, beginning at (row, column), as many as given.
  ///
  /// - Precondition: they lie in the view.
  package func everyNth(step: Int, row: Int, column: Int, height: Int, width: Int) -> TensorView {
    precondition(
      row + (height - 1) * step < shape.height && column + (width - 1) * step < shape.width,
      "\(height) x \(width) of every \(step) from (\(row), \(column)) in \(shape)")
    return TensorView(
      base: pixel(row, column),
      shape: ImageShape(height: height, width: width, channels: shape.channels),
      rowStride: rowStride * step, pixelStride: pixelStride * step)
  }
}
