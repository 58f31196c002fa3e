// How the rows (or columns) that a convolution reads come from those that lie in memory.

package import Tensors

/// The virtual rows (or columns) of an image that is padded, each showing one row of its source.
///
/// Padding never lies in memory: a convolution reads a padded view through two of these.
package struct AxisIndexMap: Sendable, Equatable {
  /// For each virtual row, the source row it shows, or -1 for zeros.
  package let sources: [Int]

  /// Virtual rows.
  package var count: Int { sources.count }

  /// `extent` source rows with `before` and `after` rows around them.
  ///
  /// - Precondition: a mirrored border is no wider than the source; negative amounts cut rows off.
  package init(extent: Int, before: Int = 0, after: Int = 0, border: BorderRule = .zeros) {
    precondition(extent > 0, "an axis of \(extent) rows")
    precondition(
      border == .zeros || (before <= extent && after <= extent),
      "a mirrored border of \(before) and \(after) rows around \(extent)")
    sources = (-before..<extent + after).map { border.source($0, count: extent) ?? -1 }
  }

  /// A map given row by row.
  init(sources: [Int]) { self.sources = sources }
}

/// The inverse of an axis map: for each source row, the virtual rows that show it.
///
/// The gradient of a source row is the sum of the gradients of these, in this order.
struct AxisFold: Sendable {
  private let starts: [Int]
  private let virtual: [Int]
  /// Source rows that one virtual row each shows, in their order: all but those near a border.
  let plain: Range<Int>

  init(_ map: AxisIndexMap, extent: Int) {
    var lists = [[Int]](repeating: [], count: extent)
    for (row, source) in map.sources.enumerated() where source >= 0 { lists[source].append(row) }
    starts = lists.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
    virtual = lists.flatMap { $0 }
    let middle = extent / 2
    func isPlain(_ source: Int) -> Bool {
      lists[source].count == 1 && lists[middle].count == 1
        && lists[source][0] - source == lists[middle][0] - middle
    }
    var (first, end) = (middle, middle)
    while first > 0, isPlain(first - 1) { first -= 1 }
    while end < extent, isPlain(end) { end += 1 }
    plain = first..<end
  }

  /// The first virtual row that shows the source row.
  @inline(__always)
  func first(_ source: Int) -> Int { virtual[starts[source]] }

  /// Calls `body` with each virtual row that shows the source row.
  @inline(__always)
  func forEach(_ source: Int, _ body: (Int) -> Void) {
    for index in starts[source]..<starts[source + 1] { body(virtual[index]) }
  }
}
