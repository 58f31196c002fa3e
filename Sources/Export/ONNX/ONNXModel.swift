// A network as an ONNX model, written down from its layers.

import Checkpoints
import Datasets
package import Files
import Foundation
import Inference
import Network
import SwiftProtobuf
import Tensors

/// An ONNX model of a trained network: opset 13, with any batch, height and width that the network takes.
///
/// The input is [batch, channels, height, width] and so is the output, with a channel for each class. The
/// nodes are those of a forward pass without dropout, named after the layers.
package struct ONNXModel {
  /// What goes into the graph beside the layers.
  package struct Options: Sendable {
    /// Whether the output is probabilities instead of logits.
    package var hasSoftmax = true
    /// Whether intensities are normalised in the graph instead of before it.
    package var normalizesIntensities = false
    /// Whether any image is taken, continued by its mirror image as `predict` does, and the output is as
    /// large.
    package var isSameSize = false

    /// Softmax, and nothing else.
    package init() {}
  }

  /// The message of the file.
  package let message: Onnx_ModelProto

  /// The version of the operators.
  ///
  /// Readers in the field end at 18; all that is used is in 13.
  static let operatorVersion: Int64 = 13
  /// The version of the file's structure that belongs to it.
  static let structureVersion: Int64 = 7
  /// The most bytes of a protobuf message.
  private static let byteLimit = 1 << 31 - 1

  /// The model of a network.
  ///
  /// - Throws: `FileError` naming `path`, the checkpoint, where intensities are to be normalised by a
  ///   rule that is no fixed graph, or the network is larger than a message can be.
  package init(
    _ trained: ExportableNetwork, _ options: Options = Options(), path: String
  ) throws(FileError) {
    let byteCount = trained.parameters.count * MemoryLayout<Float>.stride
    guard byteCount < Self.byteLimit - 1 << 20 else {
      throw FileError(
        path: path, expected: "weights of less than 2 GiB, which one ONNX file can hold",
        found: byteCount.megabytes, hint: "export to pytorch")
    }
    let configuration = trained.configuration
    var builder = ONNXNetworkBuilder(trained)
    let (height, width) = ("height", "width")
    builder.graph.input(
      "image", [.any("batch"), .fixed(configuration.inputChannels), .any(height), .any(width)],
      Self.inputText(trained, options))
    var value = "image"
    if options.normalizesIntensities {
      value = try builder.normalizedIntensities(value, path: path)
    }
    let context = options.isSameSize ? MirrorContext(trained.network) : nil
    if let context { value = builder.mirrored(value, context) }
    value = builder.layers(of: value)
    if let context { value = builder.cropped(value, context) }
    if options.hasSoftmax {
      value = builder.graph.node("Softmax", "probabilities", [value], [.integer("axis", 1)])
    } else {
      value = builder.graph.node("Identity", "logits", [value])
    }
    let isAsLarge = options.isSameSize || configuration.padding != .valid
    builder.graph.output(
      value,
      [
        .any("batch"), .fixed(configuration.classes), .any(isAsLarge ? height : "output_height"),
        .any(isAsLarge ? width : "output_width"),
      ], "a channel for each class: " + trained.classNames.joined(separator: ", "))

    var model = Onnx_ModelProto()
    model.irVersion = Self.structureVersion
    model.producerName = "unet-dist"
    model.producerVersion = trained.checkpoint.version ?? ""
    model.docString =
      "U-Net after step \(trained.checkpoint.step). " + Self.inputText(trained, options)
    var operators = Onnx_OperatorSetIdProto()
    operators.version = Self.operatorVersion
    model.opsetImport = [operators]
    model.metadataProps = Self.metadata(trained, options).map { key, value in
      var entry = Onnx_StringStringEntryProto()
      (entry.key, entry.value) = (key, value)
      return entry
    }
    model.graph = builder.graph.graph
    message = model
  }

  /// The bytes of the file.
  package func serialized(path: String) throws(FileError) -> [UInt8] {
    do {
      return try message.serializedBytes()
    } catch {
      throw FileError(
        path: path, expected: "a model that can be encoded", found: "\(error)",
        hint: "export to pytorch")
    }
  }

  /// Writes the model, replacing the file at `path` as a whole.
  package func write(to path: String) throws(FileError) {
    try DurableFile.write(serialized(path: path), to: path)
  }

  // MARK: - What is told beside the graph

  private static func inputText(_ trained: ExportableNetwork, _ options: Options) -> String {
    let sizes =
      options.isSameSize
      ? "Any height and width." : "Height and width: \(trained.configuration.legalSizes)."
    let margin = trained.configuration.margin
    let border =
      options.isSameSize || margin == 0
      ? "The output is as large."
      : "The output is \(margin) pixels smaller on each side: continue images by their mirror image."
    let rule = trained.checkpoint.normalization
    let intensities =
      options.normalizesIntensities ? rule.rawInputText : rule.normalizedInputText
    return [sizes, border, intensities].joined(separator: " ")
  }

  /// What programs may want to know, under names of one word.
  private static func metadata(
    _ trained: ExportableNetwork, _ options: Options
  ) -> KeyValuePairs<String, String> {
    let configuration = trained.configuration
    let classes = trained.checkpoint.classes
    return [
      "class_names": JSONValue.list(trained.classNames.map { .text($0) }).json,
      "class_values": JSONValue.list(classes.values.map { .text("\($0)") }).json,
      "size_step": "\(options.isSameSize ? 1 : configuration.tileStep)",
      "size_minimum": "\(options.isSameSize ? 1 : configuration.smallestTile)",
      "output_margin": "\(options.isSameSize ? 0 : configuration.margin)",
      "padding": configuration.padding.rawValue,
      "intensities": trained.checkpoint.normalization.rule.rawValue,
      "intensities_in_graph": "\(options.normalizesIntensities)",
      "step": "\(trained.checkpoint.step)",
      "program_revision": trained.checkpoint.revision ?? "unknown",
    ]
  }
}
