// Which pixels lie in a shape: by hand, and as other programs say.

import Annotations
import Testing

/// The indices of the pixels of a shape, ascending.
private func pixels(_ shape: Shape, _ width: Int, _ height: Int) -> [Int] {
  var result: [Int] = []
  shape.forEachRun(in: ImageSize(width: width, height: height)) { row, columns in
    #expect(!columns.isEmpty && columns.lowerBound >= 0 && columns.upperBound <= width)
    result += columns.map { row * width + $0 }
  }
  return result.sorted()
}

private func polygon(_ points: [[Double]]) -> Shape {
  .polygon(points.compactMap { Point(x: $0[0], y: $0[1]) })
}

@Suite struct ShapeTests {
  @Test func aSquareOfWholeNumbersHasThePixelsBetweenThem() {
    #expect(pixels(polygon([[1, 1], [3, 1], [3, 2], [1, 2]]), 5, 3) == [6, 7])
    // The other way round, and with a vertex twice.
    #expect(pixels(polygon([[1, 2], [3, 2], [3, 1], [1, 1], [1, 1]]), 5, 3) == [6, 7])
  }

  @Test func centresDecide() {
    #expect(pixels(polygon([[0.6, 0], [2.4, 0], [2.4, 1], [0.6, 1]]), 3, 1) == [1])
    #expect(pixels(polygon([[0.5, 0.5], [2.5, 0.5], [2.5, 1.5], [0.5, 1.5]]), 3, 2) == [0, 1])
    #expect(pixels(polygon([[0.6, 0.6], [0.9, 0.6], [0.9, 0.9]]), 2, 2) == [])
  }

  @Test func whatCrossesItselfHasHoles() {
    // A square twice around another one.
    let ring = [
      [0, 0], [4, 0], [4, 4], [0, 4], [0, 0], [1, 1], [1, 3], [3, 3], [3, 1], [1, 1],
    ]
    #expect(
      pixels(polygon(ring.map { $0.map { Double($0) } }), 4, 4)
        == [0, 1, 2, 3, 4, 7, 8, 11, 12, 13, 14, 15])
    // A bow tie, whose halves meet in its middle.
    #expect(
      pixels(polygon([[0, 0], [5, 4], [5, 0], [0, 4]]), 5, 4) == [
        0, 4, 5, 6, 8, 9, 10, 11, 13, 14, 15, 19,
      ])
  }

  @Test func aPolygonWithinAnotherIsAHole() {
    let outlines = [(0.0, 4.0), (1, 3)].map { low, high in
      [(low, low), (high, low), (high, high), (low, high)].compactMap { Point(x: $0, y: $1) }
    }
    #expect(pixels(.polygons(outlines), 4, 4) == [0, 1, 2, 3, 4, 7, 8, 11, 12, 13, 14, 15])
  }

  @Test func aBitmapIsCutAtTheImage() {
    let shape = Shape.bitmap(
      left: -1, top: 1, size: ImageSize(width: 3, height: 2),
      inside: [true, false, true, false, true, false])
    #expect(pixels(shape, 2, 2) == [3])
    #expect(pixels(shape, 2, 3) == [3, 4])
  }

  @Test func polygonsThatShareAnEdgePartTheImage() {
    let (left, right) = (
      polygon([[0, 0], [6, 0], [1, 6], [0, 6]]), polygon([[6, 0], [6, 6], [1, 6]])
    )
    let (one, other) = (pixels(left, 6, 6), pixels(right, 6, 6))
    #expect(Set(one).isDisjoint(with: other))
    #expect(one.count + other.count == 36)
  }

  @Test func whatLiesBeyondTheImageIsLeftOut() {
    let wide = polygon([[-1e300, -5], [1e300, -5], [1e300, 2], [-1e300, 2]])
    #expect(pixels(wide, 3, 3) == [0, 1, 2, 3, 4, 5])
    #expect(pixels(polygon([[9, 9], [12, 9], [12, 12]]), 3, 3) == [])
    #expect(pixels(polygon([[1, 1]]), 3, 3) == [] && pixels(.polygon([]), 3, 3) == [])
    #expect(Point(x: .nan, y: 0) == nil && Point(x: 0, y: -.infinity) == nil)
  }

  @Test func ellipsesHaveTheCentresInThem() throws {
    let centre = try #require(Point(x: 2.5, y: 1.5))
    #expect(
      pixels(.ellipse(centre: centre, horizontal: 2.5, vertical: 1.5), 5, 3)
        == [1, 2, 3, 5, 6, 7, 8, 9, 11, 12, 13])
    #expect(pixels(.ellipse(centre: centre, horizontal: 0, vertical: 1), 5, 3) == [])
    #expect(pixels(.ellipse(centre: centre, horizontal: 1e300, vertical: 1e300), 5, 3).count == 15)
  }

  @Test func polygonsAreFilledAsByOthers() throws {
    for fixture in try AnnotationFixtures.read().polygons {
      #expect(pixels(polygon(fixture.points), fixture.width, fixture.height) == fixture.pixels)
    }
  }
}

@Suite struct RunLengthsTests {
  @Test func runsAreReadAsByOthers() throws {
    for fixture in try AnnotationFixtures.read().runs {
      let size = ImageSize(width: fixture.width, height: fixture.height)
      let runs = try #require(RunLengths(size: size, text: fixture.text))
      #expect(runs == RunLengths(size: size, counts: fixture.counts))
      #expect(pixels(.runs(runs), size.width, size.height) == fixture.pixels)
    }
  }

  @Test func columnsComeFirst() throws {
    let size = ImageSize(width: 3, height: 2)
    let runs = try #require(RunLengths(size: size, counts: [1, 2, 3]))
    #expect(pixels(.runs(runs), 3, 2) == [1, 3])
    // Of another image only what lies in it.
    #expect(pixels(.runs(runs), 3, 1) == [1])
  }

  @Test func whatDoesNotAddUpIsNone() {
    let size = ImageSize(width: 3, height: 2)
    for counts in [[], [5], [7], [3, -1, 4], [Int.max, Int.max], [1, 6]] {
      #expect(RunLengths(size: size, counts: counts) == nil, "\(counts)")
    }
    for text in ["", "1", "~", "\u{1F9EA}", "oooooooooooooooooooo", "P", "6\n", "O7"] {
      #expect(RunLengths(size: size, text: text) == nil, "\(text)")
    }
    for (width, height) in [(0, 1), (-1, -6), (Int.max, 2)] {
      #expect(RunLengths(size: ImageSize(width: width, height: height), counts: [0]) == nil)
    }
  }
}
