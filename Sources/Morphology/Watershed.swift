// The watershed of a relief: each pixel goes to the marker whose flood reaches it first.

/// The watershed transform by flooding from markers (Meyer 1994, "Topographic distance and watershed
/// lines").
///
/// A marker is a hole through which water comes when its level is that of the pixel. Pixels beside what
/// is flooded wait in a queue; the lowest one is next, of equally low ones the one that has waited
/// longest, and a pixel below the level of the flood counts as on it. The first pixels to wait are
/// those of the markers in rows from the top; each has its neighbours above, left, right and below it
/// wait when its turn comes. So a plateau is shared out between the floods around it, and the result is
/// a function of relief and markers alone: where heights differ, that of scikit-image's `watershed`.
package enum Watershed {
  /// The segments of a relief, height x width.
  ///
  /// `markers` has a number above 0 where a flood starts and 0 elsewhere, and every pixel that a flood
  /// reaches gets the number of its marker. With `lines` a pixel where two floods meet, which has a
  /// neighbour of another number when its turn comes, gets 0 and parts them; markers that touch keep
  /// their pixels all the same. Where `mask` is false no flood enters.
  ///
  /// - Returns: numbers of the markers; 0 on lines and where no flood comes.
  /// - Precondition: the counts fit the size, and no marker is negative.
  /// - Complexity: n log n in the number of pixels.
  package static func segments(
    relief: [Float], markers: [Int32], mask: [Bool]? = nil, width: Int, height: Int,
    connectivity: Connectivity = .four, lines: Bool
  ) -> [Int32] {
    let count = width * height
    precondition(
      relief.count == count && markers.count == count && (mask?.count ?? count) == count,
      "\(relief.count) heights and \(markers.count) markers for \(width) x \(height)")
    precondition(markers.allSatisfy { $0 >= 0 }, "a negative marker")
    let neighbours = connectivity.neighbours(width: width, height: height)
    var segments = markers
    var isOpen = mask ?? [Bool](repeating: true, count: count)
    var queue = FloodQueue(capacity: count)

    func push(around place: Int, level: Float, number: Int32) {
      neighbours.forEach(of: place) { other in
        guard isOpen[other] && segments[other] == 0 else { return }
        // Without lines a pixel belongs to the first flood that reaches it; with them all that do
        // wait for its turn.
        if !lines { segments[other] = number }
        queue.push(level: max(level, relief[other]), place: other, number: number)
      }
    }

    for place in 0..<count where markers[place] != 0 {
      guard isOpen[place] else {
        segments[place] = 0
        continue
      }
      // One that has none to hand the flood on to would wait for nothing, as most of a large marker do.
      var isShore = false
      neighbours.forEach(of: place) { isShore = isShore || isOpen[$0] && segments[$0] == 0 }
      if isShore { queue.push(level: relief[place], place: place, number: markers[place]) }
    }
    while let next = queue.pop() {
      beat(at: next.place)
      if lines && markers[next.place] == 0 {
        guard isOpen[next.place] && segments[next.place] == 0 else { continue }
        var floodsMeet = false
        neighbours.forEach(of: next.place) { other in
          if segments[other] != 0 && segments[other] != next.number { floodsMeet = true }
        }
        if floodsMeet {
          isOpen[next.place] = false
        } else {
          segments[next.place] = next.number
        }
      }
      // A line too hands the flood on, so that nothing behind it stays dry.
      push(around: next.place, level: next.level, number: next.number)
    }
    return segments
  }
}

/// The pixels that wait to be flooded: a binary heap by level, then by age.
private struct FloodQueue {
  struct Entry {
    let level: Float
    let age: Int
    let place: Int
    let number: Int32

    func precedes(_ other: Entry) -> Bool {
      level != other.level ? level < other.level : age < other.age
    }
  }

  private var entries: [Entry] = []
  private var age = 0

  init(capacity: Int) { entries.reserveCapacity(capacity) }

  mutating func push(level: Float, place: Int, number: Int32) {
    let entry = Entry(level: level, age: age, place: place, number: number)
    age += 1
    var index = entries.count
    entries.append(entry)
    while index > 0 {
      let parent = (index - 1) / 2
      guard entry.precedes(entries[parent]) else { break }
      entries[index] = entries[parent]
      index = parent
    }
    entries[index] = entry
  }

  mutating func pop() -> Entry? {
    guard let first = entries.first, let last = entries.popLast() else { return nil }
    guard !entries.isEmpty else { return first }
    var index = 0
    while true {
      var child = 2 * index + 1
      guard child < entries.count else { break }
      if child + 1 < entries.count && entries[child + 1].precedes(entries[child]) { child += 1 }
      guard entries[child].precedes(last) else { break }
      entries[index] = entries[child]
      index = child
    }
    entries[index] = last
    return first
  }
}
