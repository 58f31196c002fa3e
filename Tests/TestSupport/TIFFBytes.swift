// TIFF files byte by byte, with any tags.

/// The value of a tag.
package enum TIFFValue {
  case shorts([Int])
  case longs([Int])
  /// Each over 1.
  case rationals([Int])
  case text(String)
}

/// A page of a TIFF: its bytes as they lie in the file, and its tags but for their place.
package struct TIFFPage {
  /// One strip, or one for each plane.
  package var strips: [[UInt8]]
  package var tags: [Int: TIFFValue]

  package init(
    _ width: Int, _ height: Int, bits: Int = 8, channels: Int = 1, photometric: Int = 1,
    strips: [[UInt8]], _ more: [Int: TIFFValue] = [:]
  ) {
    self.strips = strips
    tags = [
      256: .longs([width]), 257: .longs([height]),
      258: .shorts([Int](repeating: bits, count: channels)), 259: .shorts([1]),
      262: .shorts([photometric]), 277: .shorts([channels]), 278: .longs([height]),
      284: .shorts([strips.count > 1 ? 2 : 1]),
    ]
    tags.merge(more) { $1 }
  }

  /// An 8-bit grey page.
  package init(grey rows: [[UInt8]], _ more: [Int: TIFFValue] = [:]) {
    self.init(rows[0].count, rows.count, strips: [rows.flatMap(\.self)], more)
  }
}

package enum TIFFBytes {
  private static func littleEndian(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  /// A little-endian file of these pages, with `behind` after the last strip of the last page.
  package static func file(_ pages: [TIFFPage], behind: [UInt8] = []) -> [UInt8] {
    var bytes: [UInt8] = [0x49, 0x49, 42, 0, 0, 0, 0, 0]
    var link = 4
    for (index, page) in pages.enumerated() {
      var tags = page.tags
      var offsets: [Int] = []
      for strip in page.strips {
        offsets.append(bytes.count)
        bytes += strip
      }
      if index == pages.count - 1 { bytes += behind }
      if bytes.count % 2 == 1 { bytes.append(0) }
      tags[273] = .longs(offsets)
      tags[279] = .longs(page.strips.map(\.count))
      var entries: [UInt8] = littleEndian(tags.count, 2)
      var outside: [UInt8] = []
      let behindDirectory = bytes.count + 2 + 12 * tags.count + 4
      for (tag, value) in tags.sorted(by: { $0.key < $1.key }) {
        let (kind, count, data): (Int, Int, [UInt8]) =
          switch value {
          case .shorts(let values): (3, values.count, values.flatMap { littleEndian($0, 2) })
          case .longs(let values): (4, values.count, values.flatMap { littleEndian($0, 4) })
          case .rationals(let values):
            (5, values.count, values.flatMap { littleEndian($0, 4) + [1, 0, 0, 0] })
          case .text(let text): (2, text.utf8.count + 1, Array(text.utf8) + [0])
          }
        entries += littleEndian(tag, 2) + littleEndian(kind, 2) + littleEndian(count, 4)
        if data.count <= 4 {
          entries += data + [UInt8](repeating: 0, count: 4 - data.count)
        } else {
          entries += littleEndian(behindDirectory + outside.count, 4)
          outside += data
          if outside.count % 2 == 1 { outside.append(0) }
        }
      }
      bytes.replaceSubrange(link..<link + 4, with: littleEndian(bytes.count, 4))
      link = bytes.count + entries.count
      bytes += entries + [0, 0, 0, 0] + outside
    }
    return bytes
  }
}
