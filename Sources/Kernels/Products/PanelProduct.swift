// Products with a matrix that lies in narrow panels: the inner loop of transformed convolutions.

import CVectors

/// Products of small matrices whose second factor lies in panels of at most 64 columns.
///
/// A panel holds [depth, columns], so a step of the depth reads one to four cache lines of it side
/// by side. Nothing is rearranged first, as BLAS must do for matrices of any layout: the transforms
/// that make the factors write them the way they are read here.
enum PanelProduct {
  /// Columns of a panel at most: four vectors.
  static let widestPanel = 64

  /// The first factor: the value (row, segment, depth) lies at
  /// base + row * rowStride + segment * segmentStride + depth * depthStride.
  ///
  /// The depths of all segments follow each other: the panel has [segments, depth] lines.
  struct Rows {
    var base: UnsafePointer<Float>
    var rowStride: Int
    var depthStride: Int
    var segments = 1
    var segmentStride = 0
  }

  /// result := rows * panel, or result += rows * panel when `accumulating`; `depth` is that of a
  /// segment.
  ///
  /// `columns` is a multiple of 16 up to 64 and is the stride of both the panel and the result.
  /// Each value is the sum over the depth in its order, by multiply-adds in blocks of
  /// `deepestBlock`, whatever the other counts; so how rows are shared out never shows in the bits.
  static func multiply(
    rows count: Int, columns: Int, depth: Int, _ rows: Rows, panel: UnsafePointer<Float>,
    into result: UnsafeMutablePointer<Float>, accumulating: Bool
  ) {
    guard rows.segments == 1 || rows.segments * depth <= deepestBlock else {
      for segment in 0..<rows.segments {
        multiply(
          rows: count, columns: columns, depth: depth,
          Rows(
            base: rows.base + segment * rows.segmentStride, rowStride: rows.rowStride,
            depthStride: rows.depthStride),
          panel: panel + segment * depth * columns, into: result,
          accumulating: accumulating || segment > 0)
      }
      return
    }
    var first = 0
    while first < depth {
      var part = rows
      part.base += first * rows.depthStride
      multiplyBlock(
        rows: count, columns: columns, depth: min(deepestBlock, depth - first), part,
        panel: panel + first * columns, into: result, accumulating: accumulating || first > 0)
      first += deepestBlock
    }
  }

  /// The part of a panel that is read again and again from a core's own cache.
  private static let deepestBlock = 256

  @inline(never)
  private static func multiplyBlock(
    rows count: Int, columns: Int, depth: Int, _ rows: Rows, panel: UnsafePointer<Float>,
    into result: UnsafeMutablePointer<Float>, accumulating: Bool
  ) {
    func product(column: Int = 0) -> RunningProduct {
      RunningProduct(
        rows: rows, panel: panel + column, depth: depth, result: result + column, stride: columns,
        left: count, accumulating: accumulating)
    }
    // As many accumulators as registers allow beside the panel's vectors.
    switch CVectors_registerBits() {
    case 512:
      var product = product()
      switch columns / 16 {
      case 4: product.run(SixRows<FourVectors>.self, FourVectors.self)
      case 3: product.run(EightRows<ThreeVectors>.self, ThreeVectors.self)
      case 2: product.run(TwelveRows<TwoVectors>.self, TwoVectors.self)
      default: product.run(TwelveRows<OneVector>.self, OneVector.self)
      }
    case 256:
      // A vector takes two registers.
      for column in stride(from: 0, to: columns, by: 16) {
        var product = product(column: column)
        product.run(SixRows<OneVector>.self, OneVector.self)
      }
    default:
      // Four registers.
      for column in stride(from: 0, to: columns, by: 16) {
        var product = product(column: column)
        product.run(TwoRows<OneVector>.self, OneVector.self)
      }
    }
  }
}

/// A product under way: what is left of it.
private struct RunningProduct {
  var rows: PanelProduct.Rows
  let panel: UnsafePointer<Float>
  let depth: Int
  var result: UnsafeMutablePointer<Float>
  /// Floats from a line of the panel, and of the result, to the next.
  let stride: Int
  var left: Int
  let accumulating: Bool

  /// Multiplies all rows, as many at a time as `Tile` holds, the last ones by fours and less.
  @inline(__always)
  mutating func run<Tile: RowTile, Line: PanelLine>(_ tile: Tile.Type, _: Line.Type)
  where Tile.Line == Line {
    while left >= Tile.count { multiply(tile) }
    while left >= 4 { multiply(FourRows<Line>.self) }
    if left >= 3 { multiply(ThreeRows<Line>.self) }
    if left >= 2 { multiply(TwoRows<Line>.self) }
    if left >= 1 { multiply(OneRow<Line>.self) }
  }

  /// Multiplies the next rows.
  @inline(__always)
  private mutating func multiply<Tile: RowTile>(_: Tile.Type) {
    var sums = Tile()
    var segment = rows.base
    var line = panel
    for _ in 0..<rows.segments {
      var column = segment
      for _ in 0..<depth {
        sums.addProducts(column, rows.rowStride, Tile.Line(line))
        column += rows.depthStride
        line += stride
      }
      segment += rows.segmentStride
    }
    sums.store(to: result, stride: stride, accumulating: accumulating)
    rows.base += Tile.count &* rows.rowStride
    result += Tile.count &* stride
    left &-= Tile.count
  }
}

// MARK: - What stays in registers

/// Vectors of a panel's row side by side.
///
/// Composed of halves as structs, not of arrays, so that every vector surely has a register.
private protocol PanelLine {
  static var count: Int { get }
  init()
  init(_ values: UnsafePointer<Float>)
  mutating func addProduct(_ factor: Vector, _ line: Self)
  func store(to target: UnsafeMutablePointer<Float>, accumulating: Bool)
}

private struct OneVector: PanelLine {
  private var vector: Vector

  static var count: Int { 1 }

  @inline(__always)
  init() { vector = .zero }

  @inline(__always)
  init(_ values: UnsafePointer<Float>) { vector = values.vector(0) }

  @inline(__always)
  mutating func addProduct(_ factor: Vector, _ line: OneVector) {
    vector = CVectors_multiplyAdd(factor, line.vector, vector)
  }

  @inline(__always)
  func store(to target: UnsafeMutablePointer<Float>, accumulating: Bool) {
    target.store(accumulating ? target.vector(0) + vector : vector, at: 0)
  }
}

private struct Beside<First: PanelLine, Second: PanelLine>: PanelLine {
  private var first: First
  private var second: Second

  static var count: Int { First.count &+ Second.count }

  @inline(__always)
  init() { (first, second) = (First(), Second()) }

  @inline(__always)
  init(_ values: UnsafePointer<Float>) {
    (first, second) = (First(values), Second(values + 16 &* First.count))
  }

  @inline(__always)
  mutating func addProduct(_ factor: Vector, _ line: Beside) {
    first.addProduct(factor, line.first)
    second.addProduct(factor, line.second)
  }

  @inline(__always)
  func store(to target: UnsafeMutablePointer<Float>, accumulating: Bool) {
    first.store(to: target, accumulating: accumulating)
    second.store(to: target + 16 &* First.count, accumulating: accumulating)
  }
}

private typealias TwoVectors = Beside<OneVector, OneVector>
private typealias ThreeVectors = Beside<TwoVectors, OneVector>
private typealias FourVectors = Beside<TwoVectors, TwoVectors>

/// Rows of the result, composed in the same way.
private protocol RowTile {
  associatedtype Line: PanelLine
  static var count: Int { get }
  init()
  /// Adds the products of a column of the first factor with a line of the panel.
  mutating func addProducts(_ column: UnsafePointer<Float>, _ stride: Int, _ line: Line)
  func store(to target: UnsafeMutablePointer<Float>, stride: Int, accumulating: Bool)
}

private struct OneRow<Line: PanelLine>: RowTile {
  private var sums: Line

  static var count: Int { 1 }

  @inline(__always)
  init() { sums = Line() }

  @inline(__always)
  mutating func addProducts(_ column: UnsafePointer<Float>, _ stride: Int, _ line: Line) {
    sums.addProduct(Vector(repeating: column[0]), line)
  }

  @inline(__always)
  func store(to target: UnsafeMutablePointer<Float>, stride: Int, accumulating: Bool) {
    sums.store(to: target, accumulating: accumulating)
  }
}

private struct Above<Upper: RowTile, Lower: RowTile>: RowTile where Upper.Line == Lower.Line {
  private var upper: Upper
  private var lower: Lower

  static var count: Int { Upper.count &+ Lower.count }

  @inline(__always)
  init() { (upper, lower) = (Upper(), Lower()) }

  @inline(__always)
  mutating func addProducts(_ column: UnsafePointer<Float>, _ stride: Int, _ line: Upper.Line) {
    upper.addProducts(column, stride, line)
    lower.addProducts(column + Upper.count &* stride, stride, line)
  }

  @inline(__always)
  func store(to target: UnsafeMutablePointer<Float>, stride: Int, accumulating: Bool) {
    upper.store(to: target, stride: stride, accumulating: accumulating)
    lower.store(to: target + Upper.count &* stride, stride: stride, accumulating: accumulating)
  }
}

private typealias TwoRows<Line: PanelLine> = Above<OneRow<Line>, OneRow<Line>>
private typealias ThreeRows<Line: PanelLine> = Above<TwoRows<Line>, OneRow<Line>>
private typealias FourRows<Line: PanelLine> = Above<TwoRows<Line>, TwoRows<Line>>
private typealias SixRows<Line: PanelLine> = Above<FourRows<Line>, TwoRows<Line>>
private typealias EightRows<Line: PanelLine> = Above<FourRows<Line>, FourRows<Line>>
private typealias TwelveRows<Line: PanelLine> = Above<EightRows<Line>, FourRows<Line>>
