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
  /// What an update does with it.
  package let role: ParameterRole
}

/// What an update does with a parameter.
package enum ParameterRole: Hashable, Sendable {
  /// Trained, with weight decay.
  case decaying
  /// Trained, without.
  case trained
  /// Not trained: a running average of what a step found, which stands where others have a gradient.
  case statistic
}

/// The parameters of a network in forward order, each reserved once by the layer that uses it.
///
/// Statistics follow behind all that is trained, so that trained parameters are one range.
package struct ParameterLayout: Sendable, Equatable {
  /// The trained parameters in forward order, then the statistics.
  package var parameters: [Parameter] { trained + statistics.map { $0.moved(by: trainedCount) } }
  /// Floats that are trained.
  package private(set) var trainedCount = 0
  private var trained: [Parameter] = []
  /// With places from the first statistic on.
  private var statistics: [Parameter] = []

  /// Floats in all.
  package var count: Int { trainedCount + statistics.reduce(0) { $0 + $1.slot.count } }

  /// An empty layout.
  package init() {}

  /// Reserves the weights of a convolution; `shape` is that of files.
  package mutating func reserveWeights(
    _ name: String, shape: [Int], order: ParameterOrder, fanIn: Int
  ) -> ParameterSlot {
    reserve(name, shape: shape, order: order, fanIn: fanIn, role: .decaying)
  }

  /// Reserves what values of a channel are multiplied by, which begins at 1 and does not decay.
  package mutating func reserveScale(_ name: String, count: Int) -> ParameterSlot {
    reserve(name, shape: [count], order: .vector, initialValue: 1, role: .trained)
  }

  /// Reserves a bias, which begins at 0 and does not decay.
  package mutating func reserveBias(_ name: String, count: Int) -> ParameterSlot {
    reserve(name, shape: [count], order: .vector, role: .trained)
  }

  /// Reserves a running average, which begins at `initialValue`.
  ///
  /// - Returns: its place counted from `trainedCount` on, which is not known before all is reserved.
  package mutating func reserveStatistic(
    _ name: String, count: Int, initialValue: Float
  ) -> ParameterSlot {
    let slot = ParameterSlot(offset: self.count - trainedCount, count: count)
    statistics.append(
      Parameter(
        name: name, shape: [count], slot: slot, order: .vector, fanIn: nil,
        initialValue: initialValue, role: .statistic))
    return slot
  }

  private mutating func reserve(
    _ name: String, shape: [Int], order: ParameterOrder, fanIn: Int? = nil, initialValue: Float = 0,
    role: ParameterRole
  ) -> ParameterSlot {
    let slot = ParameterSlot(offset: trainedCount, count: shape.reduce(1, *))
    trained.append(
      Parameter(
        name: name, shape: shape, slot: slot, order: order, fanIn: fanIn,
        initialValue: initialValue, role: role))
    trainedCount += slot.count
    return slot
  }
}

extension Parameter {
  fileprivate func moved(by offset: Int) -> Parameter {
    Parameter(
      name: name, shape: shape,
      slot: ParameterSlot(offset: slot.offset + offset, count: slot.count), order: order,
      fanIn: fanIn, initialValue: initialValue, role: role)
  }

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
