// The one rule by which images continue beyond their borders.

/// Mirrored positions: beyond a border an image continues as its mirror image.
///
/// The border value itself is repeated first, up to the whole size, and so on periodically with
/// period 2 x count:
///
///     c b a | a b c | c b a | a b c ...
///
/// An image of one pixel continues as that pixel.
package enum MirroredIndex {
  /// The position in 0..<count that stands at `position`, which may be any integer.
  ///
  /// - Precondition: `count` > 0.
  @inline(__always)
  package static func source(_ position: Int, count: Int) -> Int {
    precondition(count > 0, "mirroring needs a positive count, found \(count)")
    let remainder = position % (2 * count)
    let place = remainder < 0 ? remainder + 2 * count : remainder
    return place < count ? place : 2 * count - 1 - place
  }

  /// The sources of `length` positions from `start` on.
  package static func sources(from start: Int, length: Int, count: Int) -> [Int] {
    (0..<length).map { source(start + $0, count: count) }
  }
}
