// What more threads would gain, from the times of items on one.

package import Threading

/// A model of loops on many threads, from how long each of their items took on one.
///
/// Items are given out in order, each to the thread that is free first, as ``ThreadTeam`` does; a loop of more
/// than one item also costs `loopSeconds` for each doubling of the threads, to begin and to end. What runs
/// between loops has one thread. The bandwidth of memory, caches that are shared, and clocks that sink when all
/// cores work are not in it: it says what the division of the work allows.
package struct ThreadModel {
  /// The loops of the work.
  package let loops: [LoopRecorder.Loop]
  /// Seconds that a loop of two threads takes without any work.
  package let loopSeconds: Double

  /// A model of these loops.
  package init(loops: [LoopRecorder.Loop], loopSeconds: Double) {
    self.loops = loops
    self.loopSeconds = loopSeconds
  }

  /// The parts of the work, in the order of their first loops.
  package var parts: [String] {
    var seen: Set<String> = []
    return loops.map(\.part).filter { seen.insert($0).inserted }
  }

  /// Seconds of the work, or of one part of it, on `threads` threads.
  package func seconds(threads: Int, part: String? = nil) -> Double {
    loops.lazy.filter { part == nil || $0.part == part }
      .reduce(0) { $0 + $1.secondsBefore + seconds(of: $1, threads: threads) }
  }

  /// Seconds that no second thread can take part in: those between loops, and of loops of one item.
  package var serialSeconds: Double {
    loops.reduce(0) {
      $0 + $1.secondsBefore + ($1.itemSeconds.count == 1 ? $1.itemSeconds[0] : 0)
    }
  }

  private func seconds(of loop: LoopRecorder.Loop, threads: Int) -> Double {
    let items = loop.itemSeconds
    guard threads > 1, items.count > 1 else { return items.reduce(0, +) }
    var ends = [Double](repeating: 0, count: min(threads, items.count))
    for seconds in items {
      let first = ends.indices.min { ends[$0] < ends[$1] } ?? 0
      ends[first] += seconds
    }
    var doublings = 0.0
    while 1 << Int(doublings) < threads { doublings += 1 }
    return (ends.max() ?? 0) + doublings * loopSeconds
  }
}
