// The generator against the published known answers, and the streams' independence of use.

import Randomness
import Testing

@Suite struct PhiloxTests {
  /// Known answers of the Random123 distribution (kat_vectors, philox4x32 10).
  @Test(arguments: [
    (
      SIMD4<UInt32>(repeating: 0), SIMD2<UInt32>(repeating: 0),
      SIMD4<UInt32>(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8)
    ),
    (
      SIMD4<UInt32>(repeating: .max), SIMD2<UInt32>(repeating: .max),
      SIMD4<UInt32>(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD)
    ),
    (
      SIMD4<UInt32>(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344),
      SIMD2<UInt32>(0xA409_3822, 0x299F_31D0),
      SIMD4<UInt32>(0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1)
    ),
  ])
  func knownAnswers(
    counter: SIMD4<UInt32>, key: SIMD2<UInt32>, expected: SIMD4<UInt32>
  ) {
    #expect(Philox.block(counter: counter, key: key) == expected)
  }

  @Test func blocksAndWordsAreTheSameStream() {
    var stream = RandomStream(seed: 7, purpose: .dropout, epoch: 3, sample: 5)
    let drawn = (0..<12).map { _ in stream.nextWord() }
    let byBlock = (0..<3).flatMap { index in
      let words = stream.block(index)
      return (0..<4).map { words[$0] }
    }
    #expect(drawn == byBlock)
  }

  @Test func everyPartOfTheKeyMatters() {
    var words = Set<UInt32>()
    for seed in [UInt64(1), 2, 1 << 40] {
      for purpose in [RandomPurpose.shuffle, .augmentation] {
        for epoch in 0..<3 {
          for sample in 0..<3 {
            var stream = RandomStream(
              seed: seed, purpose: purpose, epoch: epoch, sample: sample)
            words.insert(stream.nextWord())
          }
        }
      }
    }
    #expect(words.count == 3 * 2 * 3 * 3)
  }

  @Test func permutationHoldsEveryNumberOnce() {
    var stream = RandomStream(seed: 1, purpose: .shuffle)
    let order = stream.permutation(100)
    #expect(order.sorted() == Array(0..<100))
    #expect(order != Array(0..<100))
  }

  @Test func normalValuesHaveMeanZeroAndDeviationOne() {
    var stream = RandomStream(seed: 1, purpose: .initialization)
    var sum = 0.0
    var squares = 0.0
    let pairs = 50_000
    for _ in 0..<pairs {
      let (first, second) = stream.normalPair()
      sum += Double(first) + Double(second)
      squares += Double(first) * Double(first) + Double(second) * Double(second)
    }
    // Four standard errors of 100,000 values.
    #expect(abs(sum / Double(2 * pairs)) < 0.013)
    #expect(abs(squares / Double(2 * pairs) - 1) < 0.018)
  }
}
