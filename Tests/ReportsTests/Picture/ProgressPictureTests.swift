// The picture of a run that goes on: what is drawn where.

import Imaging
import Reports
import Testing

@Suite struct ProgressPictureTests {
  private typealias Chart = ProgressPicture.Chart
  private typealias Curve = ProgressPicture.Curve

  /// The rows in which a column has a pixel of a colour, or nearly so, as at the edges of a line.
  private func rows(_ image: Image, column: Int, _ colour: [UInt8]) -> [Int] {
    guard case .uint8(let samples) = image.samples else { return [] }
    return (0..<image.height).filter { row in
      let first = (row * image.width + column) * 3
      return (0..<3).allSatisfy { abs(Int(samples[first + $0]) - Int(colour[$0])) <= 90 }
    }
  }

  private let blue: [UInt8] = [0, 114, 178]
  private let orange: [UInt8] = [213, 94, 0]

  @Test func aRisingCurveRises() {
    let points = (1...100).map { (x: Double($0), y: Double($0)) }
    let image = ProgressPicture("step 100", [Chart("loss", [Curve(points)])], totalSteps: 100).image
    #expect(image.channels == 3 && image.width == 720)
    let places = [100, 300, 500, 650].compactMap { rows(image, column: $0, blue).first }
    #expect(places.count == 4)
    #expect(places == places.sorted(by: >), "\(places)")
  }

  /// Half of the run is done, so the right half of the chart is empty.
  @Test func theAxisIsThatOfTheWholeRun() {
    let points = (1...50).map { (x: Double($0), y: 1.0 / Double($0)) }
    let image = ProgressPicture("a", [Chart("loss", [Curve(points)])], totalSteps: 100).image
    #expect(!rows(image, column: 200, blue).isEmpty)
    #expect(rows(image, column: 600, blue).isEmpty)
  }

  @Test func chartsWithoutPointsAreLeftOut() {
    let curve = Curve([(1, 1), (2, 2)])
    let one = ProgressPicture(
      "a", [Chart("loss", [curve]), Chart("iou", [Curve([])])], totalSteps: 2)
    let two = ProgressPicture("a", [Chart("loss", [curve]), Chart("iou", [curve])], totalSteps: 2)
    #expect(two.image.height > one.image.height)
    #expect(ProgressPicture("a", [], totalSteps: 0).image.height > 0)
  }

  @Test func strangeNumbersAreDrawnOrLeftOut() {
    for value in [Double.nan, .infinity, 1e300, 0, -1] {
      let points = [(x: 1.0, y: value), (x: 2.0, y: 1.0), (x: 3.0, y: value)]
      for isLogarithmic in [false, true] {
        let chart = Chart("loss", [Curve(points), Curve(points)], isLogarithmic: isLogarithmic)
        let image = ProgressPicture("a", [chart], totalSteps: 3).image
        #expect(image.height > 0)
      }
    }
  }

  @Test func theSecondCurveIsOrange() {
    let flat = [(x: 1.0, y: 1.0), (x: 2.0, y: 1.0)]
    let high = [(x: 1.0, y: 2.0), (x: 2.0, y: 2.0)]
    let image = ProgressPicture(
      "a", [Chart("loss", [Curve(flat, name: "training"), Curve(high, name: "validation")])],
      totalSteps: 2
    ).image
    let (below, above) = (rows(image, column: 400, blue), rows(image, column: 400, orange))
    #expect(!below.isEmpty && !above.isEmpty)
    #expect((above.max() ?? 0) < (below.min() ?? 0))
  }
}
