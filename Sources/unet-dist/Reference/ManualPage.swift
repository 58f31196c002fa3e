// The manual page, unet-dist(1), in the macros of man(7).

import Checkpoints

/// The program with all of its commands, as a manual page.
struct ManualPage: CustomStringConvertible {
  let program: CommandReference

  var description: String {
    let commands = program.flattened().dropFirst()
    var page = """
      .TH UNET-DIST 1 "" "unet-dist \(Version.number)" "User Commands"
      .SH NAME
      unet-dist \\- trains a U-Net on one process or many

      """
    page += ".SH SYNOPSIS\n"
    for command in program.commands {
      page += ".B unet-dist \(Self.escaped(command.commandName))\n.RI [ OPTION ...]\n.br\n"
    }
    page += """
      .B mpirun \\-np
      .I N
      .B unet-dist train
      .RI [ OPTION ...]

      """
    page += ".SH DESCRIPTION\n"
    for paragraph in Self.description { page += ".PP\n\(Self.line(paragraph))" }
    page += ".SH COMMANDS\n"
    for (words, command) in commands {
      page += ".SS \(Self.escaped(words))\n"
      page += Self.line(command.abstract ?? "")
      if let discussion = command.discussion { page += ".PP\n\(Self.line(discussion))" }
      for argument in command.ownArguments { page += Self.entry(argument) }
    }
    page += Self.list("EXIT STATUS", Self.statuses)
    page += Self.list("ENVIRONMENT", Self.variables)
    page += Self.list("FILES", Self.files)
    page += ".SH EXAMPLES\n"
    for (text, command) in Self.examples {
      page += ".PP\n\(Self.line(text)).PP\n.RS\n.nf\n\(Self.line(command)).fi\n.RE\n"
    }
    page += """
      .SH SEE ALSO
      .BR mpirun (1)
      .PP
      The pages in /usr/share/doc/unet\\-dist, or in the folder docs of the source.

      """
    return page
  }

  private static let description = [
    """
    A trainer for the U-Net of Ronneberger, Fischer and Brox, 2015. Each MPI rank holds a replica of the network, \
    trains on its share of every batch, and sums the gradients with the other ranks; rank 0 writes checkpoints and \
    the log. Without mpirun it runs as one process.
    """,
    "Every command explains itself with --help. --version prints the number of the version, and with --verbose "
      + "also what the program was built with.",
  ]

  private static let statuses = [
    ("0", "All was done."),
    ("1", "Something failed; the message says what."),
    ("64", "The arguments cannot be understood."),
    ("75", "The job made no progress for --stall-timeout seconds, or not all ranks came."),
    (
      "85",
      "train was stopped by a signal, and has saved the step that it was at; go on with --resume."
    ),
    ("128 + N", "Ended by signal N."),
  ]

  private static let variables = [
    (
      "UNET_DIST_BLAS_KERNELS",
      "Pins OpenBLAS's kernels by name, for instance Haswell; all ranks of a run must have the same."
    ),
    (
      "UNET_DIST_START_TIMEOUT",
      "For how many seconds ranks wait for each other at the start; 600 by default."
    ),
    ("NO_COLOR", "Where it is set and not empty, nothing is coloured in a terminal."),
    ("XDG_CACHE_HOME", "Where decoded images of large sets are kept; ~/.cache by default."),
  ]

  private static let files = [
    ("OUTPUT/config.yaml", "The options of a run, with nothing left open."),
    ("OUTPUT/log.jsonl", "One JSON object a line: every step and every evaluation."),
    ("OUTPUT/report.html", "A page on the run, written when it ends."),
    ("OUTPUT/best.safetensors, OUTPUT/latest.safetensors", "Links to checkpoints."),
  ]

  private static let examples = [
    (
      "Train on images and masks, planned for half an hour:",
      "unet-dist train --data cells --output run --minutes 30"
    ),
    (
      "The same on four ranks; how many there are is a matter of speed alone:",
      "mpirun -np 4 --bind-to none unet-dist train --data cells --output run"
    ),
    (
      "Segment images by the best checkpoint of a run:",
      "unet-dist predict --checkpoint run --output predictions images/"
    ),
  ]

  private static func entry(_ argument: ArgumentReference) -> String {
    let byDefault = argument.defaultText.map { " (default: \($0))" } ?? ""
    return ".TP\n.B \(escaped(argument.usage))\n\(line(argument.meaning + byDefault))"
  }

  private static func list(_ title: String, _ entries: [(String, String)]) -> String {
    ".SH \(title)\n" + entries.map { ".TP\n.B \(escaped($0.0))\n\(line($0.1))" }.joined()
  }

  /// A line of text, which no macro or escape is made of.
  private static func line(_ text: String) -> String {
    let text = escaped(text.replacing("\n", with: " "))
    return (text.hasPrefix(".") || text.hasPrefix("'") ? "\\&" : "") + text + "\n"
  }

  /// Text with what roff would take otherwise written out: a dash is that of an option, not a hyphen.
  private static func escaped(_ text: String) -> String {
    text.replacing("\\", with: "\\e").replacing("-", with: "\\-")
  }
}
