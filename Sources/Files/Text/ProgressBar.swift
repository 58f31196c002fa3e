// A bar that shows in a terminal window how much of some work is done.

import Glibc

/// The line of a bar in a terminal window.
package enum ProgressBar {
  /// Back to the first column, and the line erased.
  package static let cleared = "\r\u{1B}[2K"

  /// What is done as a bar, with a text behind it, for a window of `width` columns, never longer than one
  /// less than those.
  ///
  /// The last column stays free: writing to it makes some terminals start a new line.
  package static func line(_ done: Double, of total: Int, text: String, width: Int) -> String {
    let room = max(0, width - 1)
    let barWidth = min(40, room - text.count - 3)
    guard barWidth >= 5 else { return String(text.prefix(room)) }
    let part = total > 0 ? min(1, max(0, done / Double(total))) : 0
    let filled = Int(part * Double(barWidth))
    return "[" + String(repeating: "#", count: filled)
      + String(repeating: ".", count: barWidth - filled) + "] " + text
  }

  /// The columns of the window that a descriptor writes to; 80 where it does not tell.
  package static func windowWidth(of descriptor: CInt) -> Int {
    var window = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0 else { return 80 }
    return Int(window.ws_col)
  }
}
