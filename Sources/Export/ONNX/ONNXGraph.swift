// A graph of ONNX as it is built: nodes, each named like its one output, and constants.

import Foundation

/// Nodes and constants of a model.
///
/// A value is its name. A node's only output has the node's name, so that a graph reads like the layers
/// it was made of.
struct ONNXGraph {
  /// The graph so far.
  private(set) var graph = Onnx_GraphProto()
  private var names: Set<String> = []

  init(name: String) { graph.name = name }

  /// Adds a node.
  ///
  /// - Returns: its output.
  /// - Precondition: nothing has this name.
  @discardableResult
  mutating func node(
    _ operation: String, _ name: String, _ inputs: [String], _ attributes: [Attribute] = []
  ) -> String {
    reserve(name)
    var node = Onnx_NodeProto()
    node.opType = operation
    node.name = name
    node.input = inputs
    node.output = [name]
    node.attribute = attributes.map(\.proto)
    graph.node.append(node)
    return name
  }

  /// Adds a constant of float32 values.
  ///
  /// - Precondition: as many values as the product of `shape`.
  mutating func floats(_ name: String, _ values: [Float], shape: [Int]) -> String {
    precondition(values.count == shape.reduce(1, *), "\(values.count) values for \(shape)")
    return constant(
      name, .float, shape: shape, values.withUnsafeBytes { Data($0) })
  }

  /// Adds a constant of whole numbers: a list, or a scalar.
  mutating func integers(_ name: String, _ values: [Int], isScalar: Bool = false) -> String {
    constant(
      name, .int64, shape: isScalar ? [] : [values.count],
      values.map(Int64.init).withUnsafeBytes { Data($0) })
  }

  private mutating func constant(
    _ name: String, _ type: Onnx_TensorProto.DataType, shape: [Int], _ bytes: Data
  ) -> String {
    #if _endian(big)
      #error("the values need their bytes swapped: the file is little-endian")
    #endif
    reserve(name)
    var tensor = Onnx_TensorProto()
    tensor.name = name
    tensor.dataType = Int32(type.rawValue)
    tensor.dims = shape.map(Int64.init)
    tensor.rawData = bytes
    graph.initializer.append(tensor)
    return name
  }

  /// Adds an input of the model: float32, of these extents.
  mutating func input(_ name: String, _ extents: [Extent], _ text: String) {
    reserve(name)
    graph.input.append(Self.value(name, extents, text))
  }

  /// Makes a value an output of the model.
  mutating func output(_ name: String, _ extents: [Extent], _ text: String) {
    graph.output.append(Self.value(name, extents, text))
  }

  private mutating func reserve(_ name: String) {
    precondition(names.insert(name).inserted, "two values \(name)")
  }

  private static func value(
    _ name: String, _ extents: [Extent], _ text: String
  ) -> Onnx_ValueInfoProto {
    var tensor = Onnx_TypeProto.Tensor()
    tensor.elemType = Int32(Onnx_TensorProto.DataType.float.rawValue)
    tensor.shape.dim = extents.map { extent in
      var dimension = Onnx_TensorShapeProto.Dimension()
      switch extent {
      case .fixed(let count): dimension.dimValue = Int64(count)
      case .any(let name): dimension.dimParam = name
      }
      return dimension
    }
    var value = Onnx_ValueInfoProto()
    value.name = name
    value.docString = text
    value.type.tensorType = tensor
    return value
  }
}

extension ONNXGraph {
  /// The extent of a value along an axis.
  enum Extent {
    case fixed(Int)
    /// Whatever is given, under this name.
    case any(String)
  }

  /// An attribute of a node.
  enum Attribute {
    case float(String, Float)
    case integer(String, Int)
    case integers(String, [Int])
    case text(String, String)

    fileprivate var proto: Onnx_AttributeProto {
      var attribute = Onnx_AttributeProto()
      switch self {
      case .float(let name, let value):
        (attribute.name, attribute.type, attribute.f) = (name, .float, value)
      case .integer(let name, let value):
        (attribute.name, attribute.type, attribute.i) = (name, .int, Int64(value))
      case .integers(let name, let values):
        (attribute.name, attribute.type, attribute.ints) = (name, .ints, values.map(Int64.init))
      case .text(let name, let value):
        (attribute.name, attribute.type, attribute.s) = (name, .string, Data(value.utf8))
      }
      return attribute
    }
  }
}
