// The line of a step in the terminal, as text.

import Files

/// A training step in one line, with a bar for windows and without for files.
package struct ProgressLine {
  let record: StepRecord
  /// The steps of the whole run.
  let totalSteps: Int
  /// The loss that is shown, a mean of the last ones.
  let loss: Double
  /// The newest mean IoU of the validation images; nil before the first.
  let score: Double?
  /// An estimate of the seconds that the run still takes; nil where there is none yet.
  let secondsLeft: Double?

  package init(
    record: StepRecord, totalSteps: Int, loss: Double? = nil, score: Double? = nil,
    secondsLeft: Double?
  ) {
    self.record = record
    self.totalSteps = totalSteps
    self.loss = loss ?? record.loss
    self.score = score
    self.secondsLeft = secondsLeft
  }

  /// The line for a file or a pipe.
  package var plain: String {
    "step \(record.step)/\(totalSteps)  loss \(decimal(loss, digits: 4))  "
      + (score.map { "IoU \(decimal($0, digits: 4))  " } ?? "")
      + "\(decimal(record.imagesPerSecond, digits: 2)) images/s" + timeLeft
  }

  /// The line for a window of `width` columns, with a bar.
  package func bar(width: Int) -> String {
    ProgressBar.line(Double(record.step), of: totalSteps, text: plain, width: width)
  }

  private var timeLeft: String {
    guard let secondsLeft, secondsLeft.isFinite, secondsLeft < 1e9 else { return "" }
    let seconds = Int(max(0, secondsLeft).rounded())
    func twoDigits(_ value: Int) -> String { (value < 10 ? "0" : "") + "\(value)" }
    let hours = seconds / 3600
    return "  left " + (hours > 0 ? "\(hours):" + twoDigits(seconds / 60 % 60) : "\(seconds / 60)")
      + ":" + twoDigits(seconds % 60)
  }

  private func decimal(_ value: Double, digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
    let scale = (0..<digits).reduce(1) { scale, _ in scale * 10 }
    let scaled = Int((abs(value) * Double(scale)).rounded())
    let fraction = String(scaled % scale)
    return (value < 0 && scaled > 0 ? "-" : "") + "\(scaled / scale)."
      + String(repeating: "0", count: digits - fraction.count) + fraction
  }
}
