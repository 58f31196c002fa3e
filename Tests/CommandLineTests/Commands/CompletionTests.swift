// What shells complete: asked of bash itself, and read by the other shells where they are installed.

import Configuration
import Foundation
import TestSupport
import Testing

@Suite struct CompletionTests {
  private static func script(_ shell: String) throws -> String {
    let run = try ProgramRun.unetDist("--generate-completion-script", shell)
    #expect(run.succeeded, "\(run)")
    return run.standardOutput
  }

  /// What bash offers where the last of `words` is typed.
  private static func candidates(_ words: [String]) throws -> [String] {
    try withTemporaryFolder { folder in
      let file = folder + "/completions"
      try script("bash").write(toFile: file, atomically: true, encoding: .utf8)
      let quoted = words.map { "'\($0)'" }.joined(separator: " ")
      // The function that `complete` was told of gets what bash gives it.
      let text = """
        source "$1"
        function=$(complete -p unet-dist | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
        COMP_WORDS=(\(quoted)) COMP_CWORD=\(words.count - 1) COMP_LINE="${COMP_WORDS[*]}" COMPREPLY=()
        COMP_POINT=${#COMP_LINE}
        "$function" unet-dist "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\\n' "${COMPREPLY[@]}"
        """
      let run = try ProgramRun(
        URL(fileURLWithPath: "/bin/bash"), arguments: ["--norc", "-c", text, "bash", file],
        environment: [:], timeLimit: 60)
      return run.standardOutput.split(separator: "\n").map(String.init)
    }
  }

  @Test func bashOffersCommandsOptionsAndValues() throws {
    #expect(try Self.candidates(["unet-dist", "ex"]) == ["export"])
    #expect(try Self.candidates(["unet-dist", "train", "--opti"]) == ["--optimizer"])
    #expect(
      try Self.candidates(["unet-dist", "train", "--optimizer", ""]) == ["sgd", "adam", "adamw"])
    #expect(try Self.candidates(["unet-dist", "train", "--padding", "m"]) == ["mirror"])
    #expect(
      try Self.candidates(["unet-dist", "export", "--format", ""]) == [
        "onnx", "pytorch", "bioimageio",
      ])
  }

  /// Each option of `train` with few values offers these, in all shells.
  @Test func everyOptionOfFewValuesOffersThem() throws {
    let options = TrainingOption.all.filter {
      $0.values.count > 1 && $0.values != ["true", "false"]
    }
    #expect(options.count >= 12)
    for shell in ["bash", "zsh", "fish"] {
      let script = try Self.script(shell)
      for option in options {
        for value in option.values {
          #expect(script.contains(value), "\(shell): --\(option.name) \(value)")
        }
      }
    }
  }

  @Test(arguments: ["bash", "zsh", "fish"])
  func theScriptIsOneOfItsShell(_ shell: String) throws {
    guard
      let folder = ["/bin", "/usr/bin"].first(where: {
        FileManager.default.isExecutableFile(atPath: "\($0)/\(shell)")
      })
    else { return }
    try withTemporaryFolder { scratch in
      let file = scratch + "/completions"
      try Self.script(shell).write(toFile: file, atomically: true, encoding: .utf8)
      let run = try ProgramRun(
        URL(fileURLWithPath: "\(folder)/\(shell)"), arguments: ["-n", file], environment: [:],
        timeLimit: 60)
      #expect(run.succeeded && run.standardError.isEmpty, "\(run)")
    }
  }
}
