// The processor cores a thread may run on.

import CScheduling

/// A set of cores, by their numbers in the operating system.
package struct CoreSet: Sendable, Equatable {
  /// The numbers, ascending.
  package let cores: [Int]

  /// The cores with these numbers.
  package init(_ cores: some Sequence<Int>) {
    self.cores = cores.sorted()
  }

  /// The cores of a list as the system writes it, such as `0-3,8`; nil for what is none.
  package init?(list: some StringProtocol) {
    var cores: [Int] = []
    for part in list.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil,
        first <= last
      else { return nil }
      cores += first...last
    }
    self.init(cores)
  }

  /// The cores on which the calling thread may run now.
  package static var allowed: CoreSet {
    let mask = UnsafeMutableRawBufferPointer.allocate(byteCount: maskByteCount, alignment: 8)
    defer { mask.deallocate() }
    return read(into: mask)
  }

  /// The cores on which the system would let the calling thread run, had no launcher bound it.
  ///
  /// Asks for every core and looks what the system grants (it withholds cores that are offline or
  /// outside the container's or the batch job's share); then the binding is restored.
  package static var reachable: CoreSet {
    let bound = UnsafeMutableRawBufferPointer.allocate(byteCount: maskByteCount, alignment: 8)
    let all = UnsafeMutableRawBufferPointer.allocate(byteCount: maskByteCount, alignment: 8)
    defer {
      bound.deallocate()
      all.deallocate()
    }
    let allowed = read(into: bound)
    for index in all.indices { all[index] = 0xFF }
    guard CScheduling_setaffinity(all.count, all.baseAddress) == 0 else { return allowed }
    let reachable = read(into: all)
    _ = CScheduling_setaffinity(bound.count, bound.baseAddress)
    return reachable
  }

  /// Room for 8192 cores, the most that Linux can be built for.
  private static let maskByteCount = 1024

  private static func read(into mask: UnsafeMutableRawBufferPointer) -> CoreSet {
    for index in mask.indices { mask[index] = 0 }
    _ = CScheduling_getaffinity(mask.count, mask.baseAddress)
    return CoreSet((0..<8 * mask.count).filter { mask[$0 / 8] >> UInt8($0 % 8) & 1 == 1 })
  }
}
