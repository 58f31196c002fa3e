// 2x2 max pooling of stride 2.

package import Tensors
package import Threading

/// 2x2 max pooling of stride 2 over images of even height and width.
package enum MaxPooling {
  /// output(y, x, c) := the largest of input(2 y + i, 2 x + j, c), i and j in 0...1; overwritten.
  ///
  /// `indices` receives for each output value 2 i + j of the first largest in row order, one byte
  /// a value. A NaN counts as larger than all before it, as in PyTorch's `max_pool2d`, so that it
  /// comes out wherever it lies: the last one where there are several.
  ///
  /// `skip` receives the centre of the input that it has the extents of; overwritten. So the input need
  /// not be kept.
  package static func forward(
    _ input: TensorView, into output: TensorView, indices: UnsafeMutablePointer<UInt8>,
    skip: TensorView? = nil, on team: ThreadTeam
  ) {
    let shape = output.shape
    checkShapes(input, output)
    let centre = Centre(of: input.shape, skip?.shape)
    team.forEach(shape.height, (input, output, indices, skip, centre)) { context, y, _ in
      let (input, output, indices, skip, centre) = context
      let shape = output.shape
      if let skip {
        for row in 2 * y..<2 * y + 2 where centre.rows.contains(row) {
          for x in 0..<skip.shape.width {
            skip.pixel(row - centre.rows.lowerBound, x).update(
              from: input.pixel(row, centre.columns.lowerBound + x), count: shape.channels)
          }
        }
      }
      let channels = shape.channels
      for x in 0..<shape.width {
        let upper = input.pixel(2 * y, 2 * x)
        let lower = input.pixel(2 * y + 1, 2 * x)
        let target = output.pixel(y, x)
        let index = indices + (y * shape.width + x) * channels
        var c = 0
        while c + 16 <= channels {
          var best = upper.vector(c)
          var place = SIMD16<Int32>(repeating: 0)
          take(upper.vector(c + input.pixelStride), 1, &best, &place)
          take(lower.vector(c), 2, &best, &place)
          take(lower.vector(c + input.pixelStride), 3, &best, &place)
          target.store(best, at: c)
          UnsafeMutableRawPointer(index + c).storeBytes(
            of: SIMD16<UInt8>(truncatingIfNeeded: place), as: SIMD16<UInt8>.self)
          c += 16
        }
        while c < channels {
          var best = upper[c]
          var place: UInt8 = 0
          take(upper[c + input.pixelStride], 1, &best, &place)
          take(lower[c], 2, &best, &place)
          take(lower[c + input.pixelStride], 3, &best, &place)
          target[c] = best
          index[c] = place
          c += 1
        }
      }
    }
  }

  @inline(__always)
  private static func take(
    _ candidate: Vector, _ place: Int32, _ best: inout Vector, _ places: inout SIMD16<Int32>
  ) {
    let taken = (candidate .> best) .| (candidate .!= candidate)
    best.replace(with: candidate, where: taken)
    places.replace(with: place, where: taken)
  }

  @inline(__always)
  private static func take(
    _ candidate: Float, _ place: UInt8, _ best: inout Float, _ bestPlace: inout UInt8
  ) {
    if candidate > best || candidate.isNaN { (best, bestPlace) = (candidate, place) }
  }

  /// inputGradient := outputGradient at the places in `indices`, 0 elsewhere, plus `skipGradient` in
  /// the centre; overwritten.
  ///
  /// The centre's gradient may lie where it belongs already. The pooled features went two ways, down and, cropped about the centre, across.
  package static func backward(
    _ outputGradient: TensorView, indices: UnsafePointer<UInt8>, skipGradient: TensorView?,
    into inputGradient: TensorView, on team: ThreadTeam
  ) {
    let shape = outputGradient.shape
    checkShapes(inputGradient, outputGradient)
    let centre = Centre(of: inputGradient.shape, skipGradient?.shape)
    team.forEach(shape.height, (outputGradient, indices, skipGradient, inputGradient, centre)) {
      context, y, _ in
      let (outputGradient, indices, skipGradient, inputGradient, centre) = context
      let shape = outputGradient.shape
      for i in 0..<2 {
        let row = 2 * y + i
        let crossed = centre.rows.contains(row) ? skipGradient : nil
        for x in 0..<shape.width {
          for j in 0..<2 {
            let column = 2 * x + j
            spread(
              outputGradient.pixel(y, x),
              indices: indices + (y * shape.width + x) * shape.channels, tap: 2 * i + j,
              adding: centre.columns.contains(column)
                ? crossed.map {
                  UnsafePointer(
                    $0.pixel(row - centre.rows.lowerBound, column - centre.columns.lowerBound))
                } : nil,
              to: inputGradient.pixel(row, column), count: shape.channels)
          }
        }
      }
    }
  }

  /// The rows and columns of an image about its centre.
  private struct Centre {
    let rows: Range<Int>
    let columns: Range<Int>

    /// The centre of the extents `part`; nothing without them.
    init(of image: ImageShape, _ part: ImageShape?) {
      let (height, width) = part.map { ($0.height, $0.width) } ?? (0, 0)
      precondition(
        height <= image.height && width <= image.width
          && part?.channels ?? image.channels == image.channels,
        "the centre \(part ?? image) of \(image)")
      let (row, column) = ((image.height - height) / 2, (image.width - width) / 2)
      rows = row..<row + height
      columns = column..<column + width
    }
  }

  /// target [count] := source [count] where the index of a channel is `tap`, plus `kept` [count] if
  /// there is one: one pixel of the larger image.
  @inline(__always)
  private static func spread(
    _ source: UnsafePointer<Float>, indices: UnsafePointer<UInt8>, tap: Int,
    adding kept: UnsafePointer<Float>?, to target: UnsafeMutablePointer<Float>, count: Int
  ) {
    let place = SIMD16<Int32>(repeating: Int32(tap))
    var c = 0
    while c + 16 <= count {
      let places = UnsafeRawPointer(indices + c).loadUnaligned(as: SIMD16<UInt8>.self)
      target.store(
        (kept?.vector(c) ?? .zero)
          + Vector.zero.replacing(
            with: source.vector(c), where: SIMD16<Int32>(truncatingIfNeeded: places) .== place),
        at: c)
      c += 16
    }
    while c < count {
      target[c] = (kept?[c] ?? 0) + (indices[c] == UInt8(tap) ? source[c] : 0)
      c += 1
    }
  }

  private static func checkShapes(_ large: TensorView, _ pooled: TensorView) {
    precondition(
      large.shape.height == 2 * pooled.shape.height && large.shape.width == 2 * pooled.shape.width
        && large.shape.channels == pooled.shape.channels,
      "pooling between \(large.shape) and \(pooled.shape)")
  }
}
