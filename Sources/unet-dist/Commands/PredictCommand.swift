// `unet-dist predict`.

import ArgumentParser
import Checkpoints
import Communication
import Datasets
import Files
import Foundation
import Inference

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict", abstract: "Segments images of any size with a trained network.",
    discussion: """
      Writes NAME.png for each image, which can be used as its mask: of the values that the masks of \
      the training had; NAME.tif of a stack, and of a TIFF that says where it lies or how large its pixels \
      are. With --mc-samples also NAME-entropy.png and NAME-entropy.npy, the predictive \
      entropy. Under mpirun the images are partitioned over the ranks. A TIFF of more than 64 MiB of \
      samples is read and written by windows, which the ranks share, and gives NAME.tif.
      """)

  @OptionGroup var network: TrainedNetworkOptions

  @Argument(help: "Images, folders of images, TIFF stacks.", completion: .file())
  var inputs: [String]
  @Option(help: "Folder for the results.", completion: .directory)
  var output: String
  @Flag(help: "Also write NAME-overlay.png, the image with its classes in colour.")
  var overlay = false
  @Flag(help: "Also write NAME.npy, the probabilities: float32, height x width x classes.")
  var probabilities = false
  @Option(
    help: ArgumentHelp(
      """
      Kind of the pictures' files: png (of a stack NAME-0001.png and on), or tiff, which keeps the size of \
      pixels and GeoTIFF's place, and by which the pages of a stack stay one file. By default tiff for stacks, \
      for TIFFs that say either, and for images that go by windows, else png.
      """))
  var format: PictureFormat?
  @Flag(
    help: """
      Predict what can be, and list at the end what cannot, with the reason; the exit status is then not 0. \
      By default the first failure ends the run.
      """)
  var keepGoing = false
  @Option(
    help: "What NAME.png holds: the values of the masks, or the numbers of the classes from 0.")
  var values = PredictedValues.masks

  @Option(
    help: """
      Also write NAME-instances.png, the number of each pixel's object in 16 bits, 0 for none: components, \
      the connected components of each class, or watershed, these parted where they are narrow.
      """)
  var instances: InstanceSeparation?
  @Option(
    help: ArgumentHelp(
      """
      The class that lies between objects, by its name or its value in masks; by default one called \
      membrane, border or boundary, else the first. Of three classes or more the first is no object either.
      """, valueName: "name|value"))
  var borderClass: String?

  func validate() throws {
    if borderClass != nil && instances == nil {
      throw ValidationError(
        "border-class", expected: "--instances, which it is for", found: "none",
        hint: "give it too, or leave this out")
    }
  }

  func run() throws {
    try runCommand { communicator in
      let trained = try TrainedNetwork(network, communicator: communicator)
      let channels = trained.predictor.channels
      let (index, plan) = try communicator.together {
        let classes = trained.checkpoint.classes
        let border = try classes.border(named: borderClass)
        if instances != nil, communicator.rank == 0 {
          let names = classes.backgrounds(border: border).sorted().map { classes.names[Int($0)] }
          try printText("no objects: \(names.joined(separator: ", "))\n".printableLines)
        }
        let index = try SampleIndex.images(inputs, channels: channels, keepsGoing: keepGoing)
        return (
          index,
          try PredictionPlan(index, request, channels: channels, keepsGoing: keepGoing)
        )
      }
      try communicator.verifyEqualOnAllRanks(
        trained.digests + request.digests + PredictionPlan.digests(index)
          + [NamedDigest(name: "--keep-going", text: "\(keepGoing)")])
      try communicator.together {
        guard communicator.rank == 0 else { return }
        for note in index.notes { printNote(note) }
        try Folder.make(output)
        DurableFile.removePartialFiles(in: output, unwrittenFor: DurableFile.abandonedAfter)
      }
      var run = PredictionRun(
        ImagePrediction(trained: trained, request: request), plan, keepsGoing: keepGoing,
        communicator)
      try run.predictAll()
      try run.report()
    }
  }

  /// What is wanted of each image.
  private var request: PredictionRequest {
    PredictionRequest(
      output: output, format: format, values: values, hasOverlay: overlay,
      hasProbabilities: probabilities, hasEntropy: network.mcSamples > 0, instances: instances,
      borderClass: borderClass)
  }
}
