// The benchmark of each layer's kernels: where the time of a step goes.

package import Communication
import Files
import Kernels
import Network
import Tensors
import Threading

/// The kernels of every layer by themselves, at the sizes they have in the network.
///
/// A repetition runs all of them once. `--batch` does not apply: kernels take one tile.
package enum KernelBenchmark {
  /// Measures kernels; on several ranks all do the same.
  ///
  /// The report counts on rank 0 only.
  package static func run(
    _ setting: BenchmarkSetting, _ communicator: any Communicator
  ) throws -> BenchmarkReport {
    let measurement = BenchmarkMeasurement(communicator)
    let summary = UNetSummary(setting.network, height: setting.tile, width: setting.tile)
    let team = setting.team()
    let size = summary.workspaceSize
    let threadWorkspace = try FloatBuffer(
      count: size.thread * setting.threads, for: "workspace")
    let sharedWorkspace = try FloatBuffer(count: size.shared, for: "workspace")
    defer { withExtendedLifetime((threadWorkspace, sharedWorkspace)) {} }
    let workspace = ConvolutionWorkspace(
      threads: threadWorkspace.base, threadStride: size.thread, shared: sharedWorkspace.base)

    var times: [LayerTimes] = []
    for layer in summary.layers {
      let calls = try KernelCalls(
        layer, workspace: workspace, team: team)
      let own = try measurement.repetitions(setting) {
        calls.all.map { call in call.map { measurement.seconds(of: $0) } ?? 0 }
      }
      times.append(
        LayerTimes(
          layer: layer, hasCall: calls.all.map { $0 != nil },
          seconds: try measurement.largest(own)))
    }

    let seconds = (0..<setting.repetitions).map { repetition in
      times.reduce(0) { $0 + $1.seconds[repetition].reduce(0, +) }
    }
    var report = BenchmarkReport(
      name: "kernels", setting: setting, ranks: communicator.size, seconds: seconds,
      multiplyAdds: communicator.size
        * times.reduce(0) { $0 + $1.layer.multiplyAdds * $1.hasCall.count { $0 } },
      peakByteCount: try measurement.peakByteCount())
    let total = times.reduce(0) { $0 + $1.total }
    report.details = [("layers", .list(times.map { $0.json(shareOf: total) }))]
    report.detailText = text(times, total: total)
    return report
  }

  private static func text(_ times: [LayerTimes], total: Double) -> String {
    var table = TextTable([
      "layer", "algorithm", "GFLOP", "forward s", "GFLOP/s", "input gradient s", "GFLOP/s",
      "weight gradient s",
      "GFLOP/s", "share",
    ])
    for entry in times {
      let columns = (0..<3).flatMap { part in
        [
          entry.median(part).map { $0.decimals(5) } ?? "-",
          entry.speed(part).map { $0.decimals(0) } ?? "-",
        ]
      }
      table.add(
        [
          entry.layer.name, entry.algorithm(0) ?? "-",
          gflop(entry.layer.multiplyAdds).decimals(2),
        ] + columns
          + ["\((100 * entry.total / total).decimals(1)) %"])
    }
    return table.text
  }
}

/// The seconds of one layer's kernels.
private struct LayerTimes {
  let layer: UNetSummary.Layer
  /// Whether the layer has a forward pass, an input gradient and a weight gradient.
  let hasCall: [Bool]
  /// For each repetition the three.
  let seconds: [[Double]]

  func median(_ part: Int) -> Double? {
    hasCall[part] ? Benchmarks.median(seconds.map { $0[part] }) : nil
  }

  /// Effective GFLOP/s; nil for a kernel that multiplies nothing.
  func speed(_ part: Int) -> Double? {
    guard layer.multiplyAdds > 0 else { return nil }
    return median(part).map { gflop(layer.multiplyAdds) / $0 }
  }

  /// The algorithm of the forward pass, the input gradient or the weight gradient.
  func algorithm(_ part: Int) -> String? {
    guard let plan = layer.plan, hasCall[part] else { return nil }
    return [plan.forward, plan.inputGradient, plan.weightGradient][part]?.algorithm.rawValue
  }

  var total: Double { (0..<3).reduce(0) { $0 + (median($1) ?? 0) } }

  func json(shareOf total: Double) -> JSONValue {
    var fields: [(name: String, value: JSONValue)] = [
      ("name", .text(layer.name)), ("gflop_direct", .number(gflop(layer.multiplyAdds))),
    ]
    for (part, name) in ["forward", "input_gradient", "weight_gradient"].enumerated() {
      fields.append(("\(name)_algorithm", algorithm(part).map { .text($0) } ?? .null))
      fields.append(("\(name)_seconds", median(part).map { .number($0) } ?? .null))
      fields.append(("\(name)_gflops", speed(part).map { .number($0) } ?? .null))
      fields.append(("\(name)_share", median(part).map { .number($0 / total) } ?? .null))
    }
    fields.append(("share", .number(self.total / total)))
    return .object(fields)
  }
}

/// The calls of a layer's kernels on buffers of their own.
private struct KernelCalls {
  /// Forward pass, input gradient, weight gradient; nil where the layer has none.
  private(set) var all: [(() -> Void)?] = [nil, nil, nil]

  init(
    _ layer: UNetSummary.Layer, workspace: ConvolutionWorkspace, team: ThreadTeam
  ) throws(AllocationError) {
    let output = try OwnedTensor(layer.output)
    let outputGradient = try OwnedTensor(layer.output)
    let weights = try BenchmarkData.normal(count: max(1, layer.parameterCount), scale: 0.02)
    let gradients = try FloatBuffer(count: max(1, layer.parameterCount), for: "gradients")
    let bias = FloatBuffer(count: layer.output.channels)
    let biasGradient = FloatBuffer(count: layer.output.channels)
    switch (layer.kernel, layer.layer.operation) {
    case (.unit(let kernel), .unit(let unit)):
      let images = try Self.sources(layer)
      let imageGradients = try Self.sources(layer)
      all[0] = {
        kernel.forward(
          Self.joined(images), weights: weights.base, bias: bias.base,
          appliesReLU: unit.appliesReLU, into: output.view, workspace: workspace, on: team)
      }
      if !unit.readsImage {
        all[1] = {
          kernel.inputGradient(
            outputGradient.view, weights: weights.base, into: Self.joined(imageGradients),
            workspace: workspace, on: team)
        }
      }
      all[2] = {
        kernel.weightGradient(
          Self.joined(images), outputGradient: outputGradient.view, into: gradients.base,
          biasGradient: biasGradient.base, workspace: workspace, on: team)
      }
    default:
      let image = try OwnedTensor(layer.input)
      let imageGradient = try OwnedTensor(layer.input)
      let places = OwnedBytes(count: layer.output.count)
      all[0] = {
        MaxPooling.forward(image.view, into: output.view, indices: places.base, on: team)
      }
      all[1] = {
        MaxPooling.backward(
          outputGradient.view, indices: places.base, skipGradient: nil, into: imageGradient.view,
          on: team)
      }
    }
  }

  /// Buffers for what a layer reads, the channels divided evenly over its sources.
  private static func sources(
    _ layer: UNetSummary.Layer
  ) throws(AllocationError) -> [OwnedTensor] {
    let count = max(1, layer.layer.sources.count)
    var shape = layer.input
    shape.channels /= count
    return try (0..<count).map { (_) throws(AllocationError) in try OwnedTensor(shape) }
  }

  private static func joined(_ tensors: [OwnedTensor]) -> ConvolutionImage {
    tensors.count == 1
      ? ConvolutionImage(tensors[0].view) : ConvolutionImage(tensors[0].view, tensors[1].view)
  }
}

/// An image of made-up values that owns its memory.
private final class OwnedTensor {
  private let buffer: FloatBuffer
  let view: TensorView

  init(_ shape: ImageShape) throws(AllocationError) {
    buffer = try BenchmarkData.normal(count: shape.count)
    view = TensorView(base: buffer.base, shape: shape)
  }
}

/// Bytes that are freed with their owner.
private final class OwnedBytes {
  let base: UnsafeMutablePointer<UInt8>

  init(count: Int) {
    base = .allocate(capacity: count)
    base.initialize(repeating: 0, count: count)
  }

  deinit { base.deallocate() }
}
