// The inner loops over channels and over flat buffers, sixteen at a time.

import CVectors
import Tensors
import Threading

typealias Vector = SIMD16<Float>
/// The rest of channels that are a multiple of eight.
private typealias HalfVector = SIMD8<Float>

extension SIMD16 where Scalar == Float {
  /// self + factor * vector, with one rounding where the processor has an instruction for it.
  @inline(__always)
  func plus(_ factor: Float, times vector: Vector) -> Vector {
    CVectors_multiplyAdd(Vector(repeating: factor), vector, self)
  }
}

extension UnsafePointer where Pointee == Float {
  /// Sixteen floats from `index` on, aligned or not.
  @inline(__always)
  func vector(_ index: Int) -> Vector {
    UnsafeRawPointer(self + index).loadUnaligned(as: Vector.self)
  }

  @inline(__always)
  fileprivate func half(_ index: Int) -> HalfVector {
    UnsafeRawPointer(self + index).loadUnaligned(as: HalfVector.self)
  }
}

extension UnsafeMutablePointer where Pointee == Float {
  /// Sixteen floats from `index` on, aligned or not.
  @inline(__always)
  func vector(_ index: Int) -> Vector {
    UnsafeRawPointer(self + index).loadUnaligned(as: Vector.self)
  }

  /// Overwrites sixteen floats from `index` on.
  @inline(__always)
  func store(_ vector: Vector, at index: Int) {
    UnsafeMutableRawPointer(self + index).storeBytes(of: vector, as: Vector.self)
  }

  @inline(__always)
  fileprivate func store(_ half: HalfVector, at index: Int) {
    UnsafeMutableRawPointer(self + index).storeBytes(of: half, as: HalfVector.self)
  }
}

/// target := source, for counts too small to be worth a call of memcpy.
@inline(__always)
func copyFloats(
  _ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int
) {
  var index = 0
  while index &+ 16 <= count {
    target.store(source.vector(index), at: index)
    index &+= 16
  }
  if index &+ 8 <= count {
    target.store(source.half(index), at: index)
    index &+= 8
  }
  while index < count {
    target[index] = source[index]
    index &+= 1
  }
}

/// target := source + bias, with negative results made 0 when `appliesReLU`.
@inline(__always)
func storeFloats(
  _ source: UnsafePointer<Float>, bias: UnsafePointer<Float>?, appliesReLU: Bool,
  to target: UnsafeMutablePointer<Float>, count: Int
) {
  let floor: Float = appliesReLU ? 0 : -.infinity
  var index = 0
  if let bias {
    while index &+ 16 <= count {
      let sum = source.vector(index) + bias.vector(index)
      target.store(sum.replacing(with: floor, where: sum .< floor), at: index)
      index &+= 16
    }
    if index &+ 8 <= count {
      let sum = source.half(index) + bias.half(index)
      target.store(sum.replacing(with: floor, where: sum .< floor), at: index)
      index &+= 8
    }
    while index < count {
      let sum = source[index] + bias[index]
      target[index] = sum < floor ? floor : sum
      index &+= 1
    }
  } else {
    while index &+ 16 <= count {
      let value = source.vector(index)
      target.store(value.replacing(with: floor, where: value .< floor), at: index)
      index &+= 16
    }
    if index &+ 8 <= count {
      let value = source.half(index)
      target.store(value.replacing(with: floor, where: value .< floor), at: index)
      index &+= 8
    }
    while index < count {
      target[index] = source[index] < floor ? floor : source[index]
      index &+= 1
    }
  }
}

/// target := source where target was positive, else 0: a ReLU's gradient over its own output.
@inline(__always)
func maskByReLU(
  _ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int
) {
  var index = 0
  while index &+ 16 <= count {
    let passes = target.vector(index) .> 0
    target.store(Vector.zero.replacing(with: source.vector(index), where: passes), at: index)
    index &+= 16
  }
  if index &+ 8 <= count {
    let passes = UnsafePointer(target).half(index) .> 0
    target.store(HalfVector.zero.replacing(with: source.half(index), where: passes), at: index)
    index &+= 8
  }
  while index < count {
    target[index] = target[index] > 0 ? source[index] : 0
    index &+= 1
  }
}

/// sums := or += the sum of `count` lines of `width` floats, a multiple of 16, which follow each other.
func sumLines(
  _ lines: UnsafePointer<Float>, count: Int, width: Int, into sums: UnsafeMutablePointer<Float>,
  accumulating: Bool
) {
  for column in stride(from: 0, to: width, by: 16) {
    var sum = lines.vector(column)
    for line in 1..<max(1, count) { sum += lines.vector(line * width + column) }
    sums.store(accumulating ? sums.vector(column) + sum : sum, at: column)
  }
}

/// Floats in a block of a flat buffer: a fixed number, so that the order of sums never depends on
/// the number of threads.
var blockSize: Int { FloatBuffer.blockSize }

/// BlockLoop of a flat buffer of `count` floats.
func blockCount(_ count: Int) -> Int { (count + blockSize - 1) / blockSize }

/// Calls `body` with `context` and each of the consecutive blocks of 0..<count.
func forEachBlock<Context>(
  _ count: Int, _ context: Context, on team: ThreadTeam,
  _ body: @escaping (_ context: Context, _ block: Range<Int>) -> Void
) {
  let blocks = BlockLoop(count: count, context: context, body: body)
  team.forEach(blockCount(count), blocks) { blocks, block, _ in
    blocks.body(
      blocks.context, block * blockSize..<min((block + 1) * blockSize, blocks.count))
  }
}

/// A loop over blocks.
private struct BlockLoop<Context> {
  let count: Int
  let context: Context
  let body: (Context, Range<Int>) -> Void
}
