// The nodes of a U-Net: what each of its layers is in ONNX.

import Kernels
import Network
import Tensors

/// Adds the layers of a network to a graph.
struct ONNXNetworkBuilder {
  var graph = ONNXGraph(name: "U-Net")
  let trained: ExportableNetwork

  init(_ trained: ExportableNetwork) { self.trained = trained }

  /// Adds all layers; the logits.
  mutating func layers(of image: String) -> String {
    let network = trained.network
    // By how much layers differ in size does not depend on the size.
    let tile = network.configuration.smallestTile
    let shapes = network.shapes(height: tile, width: tile)
    var outputs: [String] = []
    for (index, layer) in network.layers.enumerated() {
      var inputs = layer.sources.map { outputs[$0] }
      for (place, source) in layer.sources.enumerated() {
        let margin = (shapes[source].output.height - shapes[index].input.height) / 2
        if margin > 0 { inputs[place] = cropped(inputs[place], by: margin, for: layer.name) }
      }
      let input =
        inputs.count > 1
        ? graph.node("Concat", "\(layer.name).input", inputs, [.integer("axis", 1)])
        : inputs.first ?? image
      switch layer.operation {
      case .unit(let unit): outputs.append(add(unit, input))
      case .pooling:
        outputs.append(
          graph.node(
            "MaxPool", layer.name, [input],
            [.integers("kernel_shape", [2, 2]), .integers("strides", [2, 2])]))
      }
    }
    return outputs.last ?? image
  }

  /// The centre of a skip, without `margin` pixels on each side, whatever its size.
  private mutating func cropped(_ value: String, by margin: Int, for layer: String) -> String {
    graph.node(
      "Slice", "\(layer).skip",
      [
        value, graph.integers("\(layer).skip.starts", [margin, margin]),
        graph.integers("\(layer).skip.ends", [-margin, -margin]),
        graph.integers("\(layer).skip.axes", [2, 3]),
      ])
  }

  // MARK: - Units

  private mutating func add(_ unit: ConvolutionUnit, _ input: String) -> String {
    var value = sums(of: unit, input)
    if let stage = unit.normalization { value = normalized(value, unit, stage) }
    if unit.appliesReLU { value = graph.node("Relu", "\(unit.name).relu", [value]) }
    return value
  }

  private mutating func sums(of unit: ConvolutionUnit, _ input: String) -> String {
    let weights = [constant("\(unit.name).weight"), constant("\(unit.name).bias")]
    switch unit.operation {
    case .convolution(let kernel):
      let side = (kernel - 1) / 2
      return convolution(unit, input, weights, kernel: kernel, before: side, after: side)
    case .upConvolution(.nearest):
      // Both of the names' defaults mean another place of the pixels.
      let larger = graph.node(
        "Resize", "\(unit.name).upsampled",
        [input, "", graph.floats("\(unit.name).scales", [1, 1, 2, 2], shape: [4])],
        [
          .text("mode", "nearest"), .text("coordinate_transformation_mode", "asymmetric"),
          .text("nearest_mode", "floor"),
        ])
      return convolution(unit, larger, weights, kernel: 2, before: 0, after: 1)
    case .upConvolution(.transposed):
      return graph.node(
        "ConvTranspose", unit.name, [input] + weights,
        [.integers("kernel_shape", [2, 2]), .integers("strides", [2, 2])])
    }
  }

  /// A convolution that sees so many pixels beyond the border, before and after.
  ///
  /// The 2x2 kernel sees one behind its input whatever the padding, which is 0 where there is none.
  private mutating func convolution(
    _ unit: ConvolutionUnit, _ input: String, _ weights: [String], kernel: Int, before: Int,
    after: Int
  ) -> String {
    let isPadded = after > 0 && (unit.padding != .valid || before == 0)
    var (input, pads) = (input, [0, 0, 0, 0])
    switch unit.padding {
    case .mirror where isPadded:
      // Of one pixel the mirror image is the border's own value.
      input = graph.node(
        "Pad", "\(unit.name).padded",
        [
          input,
          graph.integers("\(unit.name).pads", [0, 0, before, before, 0, 0, after, after]),
        ], [.text("mode", "edge")])
    case .valid, .zero, .mirror:
      if isPadded { pads = [before, before, after, after] }
    }
    return graph.node(
      "Conv", unit.name, [input] + weights,
      [.integers("kernel_shape", [kernel, kernel]), .integers("pads", pads)])
  }

  private mutating func constant(_ parameter: String) -> String {
    let (shape, values) = trained.tensor(parameter)
    return graph.floats(parameter, values, shape: shape)
  }

  // MARK: - Normalizations

  private mutating func normalized(
    _ value: String, _ unit: ConvolutionUnit, _ stage: ConvolutionUnit.NormalizationStage
  ) -> String {
    let name = "\(unit.name).norm"
    let epsilon = ONNXGraph.Attribute.float("epsilon", Float(ChannelNormalization.epsilon))
    if stage.running != nil {
      return graph.node(
        "BatchNormalization", name,
        [value]
          + ["weight", "bias", "running_mean", "running_var"].map { constant("\(name).\($0)") },
        [epsilon])
    }
    if stage.groupSize == 1 {
      return graph.node(
        "InstanceNormalization", name,
        [value, constant("\(name).weight"), constant("\(name).bias")],
        [epsilon])
    }
    // The groups take the place of channels, and get them back for scale and shift.
    let groups = unit.outputChannels / stage.groupSize
    let joined = graph.node(
      "Reshape", "\(name).groups", [value, graph.integers("\(name).group_shape", [0, groups, -1])])
    let ones = graph.floats(
      "\(name).ones", [Float](repeating: 1, count: groups), shape: [groups])
    let zeros = graph.floats(
      "\(name).zeros", [Float](repeating: 0, count: groups), shape: [groups])
    let even = graph.node(
      "InstanceNormalization", "\(name).even", [joined, ones, zeros], [epsilon])
    let shape = graph.node("Shape", "\(name).shape", [value])
    let apart = graph.node("Reshape", "\(name).channels", [even, shape])
    func channels(_ parameter: String) -> String {
      graph.floats(
        parameter, trained.tensor(parameter).values, shape: [1, unit.outputChannels, 1, 1])
    }
    let (scale, shift) = (channels("\(name).weight"), channels("\(name).bias"))
    return graph.node("Add", name, [graph.node("Mul", "\(name).scaled", [apart, scale]), shift])
  }
}
