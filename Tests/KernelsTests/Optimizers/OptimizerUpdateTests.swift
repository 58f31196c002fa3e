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
