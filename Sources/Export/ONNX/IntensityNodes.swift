// The normalization of intensities inside the graph.

import Checkpoints
import Datasets
import Files
import Network

extension ONNXNetworkBuilder {
  /// The network's input of an image's stored values.
  ///
  /// - Throws: `FileError` naming `path` for a rule that has no nodes.
  mutating func normalizedIntensities(
    _ image: String, path: String
  ) throws(FileError) -> String {
    let rule = trained.checkpoint.normalization
    switch rule.rule {
    case .standardized: return standardized(image, floor: rule.floor)
    case .set, .unchanged:
      guard let scaling = rule.channelScaling else { return image }
      let shape = [1, scaling.count, 1, 1]
      let offset = graph.floats(
        "intensities.offset", scaling.map { Float($0.offset) }, shape: shape)
      let scale = graph.floats("intensities.scale", scaling.map { Float($0.scale) }, shape: shape)
      return graph.node(
        "Mul", "intensities", [graph.node("Sub", "intensities.centred", [image, offset]), scale])
    case .percentiles:
      throw FileError(
        path: path, expected: "intensities by a rule that ONNX has operators for",
        found: "percentiles of each image", hint: "leave --normalize out, and normalise before")
    }
  }

  /// Mean 0 and deviation 1 of each channel of each image, and 0 where it is constant.
  private mutating func standardized(_ image: String, floor: Double) -> String {
    func node(_ operation: String, _ part: String, _ inputs: [String]) -> String {
      graph.node(operation, "intensities.\(part)", inputs)
    }
    func mean(_ part: String, of value: String) -> String {
      graph.node(
        "ReduceMean", "intensities.\(part)", [value],
        [.integers("axes", [2, 3]), .integer("keepdims", 1)])
    }
    let average = mean("mean", of: image)
    let centred = node("Sub", "centred", [image, average])
    let squares = node("Mul", "squares", [centred, centred])
    let deviation = node("Sqrt", "deviation", [mean("variance", of: squares)])
    let least = node(
      "Mul", "least",
      [
        node("Abs", "magnitude", [average]),
        graph.floats("intensities.floor", [Float(floor)], shape: []),
      ])
    let isVaried = node("Greater", "is_varied", [deviation, least])
    // Nothing is divided by a deviation of 0.
    let divisor = node(
      "Where", "divisor", [isVaried, deviation, graph.floats("intensities.one", [1], shape: [])])
    let factor = graph.node("Cast", "intensities.factor", [isVaried], [.integer("to", 1)])
    let scaled = node("Div", "scaled", [centred, divisor])
    return graph.node("Mul", "intensities", [scaled, factor])
  }
}

extension IntensityNormalization {
  /// What a program has to do with an image's stored values before the network, for people.
  var normalizedInputText: String {
    switch rule {
    case .standardized:
      "The input is each channel of each image less its mean, divided by its standard deviation."
    case .percentiles:
      "The input is each channel of each image brought to its percentiles "
        + "\(bounds?.low ?? 0) and \(bounds?.high ?? 100), less the mean, divided by the standard deviation."
    case .set:
      "The input is intensities (unsigned integers divided by the largest of their type) less the mean of "
        + "the training set and divided by its standard deviation, by channel: "
        + (channelScaling ?? []).map { "mean \($0.offset), deviation \(1 / $0.scale)" }
        .joined(separator: "; ") + "."
    case .unchanged:
      bounds.map { "The input is (stored value - \($0.low)) / \($0.high - $0.low)." }
        ?? "The input is intensities: unsigned integers divided by the largest of their type."
    }
  }

  /// What a program gives to a model that normalises by itself, for people.
  var rawInputText: String {
    switch rule {
    case .standardized, .percentiles: "The input is stored values."
    case .set: "The input is intensities: unsigned integers divided by the largest of their type."
    case .unchanged:
      bounds == nil
        ? "The input is intensities: unsigned integers divided by the largest of their type."
        : "The input is stored values."
    }
  }
}
