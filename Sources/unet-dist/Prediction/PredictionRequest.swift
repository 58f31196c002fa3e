// What `predict` is to write of every image.

import ArgumentParser
import Checkpoints
import Communication
import Datasets
import Imaging
import Inference

/// What is wanted of each image, and where it goes.
struct PredictionRequest {
  /// The folder.
  let output: String
  /// The kind of the pictures' files; nil for the usual one.
  let format: PictureFormat?
  let values: PredictedValues
  let hasOverlay: Bool
  let hasProbabilities: Bool
  /// The predictive entropy, as a picture and as an array.
  let hasEntropy: Bool
  let instances: InstanceSeparation?
  let borderClass: String?

  /// An option that takes images as a whole, if one was given; all others also go by windows.
  var optionForWholeImages: String? {
    instances != nil ? "instances" : hasOverlay ? "overlay" : format == .png ? "format png" : nil
  }

  /// The pictures of an image, in the order in which they are made.
  var pictures: [PictureKind] {
    [.labels] + (hasEntropy ? [.entropy] : []) + (instances != nil ? [.instances] : [])
      + (hasOverlay ? [.overlay] : [])
  }

  /// The arrays of an image: what is put behind its name.
  var arrays: [String] {
    (hasEntropy ? ["-entropy.npy"] : []) + (hasProbabilities ? [".npy"] : [])
  }

  /// What the ranks must agree on so that their results belong together.
  var digests: [NamedDigest] {
    [
      NamedDigest(name: "--output", text: output),
      NamedDigest(name: "--format", text: format?.rawValue ?? "usual"),
      NamedDigest(name: "--overlay", text: "\(hasOverlay)"),
      NamedDigest(name: "--probabilities", text: "\(hasProbabilities)"),
      NamedDigest(name: "--values", text: values.rawValue),
      NamedDigest(name: "--instances", text: instances?.rawValue ?? "none"),
      NamedDigest(name: "--border-class", text: borderClass ?? "none"),
    ]
  }
}

/// A picture of a prediction.
enum PictureKind: String, CaseIterable {
  /// The label of each pixel.
  case labels = ""
  /// The image with its classes in colour.
  case overlay = "-overlay"
  /// The number of each pixel's object.
  case instances = "-instances"
  /// The predictive entropy as grey.
  case entropy = "-entropy"

  /// The file's name behind that of the image.
  func suffix(_ format: PictureFormat) -> String { rawValue + format.fileExtension }
}

/// The kind of file that pictures go to.
enum PictureFormat: String, ExpressibleByArgument, CaseIterable {
  /// One picture a file.
  case png
  /// One picture a file, or all pages of a stack.
  case tiff

  var fileExtension: String { self == .png ? ".png" : ".tif" }
}

/// What a predicted picture holds.
enum PredictedValues: String, ExpressibleByArgument, CaseIterable {
  /// The values that the masks of the training had.
  case masks
  /// The numbers of the classes, from 0.
  case classes
}
