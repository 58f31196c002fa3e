// When messages are coloured, and what of them.

import Files
import Testing

@Suite struct TerminalColoursTests {
  private func colours(terminal: Bool = true, _ variables: [String: String] = [:])
    -> TerminalColours
  {
    TerminalColours(isTerminal: terminal) { variables[$0] }
  }

  @Test func theWordBeforeTheColonIsColoured() {
    #expect(colours().message("warning: a: b") == "\u{1B}[33mwarning:\u{1B}[0m a: b")
    #expect(colours().message("error: a") == "\u{1B}[31merror:\u{1B}[0m a")
    #expect(colours().message("a warning: b") == "a warning: b")
  }

  @Test func whatIsDoneOfABarIsGreen() {
    #expect(colours().bar("[##..] a #") == "[\u{1B}[32m##\u{1B}[0m..] a #")
    #expect(colours().bar("[....] a #1") == "[....] a #1")
    #expect(colours().bar("no bar ##") == "no bar ##")
  }

  @Test func onlyTerminalsThatWantColoursHaveThem() {
    let text = "warning: a"
    #expect(colours(["TERM": "xterm"]).message(text) != text)
    // Set, but empty, says nothing.
    #expect(colours(["NO_COLOR": ""]).message(text) != text)
    #expect(colours(["NO_COLOR": "1"]).message(text) == text)
    #expect(colours(["TERM": "dumb"]).message(text) == text)
    #expect(colours(terminal: false).message(text) == text)
    #expect(colours(terminal: false).bar("[##..]") == "[##..]")
  }
}
