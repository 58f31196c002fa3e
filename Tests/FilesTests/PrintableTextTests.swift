// Control characters of untrusted text.

import Files
import Testing

@Suite struct PrintableTextTests {
  @Test func controlCharactersAreReplaced() {
    #expect("a\u{1B}[31mb\u{07}\u{9B}c\r\n".printable == "a?[31mb??c??")
    #expect("Zelle 1 \u{E4}\u{1F52C}".printable == "Zelle 1 \u{E4}\u{1F52C}")
    #expect("first\nsecond\u{1B}".printableLines == "first\nsecond?")
  }
}
