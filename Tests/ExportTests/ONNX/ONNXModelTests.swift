// The model that a network becomes: its nodes, its numbers, and the bytes of its file.

import Datasets
import Export
import Files
import Foundation
import Network
import SwiftProtobuf
import Tensors
import Testing

@Suite struct ONNXModelTests {
  private static func model(
    _ configuration: UNetConfiguration, _ options: ONNXModel.Options = .init()
  ) throws -> Onnx_ModelProto {
    try ONNXModel(exportable(configuration), options, path: "c.safetensors").message
  }

  @Test func theLayersOfTheSmallestNetworkAreTheseNodes() throws {
    let graph = try Self.model(UNetConfiguration(baseChannels: 2, depth: 1)).graph
    #expect(
      graph.node.map(\.opType) == [
        "Conv", "Relu", "Conv", "Relu", "MaxPool", "Conv", "Relu", "Conv", "Relu", "Resize", "Conv",
        "Slice", "Concat", "Conv", "Relu", "Conv", "Relu", "Conv", "Softmax",
      ])
    let named = Dictionary(uniqueKeysWithValues: graph.node.map { ($0.name, $0) })
    // The 2x2 convolution sees what is behind a pixel; other convolutions of the paper see no border.
    #expect(named["up.0.upconv"]?.integers("pads") == [0, 0, 1, 1])
    #expect(named["down.0.conv1"]?.integers("pads") == [0, 0, 0, 0])
    #expect(named["down.0.conv1"]?.integers("kernel_shape") == [3, 3])
    let resize = try #require(named["up.0.upconv.upsampled"])
    #expect(resize.text("mode") == "nearest" && resize.text("nearest_mode") == "floor")
    #expect(resize.text("coordinate_transformation_mode") == "asymmetric")
    // Of 20 rows the skip has 16; 8 behind the pooling become 4, and 8 again.
    let starts = graph.initializer.first { $0.name == "up.0.conv1.skip.starts" }
    #expect(starts?.integers == [4, 4])
    let ends = graph.initializer.first { $0.name == "up.0.conv1.skip.ends" }
    #expect(ends?.integers == [-4, -4])
    #expect(named["up.0.conv1.input"]?.input == ["up.0.conv1.skip", "up.0.upconv"])
  }

  @Test func paddingIsTheConvolutionsOwnOrANodeBeforeIt() throws {
    var configuration = UNetConfiguration(baseChannels: 2, depth: 1, padding: .zero)
    let zero = try Self.model(configuration).graph.node
    #expect(zero.first?.integers("pads") == [1, 1, 1, 1])
    #expect(!zero.contains { $0.opType == "Pad" || $0.opType == "Slice" })
    configuration.padding = .mirror
    let mirror = try Self.model(configuration).graph
    let pads = mirror.node.filter { $0.opType == "Pad" }
    // Six 3x3 convolutions and the 2x2 one; the head has no border.
    #expect(pads.count == 7 && pads.allSatisfy { $0.text("mode") == "edge" })
    let behind = mirror.initializer.first { $0.name == "up.0.upconv.pads" }
    #expect(behind?.integers == [0, 0, 0, 0, 0, 0, 1, 1])
  }

  /// The output has the size that the network says, for any legal one, by the nodes alone.
  @Test(arguments: architectures)
  func theNodesGiveTheSizesOfTheNetwork(_ configuration: UNetConfiguration) throws {
    var options = ONNXModel.Options()
    options.hasSoftmax = false
    let graph = try Self.model(configuration, options).graph
    for (height, width) in [(44, 60), (76, 44)] {
      let shape = try InferredShapes(graph, input: [2, 3, height, width]).output
      let sides = [height, width].map { configuration.outputSide(tile: $0) }
      #expect(shape == [2, 4, try #require(sides[0]), try #require(sides[1])])
    }
    #expect(graph.output.map(\.name) == ["logits"])
  }

  @Test(arguments: architectures)
  func valuesAreMadeBeforeTheyAreRead(_ configuration: UNetConfiguration) throws {
    var options = ONNXModel.Options()
    (options.isSameSize, options.normalizesIntensities) = (true, true)
    let graph = try Self.model(configuration, options).graph
    var known = Set(graph.input.map(\.name) + graph.initializer.map(\.name))
    #expect(known.count == graph.input.count + graph.initializer.count)
    for node in graph.node {
      for input in node.input where !input.isEmpty {
        #expect(known.contains(input), "\(node.name) reads \(input)")
      }
      for output in node.output { #expect(known.insert(output).inserted, "\(output) twice") }
    }
    for output in graph.output { #expect(known.contains(output.name)) }
    // Nothing is there that nobody reads.
    let read = Set(graph.node.flatMap(\.input) + graph.output.map(\.name))
    #expect(known.subtracting(read).isEmpty)
  }

  @Test func whatWasEncodedIsDecodedWithEveryWeight() throws {
    let trained = try exportable(UNetConfiguration(inputChannels: 3, baseChannels: 2, depth: 1))
    let model = try ONNXModel(trained, path: "c.safetensors")
    let bytes = try model.serialized(path: "m.onnx")
    // The structure's version, field 1: a number, 7.
    #expect(bytes.prefix(2) == [0x08, 0x07])
    let decoded = try Onnx_ModelProto(serializedBytes: bytes)
    #expect(decoded == model.message)
    #expect(decoded.opsetImport.map(\.version) == [13])
    let parameters = trained.network.layout.parameters
    for parameter in parameters {
      let tensor = try #require(decoded.graph.initializer.first { $0.name == parameter.name })
      #expect(tensor.dims.map(Int.init) == parameter.shape && tensor.dataType == 1)
      #expect(tensor.floats == parameter.fileValues(from: trained.parameters.base))
    }
    let input = try #require(decoded.graph.input.first?.type.tensorType.shape.dim)
    #expect(input.map(\.dimValue) == [0, 3, 0, 0])
    #expect(input.map(\.dimParam) == ["batch", "", "height", "width"])
  }

  @Test func theFileSaysWhichSizesItTakes() throws {
    let facts = Dictionary(
      uniqueKeysWithValues: try Self.model(UNetConfiguration(baseChannels: 2)).metadataProps.map {
        ($0.key, $0.value)
      })
    #expect(facts["size_minimum"] == "188" && facts["size_step"] == "16")
    #expect(facts["output_margin"] == "92" && facts["padding"] == "valid")
    #expect(facts["class_names"] == #"["background and borders", "cell"]"#)
  }

  @Test func groupsOfChannelsAreNormalizedTogether() throws {
    let graph = try Self.model(
      UNetConfiguration(baseChannels: 32, depth: 1, padding: .zero, normalization: .group)
    ).graph
    let shape = graph.initializer.first { $0.name == "down.0.conv1.norm.group_shape" }
    // Of sixteen channels each.
    #expect(shape?.integers == [0, 2, -1])
    let epsilon = graph.node.first { $0.opType == "InstanceNormalization" }?.attribute.first?.f
    #expect(epsilon == 1e-5)
  }

  @Test func fixedIntensitiesAreAShiftAndAFactor() throws {
    var options = ONNXModel.Options()
    options.normalizesIntensities = true
    let bounds = try #require(IntensityNormalization.Bounds(low: 10, high: 210))
    let trained = try exportable(
      UNetConfiguration(baseChannels: 2, depth: 1),
      normalization: IntensityNormalization(rule: .unchanged, bounds: bounds))
    let graph = try ONNXModel(trained, options, path: "c").message.graph
    #expect(graph.node.prefix(2).map(\.opType) == ["Sub", "Mul"])
    #expect(graph.initializer.prefix(2).map(\.floats) == [[10], [0.005]])
  }

  @Test func percentilesAreNoGraph() throws {
    var options = ONNXModel.Options()
    options.normalizesIntensities = true
    let trained = try exportable(
      UNetConfiguration(baseChannels: 2, depth: 1),
      normalization: IntensityNormalization(rule: .percentiles))
    #expect {
      _ = try ONNXModel(trained, options, path: "c.safetensors")
    } throws: { error in
      "\(error)".contains("c.safetensors") && "\(error)".contains("--normalize")
    }
  }
}
