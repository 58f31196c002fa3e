// Where each parameter lies in the one flat buffer, under which name, and how files see it.

/// A parameter's place in the flat buffer.
package struct ParameterSlot: Hashable, Sendable {
  /// Floats before it.
  package let offset: Int
  /// Floats in it.
  package let count: Int
}

/// How a parameter's values are ordered in memory and in files.
package enum ParameterOrder: Hashable, Sendable {
  /// Memory [kH, kW, in, out], files [out, in, kH, kW].
  case convolution
  /// Memory [kH, kW, in, out], files [in, out, kH, kW], as PyTorch has transposed convolutions.
  case transposedConvolution
  /// A vector, the same in both.
  case vector
}

/// A parameter: its name, its place, and what its owner said of it.
package struct Parameter: Hashable, Sendable {
  /// The name in checkpoints.
  package let name: String
  /// The shape in files.
  package let shape: [Int]
  /// The place in the flat buffer.
  package let slot: ParameterSlot
  /// The orders in memory and in files.
  package let order: ParameterOrder
  /// Incoming weights of one neuron, for the initialiser; nil for values that all begin the same.
  package let fanIn: Int?
  /// What all values begin as, where there is no `fanIn`.
  package let initialValue: Float
  /// Whether weight decay applies to it.
  package let decays: Bool
}

/// The parameters of a network in forward order, each reserved once by the layer that uses it.
package struct ParameterLayout: Sendable, Equatable {
  /// The parameters in forward order.
  package private(set) var parameters: [Parameter] = []
  /// Floats in all.
  package private(set) var count = 0

  /// An empty layout.
  package init() {}

  /// Reserves the weights of a convolution; `shape` is that of files.
  package mutating func reserveWeights(
    _ name: String, shape: [Int], order: ParameterOrder, fanIn: Int
  ) -> ParameterSlot {
    reserve(name, shape: shape, order: order, fanIn: fanIn, decays: true)
  }

  /// Reserves what values of a channel are multiplied by, which begins at 1 and does not decay.
  package mutating func reserveScale(_ name: String, count: Int) -> ParameterSlot {
    reserve(name, shape: [count], order: .vector, initialValue: 1, decays: false)
  }

  /// Reserves a bias, which begins at 0 and does not decay.
  package mutating func reserveBias(_ name: String, count: Int) -> ParameterSlot {
    reserve(name, shape: [count], order: .vector, decays: false)
  }

  private mutating func reserve(
    _ name: String, shape: [Int], order: ParameterOrder, fanIn: Int? = nil, initialValue: Float = 0,
    decays: Bool
  ) -> ParameterSlot {
    let slot = ParameterSlot(offset: count, count: shape.reduce(1, *))
    parameters.append(
      Parameter(
        name: name, shape: shape, slot: slot, order: order, fanIn: fanIn,
        initialValue: initialValue, decays: decays))
    count += slot.count
    return slot
  }
}

extension Parameter {
  /// The values in the order of files, from the flat buffer `base`.
  package func fileValues(from base: UnsafePointer<Float>) -> [Float] {
    [Float](unsafeUninitializedCapacity: slot.count) { values, count in
      copyFileValues(from: base, to: values)
      count = slot.count
    }
  }

  /// Overwrites `values` with this parameter's in the flat buffer `base`, in the order of files.
  ///
  /// - Precondition: as many values as the parameter has.
  package func copyFileValues(
    from base: UnsafePointer<Float>, to values: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(values.count >= slot.count, "\(values.count) values for \(name) \(shape)")
    let source = base + slot.offset
    guard let target = values.baseAddress, order != .vector else {
      _ = values.update(fromContentsOf: UnsafeBufferPointer(start: source, count: slot.count))
      return
    }
    forEachPlace { memory, file in target[file] = source[memory] }
  }

  /// Overwrites this parameter in the flat buffer `base` with values in the order of files.
  ///
  /// - Precondition: as many values as the parameter has.
  package func store(fileValues values: [Float], to base: UnsafeMutablePointer<Float>) {
    precondition(values.count == slot.count, "\(values.count) values for \(name) \(shape)")
    let target = base + slot.offset
    guard order != .vector else {
      for index in values.indices { target[index] = values[index] }
      return
    }
    forEachPlace { memory, file in target[memory] = values[file] }
  }

  /// The place in memory, from the first float of the slot on, of value `index` in the order of files.
  package func place(ofFileValue index: Int) -> Int {
    guard order != .vector else { return index }
    let taps = shape[2] * shape[3]
    let (outer, tap) = (index / taps, index % taps)
    let (first, second) = (outer / shape[1], outer % shape[1])
    switch order {
    case .transposedConvolution: return (tap * shape[0] + first) * shape[1] + second
    default: return (tap * shape[1] + second) * shape[0] + first
    }
  }

  /// Calls `body` with the place in memory and the place in files of every value.
  private func forEachPlace(_ body: (_ memory: Int, _ file: Int) -> Void) {
    let (first, second, height, width) = (shape[0], shape[1], shape[2], shape[3])
    let inputFirst = order == .transposedConvolution
    let outputs = inputFirst ? second : first
    let inputs = inputFirst ? first : second
    for tap in 0..<height * width {
      for input in 0..<inputs {
        for output in 0..<outputs {
          let outer = inputFirst ? input * outputs + output : output * inputs + input
          body((tap * inputs + input) * outputs + output, outer * height * width + tap)
        }
      }
    }
  }
}
