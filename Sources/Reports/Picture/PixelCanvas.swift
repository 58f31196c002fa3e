// A picture that lines and letters are drawn on.

import Imaging

/// A colour of 8 bits a channel.
struct PixelColour {
  let red: UInt8
  let green: UInt8
  let blue: UInt8
}

/// A white picture in colour.
struct PixelCanvas {
  let width: Int
  let height: Int
  /// Red, green and blue of each pixel, row by row.
  private var samples: [UInt8]

  init(width: Int, height: Int) {
    (self.width, self.height) = (width, height)
    samples = [UInt8](repeating: 255, count: width * height * 3)
  }

  /// What was drawn, of three channels.
  var image: Image {
    Image(width: width, height: height, channels: 3, bitsPerSample: 8, samples: .uint8(samples))
  }

  /// Lays a colour over a pixel, 1 covers it; pixels outside are passed over.
  private mutating func blend(_ x: Int, _ y: Int, _ colour: PixelColour, cover: Double) {
    guard (0..<width).contains(x), (0..<height).contains(y), cover > 0 else { return }
    let first = (y * width + x) * 3
    for (channel, value) in [colour.red, colour.green, colour.blue].enumerated() {
      let below = Double(samples[first + channel])
      samples[first + channel] = UInt8((below + (Double(value) - below) * min(cover, 1)).rounded())
    }
  }

  /// Draws a line of one pixel from column to column.
  mutating func rule(y: Int, from start: Int, to end: Int, _ colour: PixelColour) {
    for x in start..<end { blend(x, y, colour, cover: 1) }
  }

  /// Draws text from its upper left corner on, in capitals.
  mutating func write(_ text: String, x: Int, y: Int, _ colour: PixelColour) {
    for (index, letter) in text.uppercased().enumerated() {
      let left = x + index * (PixelFont.width + 1)
      for row in 0..<PixelFont.height {
        for column in 0..<PixelFont.width
        where PixelFont.has(letter, row: row, column: column) {
          blend(left + column, y + row, colour, cover: 1)
        }
      }
    }
  }

  /// The columns that text takes.
  static func width(of text: String) -> Int { max(0, text.count * (PixelFont.width + 1) - 1) }

  /// Draws a line through points, with soft edges; of a single point a dot.
  mutating func line(_ points: [(x: Double, y: Double)], radius: Double, _ colour: PixelColour) {
    guard let first = points.first else { return }
    // How much of each pixel the line covers: joints that are drawn twice must not be darker.
    var cover: [Int: Double] = [:]
    var last = first
    for point in points {
      let (dx, dy) = (point.x - last.x, point.y - last.y)
      let count = max(1, Int((2 * max(abs(dx), abs(dy))).rounded(.up)))
      for index in 1...count {
        let part = Double(index) / Double(count)
        dot(last.x + part * dx, last.y + part * dy, radius: radius, into: &cover)
      }
      last = point
    }
    for (pixel, cover) in cover { blend(pixel % width, pixel / width, colour, cover: cover) }
  }

  private func dot(_ x: Double, _ y: Double, radius: Double, into cover: inout [Int: Double]) {
    guard x >= 0, y >= 0, x < Double(width), y < Double(height) else { return }
    let reach = Int(radius.rounded(.up))
    for row in max(0, Int(y) - reach)...min(height - 1, Int(y) + reach) {
      for column in max(0, Int(x) - reach)...min(width - 1, Int(x) + reach) {
        let (dx, dy) = (Double(column) + 0.5 - x, Double(row) + 0.5 - y)
        let covered = radius + 0.5 - (dx * dx + dy * dy).squareRoot()
        let pixel = row * width + column
        if covered > cover[pixel] ?? 0 { cover[pixel] = min(1, covered) }
      }
    }
  }
}
