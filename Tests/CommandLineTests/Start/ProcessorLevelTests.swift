// Which build of the program is taken for a processor: the sources of that, compiled into a small program.

import Foundation
import TestSupport
import Testing

@Suite struct ProcessorLevelTests {
  private static let source = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Sources/C/CStart")

  private static func shell(_ command: String) throws -> ProgramRun {
    try ProgramRun(
      URL(fileURLWithPath: "/bin/sh"), arguments: ["-c", command], timeLimit: 120)
  }

  /// A program that says the level it was built for and its arguments, in a folder `bin` or `libexec`.
  private static func build(_ level: String, into path: String, in folder: String) throws {
    let main = folder + "/main.c"
    try """
    #include <stdio.h>
    int main(int count, char **words) {
      printf("%s", UNET_DIST_MARCH);
      for (int index = 1; index < count; index++) printf(" %s", words[index]);
      return 0;
    }
    """.write(toFile: main, atomically: true, encoding: .utf8)
    let run = try shell(
      "mkdir -p \"$(dirname '\(folder)/\(path)')\" && clang -I'\(source.path)/include' "
        + "'-DUNET_DIST_MARCH=\"\(level)\"' '\(main)' '\(source.path)/CStart.c' -o '\(folder)/\(path)'"
    )
    #expect(run.succeeded, "\(run)")
  }

  private static let hasCompiler = (try? shell("command -v clang"))?.succeeded == true
  /// Whether the processor has AVX2, as the system says, and AVX-512 as level 4 needs it.
  private static let flags = Set(
    ((try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? "")
      .split(separator: "\n").first { $0.hasPrefix("flags") }?.split(separator: " ") ?? [])
  private static let level =
    flags.isSuperset(of: ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"])
    ? 4 : flags.isSuperset(of: ["avx2", "fma", "bmi2"]) ? 3 : 2

  @Test(.enabled(if: hasCompiler && level > 2, "needs clang and a processor with AVX2"))
  func theHighestLevelThatRunsIsTaken() throws {
    try withTemporaryFolder { folder in
      let variants = folder + "/libexec/unet-dist"
      try Self.build("x86-64-v2", into: "bin/unet-dist", in: folder)
      for level in [3, 4] {
        try Self.build(
          "x86-64-v\(level)", into: "libexec/unet-dist/x86-64-v\(level)/unet-dist", in: folder)
      }
      let program = "'\(folder)/bin/unet-dist'"
      #expect(
        try Self.shell(program + " a 'b c'").standardOutput == "x86-64-v\(Self.level) a b c")
      // What was asked for, for hosts that are to round alike.
      #expect(
        try Self.shell("UNET_DIST_LEVEL=x86-64-v3 " + program).standardOutput == "x86-64-v3")
      #expect(
        try Self.shell("UNET_DIST_LEVEL=x86-64-v2 " + program).standardOutput == "x86-64-v2")
      let wrong = try Self.shell("UNET_DIST_LEVEL=avx2 " + program)
      #expect(wrong.exitStatus == 64 && wrong.standardError.contains("UNET_DIST_LEVEL"))
      // Without others it stays what it is.
      try FileManager.default.removeItem(atPath: variants)
      #expect(try Self.shell(program).standardOutput == "x86-64-v2")
    }
  }

  @Test(.enabled(if: hasCompiler, "needs clang"))
  func aBuildForOneProcessorTakesNoOther() throws {
    try withTemporaryFolder { folder in
      try Self.build("native", into: "bin/unet-dist", in: folder)
      try Self.build("x86-64-v3", into: "libexec/unet-dist/x86-64-v3/unet-dist", in: folder)
      #expect(try Self.shell("'\(folder)/bin/unet-dist'").standardOutput == "native")
    }
  }

  @Test(.enabled(if: hasCompiler && level < 4, "needs clang and a processor without AVX-512"))
  func aBuildForMoreSaysSo() throws {
    try withTemporaryFolder { folder in
      try Self.build("x86-64-v4", into: "bin/unet-dist", in: folder)
      let run = try Self.shell("'\(folder)/bin/unet-dist'")
      #expect(run.exitStatus == 1 && run.standardOutput.isEmpty)
      #expect(run.standardError.contains("this build is for processors of x86-64-v4"))
    }
  }
}
