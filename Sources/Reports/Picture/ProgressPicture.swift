// The picture of a run that goes on: progress.png.

package import Imaging

/// Curves of a run's numbers over its steps, one chart below the other.
package struct ProgressPicture {
  /// A curve of a chart.
  package struct Curve {
    /// What it is called in the chart's heading; nil where the heading says it.
    let name: String?
    let points: [(x: Double, y: Double)]

    /// A curve through points in rising order of x; those that are not finite are passed over.
    package init(_ points: [(x: Double, y: Double)], name: String? = nil) {
      self.name = name
      self.points = points.filter { $0.x.isFinite && abs($0.y) < 1e100 }
    }
  }

  /// A chart of curves on one scale.
  package struct Chart {
    let title: String
    let curves: [Curve]
    let isLogarithmic: Bool

    /// A chart; on a logarithmic scale what is not positive is passed over.
    package init(_ title: String, _ curves: [Curve], isLogarithmic: Bool = false) {
      self.title = title
      self.isLogarithmic = isLogarithmic
      self.curves =
        isLogarithmic
        ? curves.map { Curve($0.points.filter { $0.y > 1e-100 }, name: $0.name) } : curves
    }

    fileprivate var points: [(x: Double, y: Double)] { curves.flatMap(\.points) }
  }

  private let heading: String
  private let charts: [Chart]
  private let lastStep: Double

  /// The picture of charts that share the axis of steps; charts without points are left out.
  ///
  /// - Parameter totalSteps: where the axis ends.
  package init(_ heading: String, _ charts: [Chart], totalSteps: Int) {
    self.heading = heading
    self.charts = charts.filter { !$0.points.isEmpty }
    lastStep = Double(max(totalSteps, 2))
  }

  private static let width = 720
  private static let chartHeight = 190
  private static let headingHeight = 26
  private static let frame = (left: 64, right: 18, top: 24, bottom: 22)
  private static let ink = PixelColour(red: 60, green: 64, blue: 67)
  private static let grid = PixelColour(red: 224, green: 226, blue: 228)
  /// Told apart by colour-blind readers: blue and orange of the palette of Okabe and Ito (2008).
  private static let colours = [
    PixelColour(red: 0, green: 114, blue: 178), PixelColour(red: 213, green: 94, blue: 0),
  ]

  /// The picture.
  package var image: Image {
    var canvas = PixelCanvas(
      width: Self.width, height: Self.headingHeight + max(1, charts.count) * Self.chartHeight)
    canvas.write(heading, x: Self.frame.left, y: 12, Self.ink)
    for (index, chart) in charts.enumerated() {
      draw(chart, top: Self.headingHeight + index * Self.chartHeight, on: &canvas)
    }
    return canvas.image
  }

  private func draw(_ chart: Chart, top: Int, on canvas: inout PixelCanvas) {
    let values = chart.points.map(\.y)
    guard let lowest = values.min(), let highest = values.max() else { return }
    let frame = Self.frame
    let vertical = ChartScale(
      lowest...highest, isLogarithmic: chart.isLogarithmic,
      from: Double(top + Self.chartHeight - frame.bottom), to: Double(top + frame.top))
    let horizontal = ChartScale(
      1...lastStep, isLogarithmic: false, isWidened: false, from: Double(frame.left),
      to: Double(Self.width - frame.right))
    for tick in vertical.ticks {
      let y = Int(vertical.place(tick.value))
      canvas.rule(y: y, from: frame.left, to: Self.width - frame.right, Self.grid)
      canvas.write(
        tick.label, x: frame.left - 8 - PixelCanvas.width(of: tick.label),
        y: y - PixelFont.height / 2, Self.ink)
    }
    for tick in horizontal.ticks {
      canvas.write(
        tick.label, x: Int(horizontal.place(tick.value)) - PixelCanvas.width(of: tick.label) / 2,
        y: top + Self.chartHeight - frame.bottom + 8, Self.ink)
    }
    var x = frame.left
    func write(_ text: String, _ colour: PixelColour) {
      canvas.write(text, x: x, y: top + 6, colour)
      x += PixelCanvas.width(of: text + "  ")
    }
    write(chart.title, Self.ink)
    for (curve, colour) in zip(chart.curves, Self.colours) where !curve.points.isEmpty {
      if let name = curve.name { write(name, colour) }
      canvas.line(
        curve.points.map { (horizontal.place($0.x), vertical.place($0.y)) },
        radius: curve.points.count > 1 ? 0.8 : 2.5, colour)
    }
  }
}
