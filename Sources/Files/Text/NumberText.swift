// Numbers as people read them.

import Foundation

extension Int {
  /// The digits in groups of three: 31,030,658.
  package var grouped: String {
    let digits = String(magnitude)
    var text = self < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0 && (digits.count - index).isMultiple(of: 3) { text += "," }
      text.append(digit)
    }
    return text
  }

  /// A number of bytes in megabytes of 10^6 bytes, with one decimal.
  package var megabytes: String { (Double(self) / 1e6).decimals(1) + " MB" }
}

extension Double {
  /// The number with a fixed count of decimals.
  package func decimals(_ count: Int) -> String { String(format: "%.\(count)f", self) }

  /// The number with three significant digits and a power of ten: 1.25e-06.
  package var scientific: String { String(format: "%.2e", self) }
}
