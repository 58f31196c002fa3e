// The optimisers' updates against PyTorch, and the norm's fixed order.

import Files
import Kernels
import Tensors
import TestSupport
import Testing
import Threading

@Suite struct OptimizerUpdateTests {
  @Test func momentumAgreesWithPyTorch() throws {
    try compare("sgd") { weights, gradients, first, _, value, _ in
      OptimizerUpdates.momentum(
        weights: weights, gradients: gradients, velocities: first, count: 10,
        rate: Float(value("lr")), momentum: Float(value("momentum")),
        weightDecay: Float(value("weight_decay")), gradientScale: 1, on: ThreadTeam(count: 2))
    }
  }

  @Test(arguments: [false, true]) func adamAgreesWithPyTorch(_ decoupled: Bool) throws {
    try compare(decoupled ? "adamw" : "adam") { weights, gradients, first, second, value, step in
      OptimizerUpdates.adam(
        weights: weights, gradients: gradients, firstMoments: first, secondMoments: second,
        count: 10,
        rate: value("lr"), step: step, weightDecay: Float(value("weight_decay")),
        decoupled: decoupled, gradientScale: 1, on: ThreadTeam(count: 2))
    }
  }

  private func compare(
    _ name: String,
    _ update: (
      UnsafeMutablePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>,
      UnsafeMutablePointer<Float>, (String) -> Double, Int
    ) -> Void
  ) throws {
    let file = try Fixtures.read("optimizers")
    let value = { (key: String) in Double(file.metadata["\(name).\(key)"] ?? "") ?? .nan }
    let weights = FloatBuffer(try file.floats(of: "parameter"))
    let gradients = try file.floats(of: "gradients")
    let expected = try file.floats(of: "\(name).parameter")
    let (first, second) = (FloatBuffer(count: 10), FloatBuffer(count: 10))
    for step in 1...5 {
      let gradient = FloatBuffer(Array(gradients[(step - 1) * 10..<step * 10]))
      update(weights.base, gradient.base, first.base, second.base, value, step)
      expectClose(
        weights.values, Array(expected[(step - 1) * 10..<step * 10]), absolute: 1e-6,
        relative: 1e-6, "\(name) step \(step)")
    }
    expectClose(
      first.values, Array(try file.floats(of: "\(name).momentum")[40..<50]), absolute: 1e-6,
      relative: 1e-6)
  }

  /// v = m v + g, w -= rate (g + m v), by hand.
  @Test func nesterovLooksAhead() {
    let (weights, velocities) = (FloatBuffer([1, -2]), FloatBuffer([0.5, 0]))
    OptimizerUpdates.momentum(
      weights: weights.base, gradients: FloatBuffer([0.25, 1]).base, velocities: velocities.base,
      count: 2, rate: 0.5, momentum: 0.5, weightDecay: 0, gradientScale: 2, isNesterov: true,
      on: ThreadTeam(count: 1))
    #expect(velocities.values == [0.75, 2])
    #expect(weights.values == [0.5625, -3.5])
  }

  /// Updates in chunks, as ranks make them, and the averages that a run keeps: by the definition.
  @Test func averagesFollowTheWeights() throws {
    var layout = ParameterLayout()
    _ = layout.reserveWeights("w", shape: [10, 1, 1, 1], order: .convolution, fanIn: 1)
    let optimizer = try Optimizer(
      kind: .sgd, momentum: 0, weightDecay: 0, layout: layout, averageDecay: 0.6,
      chunks: [2..<4, 6..<10])
    let parameters = FloatBuffer((0..<10).map { Float($0) })
    optimizer.beginAverages(parameters)
    let averages = try #require(optimizer.averages)
    #expect(averages.values == [2, 3, 6, 7, 8, 9])
    var expected = averages.values.map { Double($0) }
    let gradients = FloatBuffer([Float](repeating: -1, count: 10))
    for update in 1...40 {
      optimizer.update(
        parameters, gradients: gradients, range: 0..<10, gradientScale: 1, rate: 1,
        update: update, on: ThreadTeam(count: 2))
      let keep = min(0.6, Double(1 + update) / Double(10 + update))
      let weights = [2, 3, 6, 7, 8, 9].map { Double($0 + update) }
      expected = zip(expected, weights).map { keep * $0 + (1 - keep) * $1 }
      expectClose(averages.values.map { Double($0) }, expected, absolute: 1e-5, relative: 1e-5)
    }
    #expect(parameters.values[0] == 0 && optimizer.state.map(\.name) == ["momentum", "average"])
  }

  @Test(arguments: [1, 7, 4096, 10_001]) func squaresAreSummedInAFixedOrder(_ count: Int) {
    let values = repeatableValues(count: count, seed: 1)
    let buffer = FloatBuffer(values)
    let sums = [1, 2, 3].map { threads in
      var workspace = [Double](repeating: .nan, count: VectorSums.workspaceCount(count))
      return VectorSums.squares(
        buffer.base, count: count, workspace: &workspace, on: ThreadTeam(count: threads))
    }
    #expect(Set(sums.map(\.bitPattern)).count == 1)
    expectClose(
      [sums[0]], [values.reduce(0.0) { $0 + Double($1) * Double($1) }], absolute: 0,
      relative: 1e-12)
  }
}
