// 2x2 max pooling of stride 2.

import Tensors
import Threading

/// 2x2 max pooling of stride 2 over images of even height and width.
public enum MaxPooling {
  /// output(y, x, c) := the largest of input(2 y + i, 2 x + j, c), i and j in 0...1; overwritten.
  ///
  /// `indices` receives for each output value 2 i + j of the first largest in row order, one byte
  /// a value.
  public static func forward(
    _ input: TensorView, into output: TensorView, indices: UnsafeMutablePointer<UInt8>,
    on team: ThreadTeam
  ) {
    let shape = output.shape
    checkShapes(input, output)
    team.forEach(shape.height, (input, output, indices)) { context, y, _ in
      let (input, output, indices) = context
      let shape = output.shape
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
          let candidates = (upper[c + input.pixelStride], lower[c], lower[c + input.pixelStride])
          if candidates.0 > best { (best, place) = (candidates.0, 1) }
          if candidates.1 > best { (best, place) = (candidates.1, 2) }
          if candidates.2 > best { (best, place) = (candidates.2, 3) }
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
    let larger = candidate .> best
    best.replace(with: candidate, where: larger)
    places.replace(with: place, where: larger)
  }

  /// inputGradient := outputGradient at the places in `indices`, 0 elsewhere, plus
  /// `skipGradient` on the centred part it covers; overwritten.
  ///
  /// The pooled features went two ways, down and, cropped, across; this is the sum of both
  /// gradients.
  public static func backward(
    _ outputGradient: TensorView, indices: UnsafePointer<UInt8>, skipGradient: TensorView?,
    into inputGradient: TensorView, on team: ThreadTeam
  ) {
    let shape = outputGradient.shape
    checkShapes(inputGradient, outputGradient)
    team.forEach(shape.height, (outputGradient, indices, inputGradient)) { context, y, _ in
      let (outputGradient, indices, inputGradient) = context
      let shape = outputGradient.shape
      let channels = shape.channels
      for x in 0..<shape.width {
        let source = outputGradient.pixel(y, x)
        let index = indices + (y * shape.width + x) * channels
        for tap in 0..<4 {
          let target = inputGradient.pixel(2 * y + tap / 2, 2 * x + tap % 2)
          var c = 0
          while c + 16 <= channels {
            let places = SIMD16<Int32>(
              truncatingIfNeeded: UnsafeRawPointer(index + c).loadUnaligned(
                as: SIMD16<UInt8>.self))
            target.store(
              Vector(repeating: 0).replacing(
                with: source.vector(c), where: places .== SIMD16(repeating: Int32(tap))), at: c)
            c += 16
          }
          while c < channels {
            target[c] = index[c] == UInt8(tap) ? source[c] : 0
            c += 1
          }
        }
      }
    }
    guard let skipGradient else { return }
    let target = inputGradient.centred(
      height: skipGradient.shape.height, width: skipGradient.shape.width)
    team.forEach(skipGradient.shape.height, (skipGradient, target)) { context, y, _ in
      let (skipGradient, target) = context
      let count = skipGradient.shape.width * skipGradient.shape.channels
      let from = skipGradient.pixel(y, 0)
      let to = target.pixel(y, 0)
      for index in 0..<count { to[index] += from[index] }
    }
  }

  private static func checkShapes(_ large: TensorView, _ pooled: TensorView) {
    precondition(
      large.shape.height == 2 * pooled.shape.height && large.shape.width == 2 * pooled.shape.width
        && large.shape.channels == pooled.shape.channels,
      "pooling between \(large.shape) and \(pooled.shape)")
  }
}
