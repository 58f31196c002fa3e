// Whether the values of a flat buffer are small enough for what is to be done with them.

import Synchronization
package import Threading

/// Bounds of flat buffers.
package enum VectorBounds {
  /// Whether -`limit` <= value <= `limit` holds for all of `count` values; it does for no NaN.
  package static func areWithin(
    _ limit: Float, _ values: UnsafePointer<Float>, count: Int, on team: ThreadTeam
  ) -> Bool {
    let wrongPieces = Atomic<Int>(0)
    let length = 65_536
    team.forEach((count + length - 1) / length, values) { values, item, _ in
      let start = item * length
      if !isWithin(limit, values, start..<min(start + length, count)) {
        wrongPieces.add(1, ordering: .relaxed)
      }
    }
    return wrongPieces.load(ordering: .relaxed) == 0
  }
}

private func isWithin(
  _ limit: Float, _ values: UnsafePointer<Float>, _ range: Range<Int>
) -> Bool {
  var index = range.lowerBound
  while index + 16 <= range.upperBound {
    let part = values.vector(index)
    guard all((part .<= limit) .& (part .>= -limit)) else { return false }
    index += 16
  }
  return (index..<range.upperBound).allSatisfy { values[$0] <= limit && values[$0] >= -limit }
}
