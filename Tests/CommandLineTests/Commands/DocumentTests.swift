// The documents against the program: their tables, their commands and their links.

import ArgumentParser
import Foundation
import TestSupport
import Testing
import unet_dist

@Suite struct DocumentTests {
  @Test func thePageOfOptionsIsWhatTheProgramPrints() throws {
    let printed = try ProgramRun.unetDist("manual", "--format", "markdown")
    #expect(printed.succeeded, "\(printed)")
    let page = try Document("docs/options.md").text
    #expect(
      printed.standardOutput == page,
      "docs/options.md is old: write it by unet-dist manual --format markdown > docs/options.md")
  }

  @Test func theManualPageNamesEveryCommandAndOptionOfTheTables() throws {
    let page = try ProgramRun.unetDist("manual").standardOutput
    #expect(page.hasPrefix(".TH UNET-DIST 1 "))
    let tables = try Document("docs/options.md").text.split(separator: "\n")
    for line in tables where line.hasPrefix("## ") {
      #expect(page.contains(".SS \(roff(line.dropFirst(3)))\n"), "\(line)")
    }
    let options = tables.compactMap { $0.firstMatch(of: /^\| `(--[a-z-]+)/)?.1 }
    #expect(options.count > 100)
    for option in options { #expect(page.contains(".B \(roff(option))"), "\(option)") }
  }

  @Test(arguments: try Document.all())
  func everyCommandIsOneOfTheProgram(_ document: Document) throws {
    for words in document.commands {
      do {
        _ = try UNetDist.parseAsRoot(words)
        // The values of these options are read by the table, and later.
        if words.first == "train", !words.contains("--config") {
          _ = try TrainOptions.parse(Array(words.dropFirst())).configuration()
        }
      } catch {
        // --help and --version end the program, too.
        if UNetDist.exitCode(for: error) == .success { continue }
        Issue.record(
          "\(document): unet-dist \(words.joined(separator: " ")): \(UNetDist.message(for: error))"
        )
      }
    }
  }

  @Test func commandsAreFoundInBlocksAndInLines() throws {
    let document = Document(
      name: "a page",
      text: """
        Call `unet-dist inspect --depth 3`, `unet-dist bench` or `unet-dist train ...` for it.

        ```sh
        mpirun -np 2 --bind-to none unet-dist train --data a \\
          --seed 3 > log.txt   # text
        for fold in 1 2; do
          unet-dist train --fold $fold
        done
        Scripts/cluster-test --hosts 2
        ```

        ```text
        unet-dist whatever
        ```
        """)
    #expect(
      document.commands == [
        ["inspect", "--depth", "3"], ["bench", "--help"], ["train", "--data", "a", "--seed", "3"],
        ["train", "--fold", "1"],
      ])
    #expect(throws: (any Error).self) { try UNetDist.parseAsRoot(["train", "--sed", "3"]) }
  }

  @Test(arguments: try Document.all())
  func everyLinkLeadsSomewhere(_ document: Document) throws {
    for link in document.links where !link.hasPrefix("https://") {
      let parts = link.split(separator: "#", omittingEmptySubsequences: false).map(String.init)
      let path = parts[0].isEmpty ? document.name : document.path(to: parts[0])
      #expect(Document.exists(path), "\(document) links to \(link), which is no file")
      guard parts.count > 1, path.hasSuffix(".md") else { continue }
      let anchors = try Document(path).anchors
      #expect(anchors.contains(parts[1]), "\(document) links to \(link), which is no heading")
    }
  }

  private func roff(_ text: some StringProtocol) -> String {
    String(text).replacing("-", with: "\\-")
  }
}

/// A page of the repository.
struct Document: CustomStringConvertible, Sendable {
  /// Its path in the repository.
  let name: String
  let text: String

  var description: String { name }

  init(name: String, text: String) {
    self.name = name
    self.text = text
  }

  init(_ name: String) throws {
    let file = Self.root.appendingPathComponent(name)
    self.init(name: name, text: try String(contentsOf: file, encoding: .utf8))
  }

  /// All pages: those beside the sources, in `docs/` and in the catalog of the documentation's site.
  static func all() throws -> [Document] {
    let folders = ["", "docs/", "packaging/", "Sources/unet-dist/Documentation.docc/"]
    return try folders.flatMap { folder in
      try (FileManager.default.contentsOfDirectory(atPath: root.path + "/" + folder)).sorted()
        .filter { $0.hasSuffix(".md") }.map { try Document(folder + $0) }
    }
  }

  /// Whether there is such a file or folder.
  static func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path)
  }

  private static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// What its relative links start from.
  func path(to target: String) -> String {
    let folder = name.split(separator: "/").dropLast().joined(separator: "/")
    return URL(fileURLWithPath: "/\(folder)/\(target)").standardized.path.dropFirst().description
  }

  /// The targets of its links, but for those in blocks of code.
  var links: [String] {
    blocks.prose.flatMap { line in
      line.matches(of: /\]\(([^)\s]+)\)/).map { String($0.1) }
    }
  }

  /// The names that its headings have as targets of links: lower case, dashes for spaces, letters and
  /// digits alone.
  var anchors: [String] {
    blocks.prose.filter { $0.hasPrefix("#") }.map { heading in
      let title = heading.drop { $0 == "#" }.drop { $0 == " " }.lowercased()
      return title.replacing(" ", with: "-").filter { $0.isLetter || $0.isNumber || $0 == "-" }
    }
  }

  /// The arguments of every call of the program: of blocks of shell and of code in the text.
  var commands: [[String]] {
    let calls = blocks.prose.flatMap { line in
      line.matches(of: /`(unet-dist [a-z-][^`]*)`/).map { String($0.1) }
    }
    // A command that is only named lacks what it wants.
    let named = calls.compactMap(Self.arguments).map { $0.count == 1 ? $0 + ["--help"] : $0 }
    return named.filter { !$0.contains("...") } + blocks.shell.compactMap(Self.arguments)
  }

  /// The words behind the program's name; nil where a line is no call of it.
  private static func arguments(_ line: String) -> [String]? {
    let plain = line.replacing("\\|", with: "|")
    // Quoted text is one word; of variables any value does.
    let words = plain.matches(of: /"[^"]*"|'[^']*'|[^\s"']+/).map { String($0.0) }
    guard let start = words.firstIndex(of: "unet-dist"),
      start == 0 || words[0] == "mpirun" || words[0] == "srun"
    else { return nil }
    let end = words[start...].firstIndex {
      [">", "|", "&&", ";", "<"].contains($0) || $0.hasPrefix("#")
    }
    return words[(start + 1)..<(end ?? words.endIndex)].map { word in
      word.trimmingCharacters(in: ["\"", "'"]).replacing(/\$\{?\w+\}?/, with: "1")
    }
  }

  /// Its lines outside of blocks of code, and the lines of blocks of shell, of which continued ones are one.
  private var blocks: (prose: [String], shell: [String]) {
    var prose: [String] = []
    var shell: [String] = []
    var language: String?
    var continued = ""
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      let trimmed = line.trimmingCharacters(in: [" "])
      if trimmed.hasPrefix("```") {
        language = language == nil ? String(trimmed.dropFirst(3)) : nil
      } else if language == nil {
        prose.append(String(line))
      } else if language?.hasPrefix("sh") == true {
        if trimmed.hasSuffix("\\") {
          continued += trimmed.dropLast()
        } else {
          shell.append(continued + trimmed)
          continued = ""
        }
      }
    }
    return (prose, shell)
  }
}
