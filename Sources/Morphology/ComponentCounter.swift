// Counting the connected components of an image that is seen row by row.

import Liveness

/// Counts the 8-connected components of each value beside 0, of an image that need never be whole.
///
/// Only the runs of equal pixels in the last row are kept. A run that touches no run of its value in the
/// row above begins a component; one that touches several components makes them one.
package struct ComponentCounter: Sendable {
  /// A run of equal pixels, of a value beside 0.
  private struct Run {
    let columns: Range<Int>
    let value: Int64
    /// Its component, numbered among those that reach its row.
    var component: Int
  }

  private let width: Int
  private var above: [Run] = []
  /// The components of each value so far, those that may yet become one counted apart.
  package private(set) var counts: [Int64: Int] = [:]

  /// A count of no row yet, of an image of so many columns.
  package init(width: Int) {
    self.width = width
  }

  /// Counts the next rows, in their order from the top.
  ///
  /// - Precondition: `values` are whole rows.
  package mutating func add(_ values: [Int64]) {
    precondition(values.count.isMultiple(of: width), "\(values.count) values in rows of \(width)")
    for start in stride(from: 0, to: values.count, by: width) {
      Progress.beat()
      addRow(Self.runs(in: values[start..<start + width]))
    }
  }

  private static func runs(in row: ArraySlice<Int64>) -> [Run] {
    var runs: [Run] = []
    row.withUnsafeBufferPointer { row in
      var start = 0
      while start < row.count {
        let value = row[start]
        var end = start + 1
        while end < row.count && row[end] == value { end += 1 }
        if value != 0 { runs.append(Run(columns: start..<end, value: value, component: 0)) }
        start = end
      }
    }
    return runs
  }

  private mutating func addRow(_ runs: [Run]) {
    var runs = runs
    // Components of the row above, then one for each run of this row, joined where they touch.
    let aboveCount = above.reduce(0) { max($0, $1.component + 1) }
    var parents = Array(0..<aboveCount + runs.count)
    func root(_ component: Int) -> Int {
      var component = component
      while parents[component] != component {
        parents[component] = parents[parents[component]]
        component = parents[component]
      }
      return component
    }
    var first = 0
    for (number, run) in runs.enumerated() {
      var added = 1
      // Of eight neighbours, one more to each side.
      while first < above.count && above[first].columns.upperBound < run.columns.lowerBound {
        first += 1
      }
      var other = first
      while other < above.count && above[other].columns.lowerBound <= run.columns.upperBound {
        if above[other].value == run.value {
          let (one, two) = (root(above[other].component), root(aboveCount + number))
          if one != two {
            parents[two] = one
            added -= 1
          }
        }
        other += 1
      }
      if added != 0 { counts[run.value, default: 0] += added }
    }
    var numbers = [Int](repeating: -1, count: parents.count)
    var count = 0
    for number in runs.indices {
      let component = root(aboveCount + number)
      if numbers[component] < 0 {
        numbers[component] = count
        count += 1
      }
      runs[number].component = numbers[component]
    }
    above = runs
  }
}
