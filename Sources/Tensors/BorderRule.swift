// The rules by which images continue beyond their borders.

/// The continuation of an image beyond its border.
package enum BorderRule: Sendable {
  /// Zeros.
  case zeros
  /// The mirror image, the border value itself repeated first, and so on periodically with period
  /// 2 x count; an image of one pixel continues as that pixel:
  ///
  ///     c b a | a b c | c b a | a b c ...
  case mirror

  /// The position in 0..<count that stands at `position`, which may be any integer; nil for a zero.
  ///
  /// - Precondition: `count` > 0.
  @inline(__always)
  package func source(_ position: Int, count: Int) -> Int? {
    switch self {
    case .zeros: 0..<count ~= position ? position : nil
    case .mirror: Self.mirrored(position, count: count)
    }
  }

  /// The position in 0..<count that stands at `position`, which may be any integer, in the mirror.
  ///
  /// - Precondition: `count` > 0.
  @inline(__always)
  package static func mirrored(_ position: Int, count: Int) -> Int {
    precondition(count > 0, "mirroring needs a positive count, found \(count)")
    let remainder = position % (2 * count)
    let place = remainder < 0 ? remainder + 2 * count : remainder
    return place < count ? place : 2 * count - 1 - place
  }

  /// What stands at `length` positions from `start` on, in the mirror.
  package static func mirrored(from start: Int, length: Int, count: Int) -> [Int] {
    (0..<length).map { mirrored(start + $0, count: count) }
  }
}
