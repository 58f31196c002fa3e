// One synthetic picture of cells: their outlines, then what a microscope would make of them.

import Imaging
import Randomness
import Tensors

/// The cells of one picture and its random stream.
struct CellField {
  private let side: Int
  private var stream: RandomStream
  /// Which cell owns each pixel, or -1; borders belong to nobody.
  private var owner: [Int32]
  /// How far each pixel is inside its cell: 0 at the outline, 1 in the centre; 0 outside.
  private var depth: [Float]
  private var cellCount = 0

  /// Half the width of the border between two touching cells, in pixels.
  private static let borderHalfWidth: Float = 1.6

  /// Places the cells of picture `index`.
  init(side: Int, seed: UInt64, index: Int) {
    self.side = side
    stream = RandomStream(seed: seed, purpose: .synthesis, epoch: 0, sample: index)
    owner = Array(repeating: -1, count: side * side)
    depth = Array(repeating: 0, count: side * side)
    placeCells()
  }

  // MARK: - Outlines

  /// A cell: a disc whose radius varies with the angle.
  private struct Cell {
    var x: Float
    var y: Float
    var radius: Float
    /// Cosine and sine coefficients of the angle's multiples 1...3, relative to the radius.
    var waves: [SIMD2<Float>]

    /// The distance from the centre in units of the outline's distance in that direction.
    func relativeDistance(_ dx: Float, _ dy: Float) -> Float {
      let distance = (dx * dx + dy * dy).squareRoot()
      guard distance > 0 else { return 0 }
      // cos(k a) and sin(k a) by complex multiplication: exact enough and free of the C library.
      let direction = SIMD2(dx, dy) / distance
      var power = SIMD2<Float>(1, 0)
      var outline: Float = 1
      for wave in waves {
        power = SIMD2(
          power.x * direction.x - power.y * direction.y,
          power.x * direction.y + power.y * direction.x)
        outline += (wave * power).sum()
      }
      return distance / (radius * outline)
    }
  }

  /// Puts cells on a disturbed grid, and gives each pixel to the nearest outline.
  private mutating func placeCells() {
    let typicalRadius = min(19, Float(side) / 3)
    // 0.85 of two radii apart: neighbours press against each other.
    let columns = max(1, Int(Float(side) / (1.7 * typicalRadius) + 0.5))
    let pitch = Float(side) / Float(columns)
    var cells: [Cell] = []
    for row in 0..<columns {
      for column in 0..<columns {
        let isEmpty = stream.uniform() < 0.22
        let shift = (row % 2 == 0 ? 0.25 : 0.75) as Float
        let cell = Cell(
          x: (Float(column) + shift + stream.uniform(in: -0.22..<0.22)) * pitch,
          y: (Float(row) + 0.5 + stream.uniform(in: -0.22..<0.22)) * pitch,
          radius: typicalRadius * stream.uniform(in: 0.75..<1.25),
          waves: [0.12, 0.10, 0.05].map { amplitude in
            SIMD2(
              stream.uniform(in: -amplitude..<amplitude), stream.uniform(in: -amplitude..<amplitude)
            )
          })
        // A picture has at least one cell, in its first place.
        if !isEmpty || cells.isEmpty { cells.append(cell) }
      }
    }
    cellCount = cells.count
    claimPixels(cells)
  }

  private mutating func claimPixels(_ cells: [Cell]) {
    var nearest = [Float](repeating: .infinity, count: side * side)
    var second = nearest
    for (number, cell) in cells.enumerated() {
      // The waves add at most 0.54 to the outline.
      let reach = Int(cell.radius * 1.6) + 2
      for y in max(0, Int(cell.y) - reach)..<max(0, min(side, Int(cell.y) + reach + 1)) {
        for x in max(0, Int(cell.x) - reach)..<max(0, min(side, Int(cell.x) + reach + 1)) {
          let distance = cell.relativeDistance(Float(x) - cell.x, Float(y) - cell.y)
          let pixel = y * side + x
          if distance < nearest[pixel] {
            second[pixel] = nearest[pixel]
            nearest[pixel] = distance
            owner[pixel] = Int32(number)
          } else if distance < second[pixel] {
            second[pixel] = distance
          }
        }
      }
    }
    for pixel in owner.indices where owner[pixel] >= 0 {
      let radius = cells[Int(owner[pixel])].radius
      let toOutline = (1 - nearest[pixel]) * radius
      let toNeighbour = (second[pixel] - nearest[pixel]) * radius / 2
      let inside = min(toOutline, toNeighbour - Self.borderHalfWidth)
      if inside > 0 {
        depth[pixel] = min(1, inside / radius)
      } else {
        owner[pixel] = -1
      }
    }
  }

  /// The mask: 255 inside cells, 0 elsewhere.
  func mask() -> Image {
    Image(
      width: side, height: side, channels: 1, bitsPerSample: 8,
      samples: .uint8(owner.map { $0 >= 0 ? SyntheticCells.inside : 0 }))
  }

  // MARK: - Appearance

  /// The picture: brightness, texture, outlines, lighting, blur, noise, 8 bits.
  mutating func image() -> Image {
    let brightness = (0..<cellCount).map { _ in stream.uniform(in: 0.40..<0.62) }
    let coarse = texture(period: 24)
    let fine = texture(period: 5)
    let haze = texture(period: 48)
    let granules = texture(period: 3)
    var picture = [Float](repeating: 0, count: side * side)
    for pixel in picture.indices {
      let inside = depth[pixel]
      if owner[pixel] >= 0 {
        // The outline is a dark rim that fades inward within a seventh of the radius.
        let rim = max(0, 1 - inside * 7)
        let spot = max(0, granules[pixel] - 0.35)
        picture[pixel] =
          brightness[Int(owner[pixel])] + 0.10 * fine[pixel] - 0.25 * rim * rim + 0.25 * spot
      } else {
        picture[pixel] = 0.50 + 0.14 * coarse[pixel] - outlineShade(at: pixel)
      }
    }
    // Light falls in from one side: up to a fifth more or less across the picture.
    let slope = SIMD2(stream.uniform(in: -0.2..<0.2), stream.uniform(in: -0.2..<0.2))
    picture = blurred(blurred(picture))
    var samples = [UInt8](repeating: 0, count: side * side)
    for y in 0..<side {
      for x in 0..<side {
        let pixel = y * side + x
        let across = slope * (SIMD2(Float(x), Float(y)) / Float(side) - 0.5)
        let light = 1 + across.sum() + 0.12 * haze[pixel]
        // The sum of four uniform values is nearly normal, with deviation 0.58.
        let noise = (0..<4).reduce(Float(-2)) { sum, _ in sum + stream.uniform() }
        let value = picture[pixel] * light + 0.05 * noise
        samples[pixel] = UInt8(min(max(value, 0), 1) * 255 + 0.5)
      }
    }
    return Image(
      width: side, height: side, channels: 1, bitsPerSample: 8, samples: .uint8(samples))
  }

  /// The darkness of a pixel outside cells: outlines are dark on both sides.
  private func outlineShade(at pixel: Int) -> Float {
    let x = pixel % side
    let y = pixel / side
    let neighbours = [(x - 2, y), (x + 2, y), (x, y - 2), (x, y + 2)]
    let touching = neighbours.reduce(0) { count, place in
      let isInside = (0..<side).contains(place.0) && (0..<side).contains(place.1)
      return count + (isInside && owner[place.1 * side + place.0] >= 0 ? 1 : 0)
    }
    return 0.08 * Float(touching)
  }

  /// Smooth random values in about -1...1: a random grid, interpolated.
  private mutating func texture(period: Int) -> [Float] {
    let columns = side / period + 2
    let grid = (0..<columns * columns).map { _ in stream.uniform(in: -1..<1) }
    var values = [Float](repeating: 0, count: side * side)
    for y in 0..<side {
      let (row, v) = Self.position(y, period)
      for x in 0..<side {
        let (column, u) = Self.position(x, period)
        let corner = row * columns + column
        let top = grid[corner] + u * (grid[corner + 1] - grid[corner])
        let below = corner + columns
        let bottom = grid[below] + u * (grid[below + 1] - grid[below])
        values[y * side + x] = top + v * (bottom - top)
      }
    }
    return values
  }

  /// The grid cell of a position, and the smooth step 3t^2 - 2t^3 within it.
  private static func position(_ place: Int, _ period: Int) -> (cell: Int, step: Float) {
    let t = Float(place % period) / Float(period)
    return (place / period, t * t * (3 - 2 * t))
  }

  /// One pass of the binomial kernel (1 2 1) / 4 along rows and columns, borders mirrored.
  private func blurred(_ picture: [Float]) -> [Float] {
    let neighbours = BorderRule.mirrored(from: -1, length: side + 2, count: side)
    var rows = picture
    for y in 0..<side {
      for x in 0..<side {
        rows[y * side + x] =
          (picture[y * side + neighbours[x]] + 2 * picture[y * side + x]
            + picture[y * side + neighbours[x + 2]]) / 4
      }
    }
    var result = rows
    for y in 0..<side {
      for x in 0..<side {
        result[y * side + x] =
          (rows[neighbours[y] * side + x] + 2 * rows[y * side + x]
            + rows[neighbours[y + 2] * side + x]) / 4
      }
    }
    return result
  }
}
