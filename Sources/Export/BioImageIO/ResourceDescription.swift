// The description of a package: rdf.yaml for programs, README.md for people.

import Checkpoints
import Datasets
import Files
import Foundation
import Network

/// What `rdf.yaml` and `README.md` of a package say.
struct ResourceDescription {
  /// SHA-256 of files, in hexadecimal digits.
  struct Digests {
    let weights: String
    let input: String
    let output: String
  }

  let trained: ExportableNetwork
  let description: BioImagePackage.Description
  let sizes: TensorSizes
  let date: Date
  /// The stored value whose intensity is 1, in images like the sample.
  let unit: Float
  let sampleName: String
  let digests: Digests

  private var checkpoint: Checkpoint { trained.checkpoint }
  private var classNames: [String] { trained.classNames }

  /// One line on what the network does.
  private var abstract: String {
    "Segmentation of images of \(channelCount) into \(classNames.joined(separator: ", ")), by a U-Net."
  }

  private var channelCount: String {
    let count = trained.configuration.inputChannels
    return count == 1 ? "1 channel" : "\(count) channels"
  }

  /// The text of `rdf.yaml`; every text from outside is in quotes.
  ///
  /// - Throws: `FileError` naming `path` where a channel was constant in the training set, of which
  ///   the format has no word.
  func yaml(path: String) throws(FileError) -> String {
    let channels = (0..<trained.configuration.inputChannels).map { "channel\($0)" }
    let halo = sizes.halo > 0 ? ", halo: \(sizes.halo)" : ""
    func space(_ axis: String) -> String {
      "{type: space, id: \(axis), size: {tensor_id: image, axis_id: \(axis), "
        + "offset: \(-2 * sizes.margin)}\(halo)}"
    }
    return """
      format_version: 0.5.3
      type: model
      name: \(quoted(description.name))
      description: \(quoted(abstract))
      timestamp: \(quoted(ISO8601DateFormatter().string(from: date)))
      authors:
      \(description.authors.map { "  - {name: \(quoted($0))}" }.joined(separator: "\n"))
      cite:
        - text: "Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, 2015"
          doi: 10.1007/978-3-319-24574-4_28
      license: \(quoted(description.licence))
      tags: [segmentation, semantic-segmentation, unet, 2d, unet-dist]
      documentation: README.md
      covers: [cover.png]
      inputs:
        - id: image
          description: \(quoted("stored values of images of \(channelCount)"))
          axes:
            - {type: batch}
            - {type: channel, channel_names: [\(channels.joined(separator: ", "))]}
            - {type: space, id: y, size: {min: \(sizes.minimum), step: \(sizes.step)}}
            - {type: space, id: x, size: {min: \(sizes.minimum), step: \(sizes.step)}}
          data: {type: float32}
          test_tensor: {source: test-input.npy, sha256: \(digests.input)}
          sample_tensor: {source: \(sampleName)}
          preprocessing:
            - {id: ensure_dtype, kwargs: {dtype: float32}}
      \(try preprocessing(path: path).map { "      - \($0)\n" }.joined())\
      outputs:
        - id: probabilities
          description: probability of each class
          axes:
            - {type: batch}
            - {type: channel, channel_names: [\(classNames.map(quoted).joined(separator: ", "))]}
            - \(space("y"))
            - \(space("x"))
          data: {type: float32, range: [0, 1]}
          test_tensor: {source: test-output.npy, sha256: \(digests.output)}
      weights:
        onnx: {source: weights.onnx, sha256: \(digests.weights), opset_version: \
      \(ONNXModel.operatorVersion)}

      """
  }

  /// The steps that make inputs of stored values.
  private func preprocessing(path: String) throws(FileError) -> [String] {
    let rule = checkpoint.normalization
    let standardization =
      "{id: zero_mean_unit_variance, kwargs: {axes: [y, x], eps: 1.0e-06}}"
    switch rule.rule {
    case .standardized: return [standardization]
    case .percentiles:
      return [
        "{id: scale_range, kwargs: {axes: [y, x], min_percentile: \(rule.bounds?.low ?? 0), "
          + "max_percentile: \(rule.bounds?.high ?? 100), eps: 1.0e-06}}",
        "{id: clip, kwargs: {min: 0.0, max: 1.0}}", standardization,
      ]
    case .set:
      // Intensities are stored values by the largest of their type.
      let scaling = rule.channelScaling ?? []
      guard scaling.allSatisfy({ $0.scale > 0 }) else {
        throw FileError(
          path: path, expected: "a training set whose channels all vary",
          found: "a constant channel", hint: "export to onnx with --normalize")
      }
      let means = scaling.map { "\($0.offset * Double(unit))" }
      let deviations = scaling.map { "\(Double(unit) / $0.scale)" }
      return [
        "{id: fixed_zero_mean_unit_variance, kwargs: {mean: [\(means.joined(separator: ", "))], "
          + "std: [\(deviations.joined(separator: ", "))], axis: channel}}"
      ]
    case .unchanged:
      // Without bounds intensities are stored values by the largest of their type.
      let gain = rule.channelScaling?[0].scale ?? 1 / Double(unit)
      let offset = rule.channelScaling.map { -$0[0].offset * gain } ?? 0
      guard gain != 1 || offset != 0 else { return [] }
      return ["{id: scale_linear, kwargs: {gain: \(gain), offset: \(offset)}}"]
    }
  }

  /// A text in double quotes: those of JSON are YAML too.
  private func quoted(_ text: String) -> String { JSONValue.text(text.printable).json }

  /// The text of `README.md`.
  var readme: String {
    let score =
      checkpoint.best.map {
        """
        The best evaluation in the course of the training, after step \($0.step), has a mean intersection over \
        union of \($0.meanIntersectionOverUnion.decimals(4)) on the images that were kept for validation.
        """
      } ?? "No images were kept for validation."
    let border =
      sizes.margin == 0
      ? "The output is as large as the input."
      : "The output is \(sizes.margin) pixels smaller on each side."
    return """
      # \(description.name)

      \(abstract) Trained by unet-dist \(checkpoint.version ?? ""), \(checkpoint.step) steps.

      Heights and widths are \(trained.configuration.legalSizes). \(border) Intensities are normalised by \
      the steps under `preprocessing` of `rdf.yaml`.

      | channel of the output | class | value in the masks of the training |
      |---|---|---|
      \(zip(classNames, checkpoint.classes.values).enumerated().map { label, row in
        "| \(label) | \(row.0.printable.replacing("|", with: "\\|")) | \(row.1) |"
      }.joined(separator: "\n"))

      ## Validation

      \(score) To score the network on images of your own, with masks:

          unet-dist evaluate --checkpoint CHECKPOINT --data FOLDER

      `test-output.npy` is what the program that trained the network says of `test-input.npy`.

      """
  }
}
