// Files of the system, to their end.

import Foundation
import Liveness
import Testing

@Suite struct SystemFileTests {
  /// A map of this process is longer than the page that the system gives at a time.
  @Test func longFilesAreReadToTheirEnd() throws {
    let text = try #require(SystemFile.text(of: "/proc/self/maps"))
    #expect(text.utf8.count > 8192)
    // The stack is the last but for what the system adds, and the text ends with a line.
    #expect(text.contains("[stack]") && text.hasSuffix("\n"))
  }

  @Test func whatIsNotThereIsNil() {
    #expect(SystemFile.contents(of: "/proc/self/no-such-file") == nil)
  }
}
