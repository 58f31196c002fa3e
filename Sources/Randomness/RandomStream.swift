// Streams of random values, each named by what it is for.

/// The purpose of a random stream.
///
/// The raw values are part of the numbers' definition: a
/// changed value changes every run.
package enum RandomPurpose: UInt32, Sendable {
  /// The initial weights.
  case initialization = 1
  /// The order of the samples in an epoch.
  case shuffle = 2
  /// Tile positions, flips, turns, shifts.
  case augmentation = 3
  /// Dropout masks.
  case dropout = 4
  /// The built-in synthetic images.
  case synthesis = 5
  /// The division of a set into training and validation images.
  case split = 6
}

/// A random stream keyed by (seed, purpose, epoch, sample), never by rank, thread or time.
///
/// Two streams with the same four numbers give the same values. `epoch` is the epoch or the step,
/// `sample` the identity of a sample (or of a parameter, for initialisation).
package struct RandomStream: RandomNumberGenerator, Sendable {
  private let key: SIMD2<UInt32>
  private var counter: SIMD4<UInt32>
  private var words = SIMD4<UInt32>()
  private var used = 4

  /// The stream for these four numbers, at its beginning.
  ///
  /// - Precondition: `epoch` and `sample` are in 0..<2^32.
  package init(seed: UInt64, purpose: RandomPurpose, epoch: Int = 0, sample: Int = 0) {
    key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
    counter = SIMD4(0, purpose.rawValue, UInt32(epoch), UInt32(sample))
  }

  /// The four words of block `index` of this stream, whatever was drawn from it before.
  ///
  /// Element i of a large array uses word i % 4 of block i / 4, so that any thread can start
  /// anywhere.
  @inline(__always)
  package func block(_ index: Int) -> SIMD4<UInt32> {
    var place = counter
    place[0] = UInt32(truncatingIfNeeded: index)
    return Philox.block(counter: place, key: key)
  }

  /// The same stream from the first word of block `index` on.
  package func starting(atBlock index: Int) -> RandomStream {
    var stream = self
    stream.counter[0] = UInt32(truncatingIfNeeded: index)
    stream.used = 4
    return stream
  }

  /// The next 32 random bits.
  package mutating func nextWord() -> UInt32 {
    if used == 4 {
      words = Philox.block(counter: counter, key: key)
      counter[0] &+= 1
      used = 0
    }
    defer { used += 1 }
    return words[used]
  }

  /// The next 64 random bits.
  package mutating func next() -> UInt64 {
    let low = UInt64(nextWord())
    return UInt64(nextWord()) << 32 | low
  }

  /// A uniform value in 0..<1, a multiple of 2^-24.
  package mutating func uniform() -> Float {
    Float(nextWord() >> 8) * 0x1p-24
  }

  /// A uniform value in the half-open range.
  package mutating func uniform(in range: Range<Float>) -> Float {
    range.lowerBound + uniform() * (range.upperBound - range.lowerBound)
  }

  /// A uniform integer in 0..<bound, by multiplication of 64 random bits; the bias is below
  /// bound / 2^64.
  ///
  /// - Precondition: `bound` > 0.
  package mutating func integer(below bound: Int) -> Int {
    precondition(bound > 0, "integer(below:) needs a positive bound, found \(bound)")
    return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// True with probability 1/2.
  package mutating func coin() -> Bool {
    nextWord() >> 31 == 1
  }

  /// The numbers 0..<count in random order (Fisher and Yates).
  package mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(last, integer(below: last + 1))
    }
    return order
  }
}
