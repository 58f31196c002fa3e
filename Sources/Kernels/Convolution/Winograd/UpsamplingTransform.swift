// Doubling by the nearest neighbour and a 2x2 kernel: 4 multiplications for 4 outputs instead of
// 16.

/// The tile transform of nearest-neighbour upsampling followed by a 2x2 convolution.
///
/// On one axis, an even output sees input x(i) through both taps, an odd one x(i) and x(i + 1):
///
///     y(2 i)     = (w0 + w1) x(i)
///     y(2 i + 1) = w0 x(i) + w1 x(i + 1) = y(2 i) + w1 (x(i + 1) - x(i))
///
/// So two products serve two outputs. With the transforms of one axis
///
///     input (a, b) -> (a, b - a)    weights (w0, w1) -> (w0 + w1, w1)    output (m, n) -> (m, m + n)
///
/// applied to rows and columns, a 2x2 patch of the small image gives a 2x2 tile of the large one.
enum UpsamplingTransform: TrainableTileTransform {
  static var planes: Int { 4 }
  static var inputExtent: Int { 2 }
  static var inputStep: Int { 1 }
  static var outputExtent: Int { 2 }
  static var kernelExtent: Int { 2 }
  static var sumPlane: Int { 0 }

  @inline(__always)
  static func input(_ patch: Im2colSource, into planes: PlaneTarget) {
    let (a, b, c, d) = (patch[0, 0], patch[0, 1], patch[1, 0], patch[1, 1])
    planes.store(a, 0)
    planes.store(b - a, 1)
    planes.store(c - a, 2)
    planes.store((d - c) - (b - a), 3)
  }

  @inline(__always)
  static func weights(_ taps: UnsafePointer<Float>, tapStride: Int, into planes: PlaneTarget) {
    let (a, b) = (taps.vector(0), taps.vector(tapStride))
    let (c, d) = (taps.vector(2 &* tapStride), taps.vector(3 &* tapStride))
    planes.store((a + b) + (c + d), 0)
    planes.store(b + d, 1)
    planes.store(c + d, 2)
    planes.store(d, 3)
  }

  @inline(__always)
  static func output(_ planes: PlaneSource, into tile: TileTarget) {
    let upper = planes[0]
    let lower = upper + planes[2]
    tile.store(upper, 0, 0)
    tile.store(upper + planes[1], 0, 1)
    tile.store(lower, 1, 0)
    tile.store(lower + (planes[1] + planes[3]), 1, 1)
  }

  @inline(__always)
  static func outputGradient(_ tile: Im2colSource, into planes: PlaneTarget) {
    let (a, b, c, d) = (tile[0, 0], tile[0, 1], tile[1, 0], tile[1, 1])
    planes.store((a + b) + (c + d), 0)
    planes.store(b + d, 1)
    planes.store(c + d, 2)
    planes.store(d, 3)
  }

  @inline(__always)
  static func weightGradient(_ planes: PlaneSource, into taps: TapTarget) {
    let upper = planes[0]
    let lower = upper + planes[2]
    taps.add(upper, 0)
    taps.add(upper + planes[1], 1)
    taps.add(lower, 2)
    taps.add(lower + (planes[1] + planes[3]), 3)
  }
}

/// The tile transform of the input gradient of that doubling.
///
/// On one axis, with g the output's gradient, input i receives
///
///     (w0 + w1) (g(2 i) + g(2 i + 1)) + w1 (g(2 i - 1) - g(2 i + 1))
///
/// so a 3x3 patch of the large gradient gives one pixel of the small one; the products of all four
/// planes are added up.
enum UpsamplingGradientTransform: TileTransform {
  static var planes: Int { 4 }
  static var inputExtent: Int { 3 }
  static var inputStep: Int { 2 }
  static var outputExtent: Int { 1 }
  static var kernelExtent: Int { 2 }

  @inline(__always)
  static func input(_ patch: Im2colSource, into planes: PlaneTarget) {
    @inline(__always) func row(_ y: Int) -> (sum: Vector, difference: Vector) {
      (patch[y, 1] + patch[y, 2], patch[y, 0] - patch[y, 2])
    }
    let (before, even, odd) = (row(0), row(1), row(2))
    planes.store(even.sum + odd.sum, 0)
    planes.store(even.difference + odd.difference, 1)
    planes.store(before.sum - odd.sum, 2)
    planes.store(before.difference - odd.difference, 3)
  }

  @inline(__always)
  static func weights(_ taps: UnsafePointer<Float>, tapStride: Int, into planes: PlaneTarget) {
    UpsamplingTransform.weights(taps, tapStride: tapStride, into: planes)
  }

  @inline(__always)
  static func output(_ planes: PlaneSource, into tile: TileTarget) {
    tile.store((planes[0] + planes[1]) + (planes[2] + planes[3]), 0, 0)
  }
}
