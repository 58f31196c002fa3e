// The placement of parts with lifetimes, on many random plans.

import Randomness
import Tensors
import Testing

@Suite struct ArenaTests {
  /// A part that was asked for.
  private struct Wish {
    let count: Int
    let life: ClosedRange<Int>
  }

  private static func wishes(seed: UInt64) -> [Wish] {
    var stream = RandomStream(seed: seed, purpose: .shuffle)
    return (0..<1 + stream.integer(below: 40)).map { _ in
      let first = stream.integer(below: 30)
      // Some are empty, some large, many of the same size.
      let count = [0, 1, 16, 100, 1_000][stream.integer(below: 5)] * (1 + stream.integer(below: 3))
      return Wish(count: count, life: first...first + stream.integer(below: 12))
    }
  }

  @Test(arguments: 0..<60 as Range<UInt64>)
  func partsAliveTogetherNeverOverlap(_ seed: UInt64) throws {
    let wishes = Self.wishes(seed: seed)
    var plan = ArenaPlan()
    let parts = wishes.map {
      plan.reserve($0.count, from: $0.life.lowerBound, through: $0.life.upperBound)
    }
    let planned = plan.floatCount
    let arena = try plan.allocate(for: "a test")
    #expect(arena.count == planned)
    let base = arena.pointer(parts[0])
    let places = zip(wishes, parts).map { wish, part -> Range<Int> in
      let start = arena.pointer(part) - base
      return start..<start + wish.count
    }
    let lowest = places.map(\.lowerBound).min() ?? 0
    for (index, place) in places.enumerated() {
      #expect(place.upperBound - lowest <= arena.count)
      #expect(UInt(bitPattern: arena.pointer(parts[index])).isMultiple(of: 64))
      for other in 0..<index where wishes[index].life.overlaps(wishes[other].life) {
        #expect(
          !place.overlaps(places[other]),
          "\(wishes[index]) at \(place), \(wishes[other]) at \(places[other])")
      }
    }
  }

  /// No plan takes more than all parts side by side, nor less than what lives at one event.
  @Test(arguments: 0..<60 as Range<UInt64>)
  func takesNoMoreThanAllParts(_ seed: UInt64) {
    let wishes = Self.wishes(seed: seed)
    var plan = ArenaPlan()
    for wish in wishes {
      _ = plan.reserve(wish.count, from: wish.life.lowerBound, through: wish.life.upperBound)
    }
    func rounded(_ count: Int) -> Int { (count + 15) / 16 * 16 }
    #expect(plan.floatCount <= wishes.reduce(0) { $0 + rounded($1.count) })
    for event in 0..<45 {
      let alive = wishes.filter { $0.life ~= event }
      #expect(plan.floatCount >= alive.reduce(0) { $0 + rounded($1.count) })
    }
  }

  @Test func lifetimesOneAfterTheOtherShareTheirPlace() {
    var plan = ArenaPlan()
    for event in 0..<10 { _ = plan.reserve(1_000, from: event, through: event) }
    #expect(plan.floatCount == 1_008)
  }

  /// What one part holds, no part alive at the same time writes over.
  @Test func contentsSurviveTheirLife() throws {
    for seed in 100..<140 as Range<UInt64> {
      let wishes = Self.wishes(seed: seed)
      var plan = ArenaPlan()
      let parts = wishes.map {
        plan.reserve($0.count, from: $0.life.lowerBound, through: $0.life.upperBound)
      }
      let arena = try plan.allocate(for: "a test")
      for event in 0..<45 {
        for (index, wish) in wishes.enumerated() where wish.life.lowerBound == event {
          arena.pointer(parts[index]).update(repeating: Float(index), count: wish.count)
        }
        for (index, wish) in wishes.enumerated() where wish.life ~= event {
          let values = UnsafeBufferPointer(start: arena.pointer(parts[index]), count: wish.count)
          #expect(values.allSatisfy { $0 == Float(index) }, "seed \(seed), part \(index)")
        }
      }
    }
  }
}
