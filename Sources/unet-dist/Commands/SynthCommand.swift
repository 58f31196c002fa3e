// `unet-dist synth`: the built-in synthetic cells as files.

import ArgumentParser
import Configuration
import Datasets
import Files
import Foundation

struct SynthCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "synth", abstract: "Writes the built-in synthetic cells as a data set.",
    discussion: """
      Writes images/, masks/ and classes.json, a folder that --data takes. The same count, side \
      and seed give the same files on every machine.
      """)

  @Option(help: "Folder to write to, which must be new or empty.", completion: .directory)
  var output: String

  @Option(help: "Number of images.") var count: Int

  @Option(help: "Rows and columns of each image.") var side = 256

  @Option(help: "Seed of the images.") var seed: UInt64 = 0

  func validate() throws {
    try ValidationError.check("count", count, in: SyntheticCells.counts)
    try ValidationError.check("side", side, in: SyntheticCells.sides)
  }

  func run() throws {
    try runCommandOnce {
      try checkOutput()
      try SyntheticCells.write(to: output, count: count, side: side, seed: seed)
      try printText("wrote \(count) images with masks, \(side) x \(side) pixels, to \(output)\n")
    }
  }

  /// A set is never mixed with files that are there already.
  private func checkOutput() throws {
    guard !output.isEmpty else {
      throw ConfigurationError(option: "output", expected: "a folder", found: "nothing")
    }
    guard FileManager.default.fileExists(atPath: output) else { return }
    let names = try Folder.names(in: output)
    guard names.isEmpty else {
      throw ConfigurationError(
        option: "output", expected: "a folder that is new or empty",
        found: "\(names.count) entries in \(output)", hint: "choose another folder")
    }
  }
}
