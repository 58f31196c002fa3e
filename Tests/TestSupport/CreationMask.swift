// The file mode creation mask, which decides who may read new files.

import Foundation

/// The permissions that a new file gets from a program that asks for `mode`.
///
/// Read from /proc: asking umask(2) would change it for every thread of the tests.
package func created(_ mode: Int) throws -> Int {
  let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
  let line = status.split(separator: "\n").first { $0.hasPrefix("Umask:") } ?? ""
  guard let mask = Int(line.dropFirst(6).trimmingPrefix(while: \.isWhitespace), radix: 8) else {
    throw CocoaError(.fileReadCorruptFile)
  }
  return mode & ~mask
}
