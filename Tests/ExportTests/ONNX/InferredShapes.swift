// The extents of every value of a graph, from the meaning of its operators.

import Export
import Foundation
import Testing

extension Onnx_NodeProto {
  func integers(_ name: String) -> [Int]? {
    attribute.first { $0.name == name }?.ints.map(Int.init)
  }

  func text(_ name: String) -> String? {
    attribute.first { $0.name == name }.map { String(decoding: $0.s, as: UTF8.self) }
  }
}

extension Onnx_TensorProto {
  var integers: [Int] {
    rawData.withUnsafeBytes { bytes in
      (0..<bytes.count / 8).map {
        Int(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self))
      }
    }
  }

  var floats: [Float] {
    rawData.withUnsafeBytes { bytes in
      (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
  }
}

/// Walks through a graph with an input of certain extents.
///
/// Of the operators only what the layers of a U-Net need; source: onnx.ai/onnx/operators, opset 13.
struct InferredShapes {
  let output: [Int]

  init(_ graph: Onnx_GraphProto, input: [Int]) throws {
    let constants = Dictionary(uniqueKeysWithValues: graph.initializer.map { ($0.name, $0) })
    var shapes = constants.mapValues { $0.dims.map(Int.init) }
    shapes[graph.input[0].name] = input
    for node in graph.node {
      let inputs = try node.input.map { name in
        name.isEmpty ? [] : try #require(shapes[name], "\(node.name) reads \(name)")
      }
      func values(_ place: Int) throws -> [Int] {
        try #require(constants[node.input[place]]).integers
      }
      var shape = inputs[0]
      switch node.opType {
      case "Conv":
        let pads = node.integers("pads") ?? [0, 0, 0, 0]
        let kernel = Array(inputs[1].suffix(2))
        #expect(inputs[1][1] == shape[1] && node.integers("kernel_shape") == kernel)
        shape[1] = inputs[1][0]
        for axis in 0..<2 { shape[2 + axis] += pads[axis] + pads[axis + 2] - kernel[axis] + 1 }
      case "ConvTranspose":
        #expect(inputs[1][0] == shape[1] && node.integers("strides") == [2, 2])
        shape = [shape[0], inputs[1][1], 2 * shape[2], 2 * shape[3]]
      case "MaxPool":
        // An odd side would lose a row.
        #expect(shape[2].isMultiple(of: 2) && shape[3].isMultiple(of: 2))
        shape = [shape[0], shape[1], shape[2] / 2, shape[3] / 2]
      case "Resize":
        let scales = try #require(constants[node.input[2]]).floats.map { Int($0) }
        shape = zip(shape, scales).map { $0 * $1 }
      case "Pad":
        let pads = try values(1)
        for axis in shape.indices { shape[axis] += pads[axis] + pads[axis + shape.count] }
      case "Slice":
        let (starts, ends, axes) = (try values(1), try values(2), try values(3))
        for (place, axis) in axes.enumerated() { shape[axis] += ends[place] - starts[place] }
      case "Concat":
        for other in inputs.dropFirst() {
          #expect(other[0] == shape[0] && other[2...] == shape[2...], "\(node.name): \(inputs)")
          shape[1] += other[1]
        }
      case "Reshape":
        if let wanted = constants[node.input[1]]?.integers {
          #expect(wanted.count == 3 && wanted[0] == 0 && wanted[2] == -1)
          shape = [shape[0], wanted[1], shape.dropFirst().reduce(1, *) / wanted[1]]
        } else {
          // To the shape of a value.
          shape = inputs[1]
        }
      case "InstanceNormalization", "BatchNormalization":
        #expect(inputs.dropFirst().allSatisfy { $0 == [shape[1]] }, "\(node.name): \(inputs)")
      case "Mul", "Add":
        #expect(inputs[1] == [1, shape[1], 1, 1])
      // What a value's shape is stands here as the shape itself.
      case "Relu", "Softmax", "Identity", "Shape": break
      default: Issue.record("no shape of \(node.opType)")
      }
      shapes[node.output[0]] = shape
    }
    output = try #require(shapes[graph.output[0].name])
  }
}
