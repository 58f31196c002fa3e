// Objects of a prediction: components, and parted where they are narrow.

import Inference
import Testing

@Suite struct ObjectSegmentationTests {
  private let width = 40
  private let height = 30

  /// Labels of discs: (row, column, radius, label), later ones over earlier ones.
  private func discs(_ discs: [(Int, Int, Int, UInt8)]) -> [UInt8] {
    (0..<width * height).map { place in
      let (y, x) = (place / width, place % width)
      return discs.last { disc in
        (y - disc.0) * (y - disc.0) + (x - disc.1) * (x - disc.1) <= disc.2 * disc.2
      }?.3 ?? 0
    }
  }

  private func objects(_ segmentation: any ObjectSegmentation, _ labels: [UInt8]) -> [Int32] {
    let map = ProbabilityMap(
      height: height, width: width, classes: 3,
      values: labels.flatMap { label in (0..<3).map { $0 == Int(label) ? 1 : 0 } })
    return segmentation.objects(of: map, labels: labels)
  }

  @Test func discsThatTouchAreParted() {
    let touching = discs([(14, 10, 7, 1), (14, 22, 6, 1), (5, 33, 4, 1)])
    #expect(objects(ComponentObjects(background: 0), touching).max() == 2)
    let parted = objects(WatershedObjects(background: 0), touching)
    #expect(parted.max() == 3)
    // The numbers are those of first pixels in rows, and no pixel of the class is lost.
    #expect(zip(parted, touching).allSatisfy { ($0 != 0) == ($1 != 0) })
    let number = { (row: Int, column: Int) in parted[row * self.width + column] }
    #expect((number(5, 33), number(14, 10), number(14, 22)) == (1, 2, 3))
    // The discs reach to column 17 and from column 16, and meet there.
    for row in 8...20 {
      for column in 3...15 where number(row, column) != 0 { #expect(number(row, column) == 2) }
      for column in 18...28 where number(row, column) != 0 { #expect(number(row, column) == 3) }
    }
  }

  @Test func oneDiscOrOneBarIsOneObject() {
    for radius in 1...12 {
      let parted = objects(WatershedObjects(background: 0), discs([(14, 18, radius, 1)]))
      #expect(parted.max() == 1, "radius \(radius)")
    }
    let bar = (0..<width * height).map { place -> UInt8 in
      (10..<16).contains(place / width) && (3..<37).contains(place % width) ? 1 : 0
    }
    #expect(objects(WatershedObjects(background: 0), bar).max() == 1)
  }

  @Test func classesAreNotMixed() {
    let labels = discs([(14, 12, 8, 1), (14, 20, 6, 2)])
    for segmentation in [
      ComponentObjects(background: 0), WatershedObjects(background: 0),
    ] as [any ObjectSegmentation] {
      let numbers = objects(segmentation, labels)
      for number in 1...(numbers.max() ?? 1) {
        let classes = Set(numbers.indices.filter { numbers[$0] == number }.map { labels[$0] })
        #expect(classes.count == 1 && !classes.contains(0))
      }
      #expect((numbers.max() ?? 0) >= 2)
    }
    // Another class may be what lies behind.
    let behind = objects(WatershedObjects(background: 1), labels)
    #expect(zip(behind, labels).allSatisfy { ($0 == 0) == ($1 == 1) })
  }

  // Components that touch at corners stay apart, and each has a peak, hence keeps all its pixels.
  @Test func noPixelIsLost() {
    let labels = (0..<width * height).map { place -> UInt8 in
      let (y, x) = (place / width, place % width)
      return (y * 7 + x * 13 + y * x) % 5 < 2 || (x / 6 + y / 6) % 2 == 0 ? 1 : 0
    }
    let components = objects(ComponentObjects(background: 0), labels)
    let parted = objects(WatershedObjects(background: 0), labels)
    #expect(zip(parted, labels).allSatisfy { ($0 != 0) == ($1 != 0) })
    for number in 1...(parted.max() ?? 1) {
      let inside = Set(parted.indices.filter { parted[$0] == number }.map { components[$0] })
      #expect(inside.count == 1)
    }
    #expect((parted.max() ?? 0) >= (components.max() ?? 0))
  }

  @Test func nothingAndEverything() {
    for segmentation in [
      ComponentObjects(background: 0), WatershedObjects(background: 0),
    ] as [any ObjectSegmentation] {
      func found(_ label: UInt8) -> Set<Int32> {
        Set(segmentationObjects(segmentation, label))
      }
      #expect(found(0) == [0])
      #expect(found(1) == [1])
      // What is ignored is no object.
      #expect(found(255) == [0])
    }
  }

  private func segmentationObjects(
    _ segmentation: any ObjectSegmentation, _ label: UInt8
  ) -> [Int32] {
    objects(segmentation, [UInt8](repeating: label, count: width * height))
  }
}
