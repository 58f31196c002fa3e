// `unet-dist import`: other programs' annotations as a data set.

import Annotations
import ArgumentParser
import Files

struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Turns other programs' annotations into a data set.",
    discussion: """
      Reads the instances of a COCO file, LabelMe's JSON files, or ImageJ's regions (.roi, .zip), and \
      writes images/, masks/, instances/ and classes.json, a folder that --data takes.
      """)

  @Argument(help: "A JSON file, a .roi or .zip file, or a folder of them.", completion: .file())
  var source: String
  @Option(help: "Folder to write to, which must be new or empty.", completion: .directory)
  var output: String
  @Option(
    help: "Folder that paths of images start from (default: that of the annotations).",
    completion: .directory)
  var images: String?

  func run() throws {
    try runCommandOnce {
      let result = try AnnotationImport(
        AnnotationSource.read(source, images: images), to: output)
      for note in result.notes { printWarning(note) }
      try printText(
        "wrote \(result.imageCount) images with \(result.objectCount) objects to \(output)\n")
    }
  }
}
