// Pixels as lengths of runs, as COCO writes them.

/// Pixels in columns from the left, each from the top: first so many outside, then so many inside, and so on.
package struct RunLengths: Sendable, Equatable {
  /// The image.
  package let size: ImageSize
  /// The lengths of runs, in turn outside and inside; their sum is that of the image's pixels.
  package let counts: [Int]

  /// The runs of an image; nil where they do not add up to its pixels.
  package init?(size: ImageSize, counts: [Int]) {
    guard size.width > 0, size.height > 0 else { return nil }
    let (pixels, overflow) = size.width.multipliedReportingOverflow(by: size.height)
    guard !overflow else { return nil }
    var left = pixels
    for count in counts {
      guard count >= 0, count <= left else { return nil }
      left -= count
    }
    guard left == 0 else { return nil }
    self.size = size
    self.counts = counts
  }

  /// The runs in COCO's compressed text; nil where it is none.
  ///
  /// A number is written in groups of five bits, the lowest first, each a character from "0" (48) on: bit 5
  /// says that more follow, bit 4 of the last is the sign. From the fourth on a number is the difference
  /// to the one two before.
  package init?(size: ImageSize, text: String) {
    var counts: [Int] = []
    var (value, shift) = (0, 0)
    for byte in text.utf8 {
      guard (48..<112).contains(byte), shift < 60 else { return nil }
      let group = Int(byte) - 48
      value |= (group & 0x1F) << shift
      shift += 5
      if group & 0x20 != 0 { continue }
      if group & 0x10 != 0 { value |= -1 << shift }
      let base = counts.count > 2 ? counts[counts.count - 2] : 0
      let (sum, overflow) = value.addingReportingOverflow(base)
      guard !overflow else { return nil }
      counts.append(sum)
      (value, shift) = (0, 0)
    }
    guard shift == 0 else { return nil }
    self.init(size: size, counts: counts)
  }

  /// Calls `body` with the pixels inside that lie in an image of this size.
  func forEachPixel(in other: ImageSize, _ body: (_ row: Int, _ column: Int) -> Void) {
    var place = 0
    for (index, count) in counts.enumerated() {
      if index % 2 == 1 {
        for pixel in place..<place + count {
          let (column, row) = pixel.quotientAndRemainder(dividingBy: size.height)
          if row < other.height && column < other.width { body(row, column) }
        }
      }
      place += count
    }
  }
}
