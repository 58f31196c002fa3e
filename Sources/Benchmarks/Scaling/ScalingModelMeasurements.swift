// Measurements under the model of a step on many ranks: passes and exchanges, apart and side by side.

package import Communication
import Kernels
import Network
import Randomness
package import Tensors
import Threading

/// Passes of one sample on this rank, without any exchange.
package final class ModelledPasses {
  private let network: UNet
  private let team: ThreadTeam
  private let activations: UNetActivations
  private let parameters: FloatBuffer
  private let gradients: FloatBuffer
  private let squares: UnsafeMutablePointer<Double>
  private let optimizer: Optimizer
  private let image: FloatBuffer
  private let labels: [UInt8]
  private let clock = ContinuousClock()

  /// Memory for passes of the setting's network.
  package init(_ setting: BenchmarkSetting) throws(AllocationError) {
    network = setting.network
    team = setting.team()
    activations = try UNetActivations(
      network, height: setting.tile, width: setting.tile, training: true, threads: team.count)
    let layout = network.layout
    parameters = try FloatBuffer(count: layout.count, for: "parameters")
    gradients = try FloatBuffer(count: layout.count, for: "gradients")
    squares = .allocate(capacity: VectorSums.workspaceCount(layout.count))
    network.initialize(parameters.base, seed: 0, on: team)
    optimizer = try Optimizer(kind: .sgd, momentum: 0.99, weightDecay: 0, layout: layout)
    image = try BenchmarkData.normal(count: activations.input.count)
    labels = BenchmarkData.labels(
      count: activations.logits.shape.pixels, classes: network.configuration.classes)
  }

  deinit { squares.deallocate() }

  /// Seconds of each repetition: before the backward pass, that pass, the update, and from the
  /// beginning of the backward pass until each bucket was final.
  package func measure(
    _ setting: BenchmarkSetting, _ buckets: GradientBuckets, _ communicator: any Communicator
  ) throws -> [[Double]] {
    try BenchmarkMeasurement(communicator).repetitions(setting) {
      let start = clock.now
      forward()
      let computed = clock.now
      var finalTimes: [Double] = []
      var finalOffset = gradients.count
      backward { offset in
        // As in a step, a look at the gradients decides whether buckets may be updated early.
        _ = VectorBounds.areWithin(
          .greatestFiniteMagnitude, gradients.base + offset, count: finalOffset - offset, on: team)
        finalOffset = offset
        let complete = buckets.completeCount(from: offset, reduced: finalTimes.count)
        let now = (clock.now - computed) / .seconds(1)
        while finalTimes.count < complete { finalTimes.append(now) }
      }
      let ended = clock.now
      let seconds = (ended - computed) / .seconds(1)
      while finalTimes.count < buckets.ranges.count { finalTimes.append(seconds) }
      // As in a step, the norm is taken on the way.
      _ = VectorSums.squares(
        gradients.base, count: gradients.count, workspace: squares, on: team)
      optimizer.update(
        parameters, gradients: gradients, range: 0..<gradients.count, gradientScale: 1, rate: 1e-5,
        update: 1, on: team)
      return [(computed - start) / .seconds(1), seconds, (clock.now - ended) / .seconds(1)]
        + finalTimes
    }
  }

  /// Everything before a backward pass.
  package func forward() {
    VectorSums.clear(gradients.base, count: gradients.count, on: team)
    network.forward(
      TensorView(base: image.base, shape: activations.input), parameters: parameters.base,
      activations: activations, dropout: DropoutKey(RandomStream(seed: 0, purpose: .dropout)),
      on: team)
    guard let gradient = activations.logitsGradient else { preconditionFailure("for training") }
    labels.withUnsafeBufferPointer { labels in
      guard let base = labels.baseAddress else { preconditionFailure("a tile without labels") }
      _ = SoftmaxCrossEntropy().lossAndGradient(
        logits: activations.logits, labels: base, weights: nil, scale: 1 / Float(labels.count),
        gradient: gradient, workspace: activations.lossWorkspace, on: team)
    }
  }

  /// A backward pass.
  package func backward(ready: (_ offset: Int) -> Void) {
    network.backward(
      TensorView(base: image.base, shape: activations.input), parameters: parameters.base,
      activations: activations, gradients: gradients.base, dropped: true, on: team, ready: ready)
  }
}

/// Exchanges of as many gradients as the network has, by themselves and beside backward passes.
package struct ModelledExchange {
  /// The messages of which one is hardly disturbed.
  private static let messageCount = 100

  private let passes: ModelledPasses
  private let buckets: GradientBuckets
  private let reducer: GradientReducer
  private let communicator: any Communicator
  private let measurement: BenchmarkMeasurement
  /// Zeros, so that sums of sums stay finite.
  private let buffer: FloatBuffer
  private let clock = ContinuousClock()

  /// Exchanges between the ranks as `overlap` has them.
  package init(
    _ passes: ModelledPasses, buckets: GradientBuckets, overlap: Overlap,
    _ communicator: any Communicator
  ) throws(AllocationError) {
    self.passes = passes
    self.buckets = buckets
    self.communicator = communicator
    measurement = BenchmarkMeasurement(communicator)
    reducer = GradientReducer(communicator: communicator, buckets: buckets, overlap: overlap)
    buffer = try FloatBuffer(count: buckets.elementCount, for: "gradients")
  }

  /// The costs of the network between the ranks; on rank 0 only.
  ///
  /// An exchange has ended when it has on all ranks, so the seconds of a repetition are the largest.
  package func network(_ setting: BenchmarkSetting) throws -> ScalingModel.Network {
    let latency = try latency()
    let alone = try medians(of: measurement.repetitions(setting) { [try exchangeSeconds()] })[0]
    let bytes = Double(max(1, reducer.sentByteCount))
    // Of a small network's exchange latencies are most, and the difference could be below 0.
    let secondsPerByte = max(alone - 2 * latency, alone / 2) / bytes
    guard reducer.overlap != .off else {
      return ScalingModel.Network(latency: latency, secondsPerByte: secondsPerByte)
    }
    let beside = try medians(of: measurement.repetitions(setting) { try secondsBeside() })
    return ScalingModel.Network(
      latency: latency, secondsPerByte: secondsPerByte,
      secondsPerByteBeside: max(beside[0] / bytes, secondsPerByte),
      delayPerByte: max(0, beside[1] / bytes))
  }

  private func medians(of own: [[Double]]) throws -> [Double] {
    let largest = try measurement.largest(own)
    return largest[0].indices.map { part in median(largest.map { $0[part] }) }
  }

  /// Seconds of the fastest of many messages, each as the rank has it that waited longest: the
  /// partner that begins later finds its message there already, and measures too little.
  ///
  /// Not their median: a rank that gives up its core while it waits gets it back after milliseconds,
  /// where another program wants it, which is a thousand latencies.
  private func latency() throws -> Double {
    let own = try (0..<Self.messageCount).map { _ in
      try communicator.barrier()
      return try messageSeconds()
    }
    return try measurement.largest([own])[0].min() ?? 0
  }

  /// Seconds of a message of four bytes, there and back at once, between rank r and r + p / 2, which
  /// is on another host where there are several.
  private func messageSeconds() throws -> Double {
    let half = communicator.size / 2
    guard communicator.rank < 2 * half else { return 0 }
    let partner =
      communicator.rank < half ? communicator.rank + half : communicator.rank - half
    let messages = communicator.requests(tag: 32_000)
    let bytes = UnsafeMutableRawBufferPointer(
      start: buffer.base, count: MemoryLayout<Float>.size)
    let received = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 4)
    defer { received.deallocate() }
    return try measurement.seconds {
      try messages.receive(received, from: partner)
      try messages.send(UnsafeRawBufferPointer(bytes), to: partner)
      try messages.wait()
    }
  }

  private func begin() {
    reducer.begin([buffer.floats], shards: (0..<communicator.size).map { $0..<$0 + 1 })
  }

  /// Seconds of an exchange while nothing is computed.
  ///
  /// As in a step it follows passes, which leave cold caches and a link that has rested.
  private func exchangeSeconds() throws -> Double {
    passes.forward()
    passes.backward { _ in }
    try communicator.barrier()
    return try measurement.seconds {
      begin()
      try reducer.finish()
    }
  }

  /// Seconds of an exchange while this rank computes, and by how much it delays what is computed.
  ///
  /// Passes follow each other until all buckets are summed, so that all bytes count; the same number
  /// of passes would take as many times what those take that come before, alone. Where the passes
  /// look after the messages, they do so in backward passes only, and only those count.
  private func secondsBeside() throws -> [Double] {
    let alone = measurement.seconds {
      passes.forward()
      passes.backward { _ in }
    }
    try communicator.barrier()
    begin()
    reducer.reduce(from: 0)
    let start = clock.now
    var (passCount, idle) = (0, 0.0)
    repeat {
      let forward = measurement.seconds { passes.forward() }
      if reducer.overlap == .poll { idle += forward }
      passes.backward { _ in reducer.reduce(from: 0) }
      passCount += 1
    } while !reducer.hasFinished
    let end = clock.now
    try reducer.finish()
    let summed = reducer.times.map(\.end).max() ?? end
    return [
      (summed - start) / .seconds(1) - idle,
      (end - start) / .seconds(1) - Double(passCount) * alone,
    ]
  }
}
