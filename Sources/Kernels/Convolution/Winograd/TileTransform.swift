// The transforms of a fast convolution: of small tiles of an image, kernels, and their gradients.

/// A bilinear algorithm for convolutions by small tiles.
///
/// The part of the input that a tile of the output sees, and the kernel, are transformed into
/// `planes` values each; plane by plane these are multiplied and summed over the input channels,
/// a matrix product; and the products are transformed back into the output tile:
///
///     output tile = output( sum over c of input(patch) .* weights(kernel) )
///
/// All transforms are linear, work on sixteen channels at once, and apply a transform of one axis
/// to rows and columns. The gradient of the weights goes through the transposed transforms.
protocol TileTransform: Sendable {
  /// Values that a patch, a kernel or a tile is transformed into.
  static var planes: Int { get }
  /// Rows, and columns, of the input that a tile sees.
  static var inputExtent: Int { get }
  /// Rows of the input from a tile to the next.
  static var inputStep: Int { get }
  /// Rows, and columns, of a tile of the output.
  static var outputExtent: Int { get }
  /// Rows, and columns, of the kernel.
  static var kernelExtent: Int { get }

  /// planes [planes, 16] := the transformed patch [inputExtent, inputExtent, 16] of the input.
  static func input(_ patch: Im2colSource, into planes: PlaneTarget)
  /// planes [planes, 16] := the transformed kernel [kernelExtent^2, 16], whose taps lie `tapStride`
  /// floats apart.
  static func weights(_ taps: UnsafePointer<Float>, tapStride: Int, into planes: PlaneTarget)
  /// tile [outputExtent, outputExtent, 16] := the products [planes, 16] transformed back.
  static func output(_ planes: PlaneSource, into tile: TileTarget)
}

/// A tile transform with the transposed transforms that a weight gradient needs.
protocol TrainableTileTransform: TileTransform {
  /// The plane in which `outputGradient` leaves the sum of the tile.
  static var sumPlane: Int { get }

  /// planes := the tile of the output's gradient, through the transpose of `output`.
  static func outputGradient(_ tile: Im2colSource, into planes: PlaneTarget)
  /// weightGradient += the planes through the transpose of `weights`; sixteen values a tap.
  static func weightGradient(_ planes: PlaneSource, into taps: TapTarget)
}

/// Sixteen channels of a patch of an image.
struct Im2colSource {
  let base: UnsafePointer<Float>
  let rowStride: Int
  let pixelStride: Int

  @inline(__always)
  subscript(y: Int, x: Int) -> Vector { base.vector(y &* rowStride &+ x &* pixelStride) }
}

/// Where the planes of sixteen channels are written.
struct PlaneTarget {
  let base: UnsafeMutablePointer<Float>
  let stride: Int

  @inline(__always)
  func store(_ value: Vector, _ plane: Int) { base.store(value, at: plane &* stride) }
}

/// The planes of sixteen channels.
struct PlaneSource {
  let base: UnsafePointer<Float>
  let stride: Int

  @inline(__always)
  subscript(plane: Int) -> Vector { base.vector(plane &* stride) }
}

/// Where sixteen channels of a tile of the output are written.
struct TileTarget {
  let base: UnsafeMutablePointer<Float>
  let rowStride: Int
  let pixelStride: Int
  /// Rows and columns of the tile that lie within the output.
  let height: Int
  let width: Int
  /// Added to every value.
  let bias: Vector
  /// The smallest value: 0 behind a ReLU.
  let floor: Vector
  /// Whether values become 0 where what they overwrite is not positive.
  let passesWherePositive: Bool

  @inline(__always)
  func store(_ value: Vector, _ y: Int, _ x: Int) {
    guard y < height && x < width else { return }
    let place = base + (y &* rowStride &+ x &* pixelStride)
    var result = value + bias
    result.replace(with: floor, where: result .< floor)
    if passesWherePositive {
      result = Vector.zero.replacing(with: result, where: place.vector(0) .> 0)
    }
    place.store(result, at: 0)
  }
}

/// Where sixteen output channels of the taps of a kernel's gradient are added.
struct TapTarget {
  let base: UnsafeMutablePointer<Float>
  let stride: Int

  @inline(__always)
  func add(_ value: Vector, _ tap: Int) {
    let place = tap &* stride
    base.store(base.vector(place) + value, at: place)
  }
}
