// Winograd's F(4x4, 3x3): 36 multiplications for 16 outputs of a 3x3 kernel instead of 144.

/// The minimal filtering algorithm F(4x4, 3x3) at the points 0, 1, -1, 2, -2 and infinity.
///
///     Y = A^T [ (G g G^T) .* (B^T d B) ] A
///
/// with 6x6 patches d, 3x3 kernels g and 4x4 tiles Y. Source: A. Lavin and S. Gray, "Fast
/// Algorithms for Convolutional Neural Networks", 2015, arXiv 1509.09308, section 4.3.
///
/// The transforms of one axis are written out below with what rows of the matrices have in common
/// taken once: the rows of a point and its negative differ in the sign of the odd terms only.
enum WinogradTransform: TrainableTileTransform {
  static var planes: Int { 36 }
  static var inputExtent: Int { 6 }
  static var inputStep: Int { 4 }
  static var outputExtent: Int { 4 }
  static var kernelExtent: Int { 3 }
  /// Row and column of the point 1, at which a polynomial's value is the sum of its coefficients.
  static var sumPlane: Int { 7 }

  // MARK: One axis

  /// The transform B^T d, with B^T as follows.
  ///
  ///     4  0 -5  0  1  0
  ///     0 -4 -4  1  1  0
  ///     0  4 -4 -1  1  0
  ///     0 -2 -1  2  1  0
  ///     0  2 -1 -2  1  0
  ///     0  4  0 -5  0  1
  @inline(__always)
  private static func input(_ d: Six) -> Six {
    let even1 = d.e.plus(-4, times: d.c)
    let odd1 = d.d.plus(-4, times: d.b)
    let even2 = d.e - d.c
    let odd2 = d.d - d.b
    return Six(
      a: d.e.plus(-5, times: d.c).plus(4, times: d.a),
      b: even1 + odd1, c: even1 - odd1,
      d: even2.plus(2, times: odd2),
      e: even2.plus(-2, times: odd2),
      f: d.f.plus(-5, times: d.d).plus(4, times: d.b))
  }

  /// The transform G g, with G as follows.
  ///
  ///      1/4    0     0
  ///     -1/6  -1/6  -1/6
  ///     -1/6   1/6  -1/6
  ///     1/24  1/12   1/6
  ///     1/24 -1/12   1/6
  ///       0     0     1
  @inline(__always)
  private static func weights(_ g: Three) -> Six {
    let even1 = (g.a + g.c) * (-1 / 6)
    let odd1 = g.b * (-1 / 6)
    let even2 = (g.c * (1 / 6)).plus(1 / 24, times: g.a)
    let odd2 = g.b * (1 / 12)
    return Six(
      a: g.a * 0.25, b: even1 + odd1, c: even1 - odd1, d: even2 + odd2, e: even2 - odd2, f: g.c)
  }

  /// The transform A^T m, with A^T as follows.
  ///
  ///     1 1  1 1  1 0
  ///     0 1 -1 2 -2 0
  ///     0 1  1 4  4 0
  ///     0 1 -1 8 -8 1
  @inline(__always)
  private static func output(_ m: Six) -> Four {
    let even1 = m.b + m.c
    let odd1 = m.b - m.c
    let even2 = m.d + m.e
    let odd2 = m.d - m.e
    return Four(
      a: m.a + even1 + even2,
      b: odd1.plus(2, times: odd2),
      c: even1.plus(4, times: even2),
      d: (odd1 + m.f).plus(8, times: odd2))
  }

  /// A y, the transpose of `output`.
  @inline(__always)
  private static func outputGradient(_ y: Four) -> Six {
    let even1 = y.a + y.c
    let odd1 = y.b + y.d
    let even2 = y.a.plus(4, times: y.c)
    let odd2 = y.b.plus(4, times: y.d)
    return Six(
      a: y.a, b: even1 + odd1, c: even1 - odd1,
      d: even2.plus(2, times: odd2),
      e: even2.plus(-2, times: odd2), f: y.d)
  }

  /// G^T u, the transpose of `weights`.
  @inline(__always)
  private static func weightGradient(_ u: Six) -> Three {
    let even1 = (u.b + u.c) * (-1 / 6)
    let even2 = u.d + u.e
    return Three(
      a: even1.plus(0.25, times: u.a)
        .plus(1 / 24, times: even2),
      b: ((u.c - u.b) * (1 / 6)).plus(1 / 12, times: u.d - u.e),
      c: (even1 + u.f).plus(1 / 6, times: even2))
  }

  // MARK: Rows, then columns

  @inline(__always)
  static func input(_ patch: Im2colSource, into planes: PlaneTarget) {
    @inline(__always) func row(_ y: Int) -> Six {
      input(
        Six(
          a: patch[y, 0], b: patch[y, 1], c: patch[y, 2], d: patch[y, 3], e: patch[y, 4],
          f: patch[y, 5]))
    }
    store(columns: (row(0), row(1), row(2), row(3), row(4), row(5)), input, into: planes)
  }

  @inline(__always)
  static func weights(_ taps: UnsafePointer<Float>, tapStride: Int, into planes: PlaneTarget) {
    @inline(__always) func row(_ i: Int) -> Six {
      let line = taps + 3 &* i &* tapStride
      return weights(
        Three(a: line.vector(0), b: line.vector(tapStride), c: line.vector(2 &* tapStride)))
    }
    let (top, middle, bottom) = (row(0), row(1), row(2))
    @inline(__always) func column(_ x: Int, _ a: Vector, _ b: Vector, _ c: Vector) {
      store(weights(Three(a: a, b: b, c: c)), column: x, into: planes)
    }
    column(0, top.a, middle.a, bottom.a)
    column(1, top.b, middle.b, bottom.b)
    column(2, top.c, middle.c, bottom.c)
    column(3, top.d, middle.d, bottom.d)
    column(4, top.e, middle.e, bottom.e)
    column(5, top.f, middle.f, bottom.f)
  }

  @inline(__always)
  static func output(_ planes: PlaneSource, into tile: TileTarget) {
    let rows = rowsOfPlanes(planes, output)
    @inline(__always) func column(
      _ x: Int, _ a: Vector, _ b: Vector, _ c: Vector, _ d: Vector, _ e: Vector, _ f: Vector
    ) {
      let values = output(Six(a: a, b: b, c: c, d: d, e: e, f: f))
      tile.store(values.a, 0, x)
      tile.store(values.b, 1, x)
      tile.store(values.c, 2, x)
      tile.store(values.d, 3, x)
    }
    let (r0, r1, r2, r3, r4, r5) = rows
    column(0, r0.a, r1.a, r2.a, r3.a, r4.a, r5.a)
    column(1, r0.b, r1.b, r2.b, r3.b, r4.b, r5.b)
    column(2, r0.c, r1.c, r2.c, r3.c, r4.c, r5.c)
    column(3, r0.d, r1.d, r2.d, r3.d, r4.d, r5.d)
  }

  @inline(__always)
  static func outputGradient(_ tile: Im2colSource, into planes: PlaneTarget) {
    @inline(__always) func row(_ y: Int) -> Six {
      outputGradient(Four(a: tile[y, 0], b: tile[y, 1], c: tile[y, 2], d: tile[y, 3]))
    }
    let (r0, r1, r2, r3) = (row(0), row(1), row(2), row(3))
    @inline(__always) func column(_ x: Int, _ a: Vector, _ b: Vector, _ c: Vector, _ d: Vector) {
      store(outputGradient(Four(a: a, b: b, c: c, d: d)), column: x, into: planes)
    }
    column(0, r0.a, r1.a, r2.a, r3.a)
    column(1, r0.b, r1.b, r2.b, r3.b)
    column(2, r0.c, r1.c, r2.c, r3.c)
    column(3, r0.d, r1.d, r2.d, r3.d)
    column(4, r0.e, r1.e, r2.e, r3.e)
    column(5, r0.f, r1.f, r2.f, r3.f)
  }

  @inline(__always)
  static func weightGradient(_ planes: PlaneSource, into taps: TapTarget) {
    let (r0, r1, r2, r3, r4, r5) = rowsOfPlanes(planes, weightGradient)
    @inline(__always) func column(
      _ j: Int, _ a: Vector, _ b: Vector, _ c: Vector, _ d: Vector, _ e: Vector, _ f: Vector
    ) {
      let values = weightGradient(Six(a: a, b: b, c: c, d: d, e: e, f: f))
      taps.add(values.a, j)
      taps.add(values.b, 3 &+ j)
      taps.add(values.c, 6 &+ j)
    }
    column(0, r0.a, r1.a, r2.a, r3.a, r4.a, r5.a)
    column(1, r0.b, r1.b, r2.b, r3.b, r4.b, r5.b)
    column(2, r0.c, r1.c, r2.c, r3.c, r4.c, r5.c)
  }

  // MARK: Six rows

  /// Each row of planes through the transform of one axis.
  @inline(__always)
  private static func rowsOfPlanes<Line>(
    _ planes: PlaneSource, _ transform: (Six) -> Line
  ) -> (Line, Line, Line, Line, Line, Line) {
    @inline(__always) func row(_ y: Int) -> Line {
      let first = 6 &* y
      return transform(
        Six(
          a: planes[first], b: planes[first &+ 1], c: planes[first &+ 2], d: planes[first &+ 3],
          e: planes[first &+ 4], f: planes[first &+ 5]))
    }
    return (row(0), row(1), row(2), row(3), row(4), row(5))
  }

  /// Stores the six columns of six rows, each through the transform of one axis.
  @inline(__always)
  private static func store(
    columns rows: (Six, Six, Six, Six, Six, Six), _ transform: (Six) -> Six,
    into planes: PlaneTarget
  ) {
    let (r0, r1, r2, r3, r4, r5) = rows
    store(
      transform(Six(a: r0.a, b: r1.a, c: r2.a, d: r3.a, e: r4.a, f: r5.a)), column: 0, into: planes)
    store(
      transform(Six(a: r0.b, b: r1.b, c: r2.b, d: r3.b, e: r4.b, f: r5.b)), column: 1, into: planes)
    store(
      transform(Six(a: r0.c, b: r1.c, c: r2.c, d: r3.c, e: r4.c, f: r5.c)), column: 2, into: planes)
    store(
      transform(Six(a: r0.d, b: r1.d, c: r2.d, d: r3.d, e: r4.d, f: r5.d)), column: 3, into: planes)
    store(
      transform(Six(a: r0.e, b: r1.e, c: r2.e, d: r3.e, e: r4.e, f: r5.e)), column: 4, into: planes)
    store(
      transform(Six(a: r0.f, b: r1.f, c: r2.f, d: r3.f, e: r4.f, f: r5.f)), column: 5, into: planes)
  }

  @inline(__always)
  private static func store(_ values: Six, column: Int, into planes: PlaneTarget) {
    planes.store(values.a, column)
    planes.store(values.b, 6 &+ column)
    planes.store(values.c, 12 &+ column)
    planes.store(values.d, 18 &+ column)
    planes.store(values.e, 24 &+ column)
    planes.store(values.f, 30 &+ column)
  }
}

/// Three values of sixteen channels.
private struct Three {
  let a, b, c: Vector
}

/// Four values of sixteen channels.
private struct Four {
  let a, b, c, d: Vector
}

/// Six values of sixteen channels.
private struct Six {
  let a, b, c, d, e, f: Vector
}
