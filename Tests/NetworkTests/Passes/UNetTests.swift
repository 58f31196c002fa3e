// The whole network against PyTorch: logits, loss, every gradient, and ten steps of training.

import AllocationCounter
import Files
import Foundation
import Kernels
import Network
import Randomness
import Synchronization
import Tensors
import TestSupport
import Testing
import Threading

/// A network, its buffers, and one image with labels, as a fixture has them.
final class NetworkRun {
  let network: UNet
  let parameters: FloatBuffer
  let gradients: FloatBuffer
  let velocities: FloatBuffer
  let image: FloatBuffer
  let labels: [UInt8]
  let classWeights: [Float]?
  let activations: UNetActivations
  let team: ThreadTeam

  init(
    _ configuration: UNetConfiguration, height: Int, width: Int, image: [Float], labels: [UInt8],
    classWeights: [Float]? = nil, threads: Int, recomputation: Recomputation = .least
  ) throws {
    network = UNet(configuration)
    parameters = FloatBuffer(count: network.layout.count)
    gradients = FloatBuffer(count: network.layout.count)
    velocities = FloatBuffer(count: network.layout.count)
    self.image = FloatBuffer(count: image.count)
    for (index, value) in image.enumerated() { self.image.base[index] = value }
    self.labels = labels
    self.classWeights = classWeights
    activations = try UNetActivations(
      network, height: height, width: width, training: true, threads: threads,
      recomputation: recomputation)
    team = ThreadTeam(count: threads)
  }

  var input: TensorView { TensorView(base: image.base, shape: activations.input) }

  func forward(dropout: DropoutKey? = nil, statistics: StatisticsSource = .sample) {
    network.forward(
      input, parameters: parameters.base, activations: activations, dropout: dropout,
      statistics: statistics, on: team)
  }

  /// The loss divided by the output pixels, its gradients, and the offsets reported as ready.
  @discardableResult
  func step(dropout: DropoutKey? = nil, ready: (Int) -> Void = { _ in }) -> Double {
    forward(dropout: dropout)
    let pixels = Double(labels.count)
    guard let logitsGradient = activations.logitsGradient else { return .nan }
    let loss = SoftmaxCrossEntropy(classWeights: classWeights).lossAndGradient(
      logits: activations.logits, labels: labels, weights: nil, scale: Float(1 / pixels),
      gradient: logitsGradient, workspace: activations.lossWorkspace, on: team)
    gradients.floats.update(repeating: 0)
    network.backward(
      input, parameters: parameters.base, activations: activations, gradients: gradients.base,
      dropped: dropout != nil, on: team, ready: ready)
    return loss / pixels
  }

  func update(rate: Float, momentum: Float) {
    OptimizerUpdates.momentum(
      weights: parameters.base, gradients: gradients.base, velocities: velocities.base,
      count: network.layout.trainedCount, rate: rate, momentum: momentum, weightDecay: 0,
      gradientScale: 1, on: team)
    for place in network.layout.trainedCount..<parameters.count {
      parameters.base[place] = 0.9 * parameters.base[place] + 0.1 * gradients.base[place]
    }
  }

  var logits: [Float] {
    Array(
      UnsafeBufferPointer(start: activations.logits.base, count: activations.logits.shape.count))
  }
}

@Suite struct UNetTests {
  static let fixtures = [
    "network-valid-nearest", "network-zero-transposed", "network-mirror-nearest",
    "network-valid-nearest-instance", "network-mirror-transposed-group",
    "network-zero-nearest-batch",
  ]

  func run(_ file: SafetensorsFile, threads: Int = 2) throws -> NetworkRun {
    let number = { (key: String) in Int(file.metadata[key] ?? "") ?? 0 }
    let configuration = UNetConfiguration(
      inputChannels: number("input_channels"), classes: number("classes"),
      baseChannels: number("base_channels"), depth: number("depth"),
      padding: try #require(Padding(rawValue: file.metadata["padding"] ?? "")),
      upsampling: try #require(Upsampling(rawValue: file.metadata["upsampling"] ?? "")),
      dropout: 0,
      normalization: try #require(
        Normalization(rawValue: file.metadata["normalization"] ?? "none")))
    let run = try NetworkRun(
      configuration, height: number("tile"), width: number("tile"),
      image: try file.floats(of: "input"),
      labels: try file.floats(of: "labels").map { UInt8($0) },
      classWeights: try file.floats(of: "class_weights"), threads: threads)
    #expect(configuration.outputSide(tile: number("tile")) == number("output_side"))
    for parameter in run.network.layout.parameters {
      #expect(file.shape(of: "parameter.\(parameter.name)") == parameter.shape)
      parameter.store(
        fileValues: try file.floats(of: "parameter.\(parameter.name)"), to: run.parameters.base)
    }
    return run
  }

  @Test(arguments: fixtures) func logitsLossAndGradientsAgreeWithPyTorch(_ name: String) throws {
    let file = try Fixtures.read(name)
    let run = try run(file)
    run.forward()
    expectClose(run.logits, try file.floats(of: "logits"), .network, "logits")
    run.forward(statistics: .running)
    if let evaluated = try? file.floats(of: "logits.evaluation") {
      expectClose(run.logits, evaluated, .network, "logits by running averages")
    } else {
      expectClose(run.logits, try file.floats(of: "logits"), .network, "logits")
    }
    var offsets: [Int] = []
    let loss = run.step { offsets.append($0) }
    expectClose(
      [loss], try file.floats(of: "loss").map { Double($0) }, absolute: 1e-6, relative: 1e-6)
    for parameter in run.network.layout.parameters {
      expectClose(
        parameter.fileValues(from: run.gradients.base),
        try file.floats(of: "gradient.\(parameter.name)"), .network, parameter.name)
    }
    // Gradients are final from the end, in steps down to the first parameter.
    #expect(offsets == offsets.sorted(by: >))
    #expect(offsets.last == 0)
  }

  @Test(arguments: fixtures) func tenStepsFollowPyTorch(_ name: String) throws {
    let file = try Fixtures.read(name)
    let run = try run(file)
    let rate = Float(file.metadata["learning_rate"] ?? "") ?? .nan
    let momentum = Float(file.metadata["momentum"] ?? "") ?? .nan
    var losses: [Float] = []
    for _ in 0..<10 {
      losses.append(Float(run.step()))
      run.update(rate: rate, momentum: momentum)
    }
    expectClose(losses, try file.floats(of: "trajectory"), .trajectory, "losses")
    for parameter in run.network.layout.parameters {
      expectClose(
        parameter.fileValues(from: run.parameters.base),
        try file.floats(of: "final.\(parameter.name)"), .trajectory, parameter.name)
    }
  }

  /// A network with dropout, wide enough that tasks are divided, on noise.
  func noisyRun(
    threads: Int, _ normalization: Normalization = .none, _ recomputation: Recomputation = .least
  ) throws -> NetworkRun {
    let run = try NetworkRun(
      UNetConfiguration(
        inputChannels: 3, classes: 3, baseChannels: 24, depth: 2, normalization: normalization),
      height: 92, width: 108, image: repeatableValues(count: 92 * 108 * 3, seed: 1),
      labels: (0..<52 * 68).map { UInt8($0 * 7 % 3) }, threads: threads,
      recomputation: recomputation)
    run.network.initialize(run.parameters.base, seed: 5)
    return run
  }

  // Values in the order of files from one end of the stream to the other, on any team or none.
  @Test(arguments: Upsampling.allCases) func initialWeightsAreTheirStreamInOrder(
    _ upsampling: Upsampling
  ) throws {
    // Parameters of several pieces, and one of an odd number of values: 3 x 5 x 3 x 3.
    let network = UNet(
      UNetConfiguration(
        inputChannels: 3, classes: 3, baseChannels: 5, depth: 4, upsampling: upsampling,
        normalization: upsampling == .nearest ? .batch : .none))
    #expect(network.layout.parameters.contains { $0.slot.count > 2 * 16_384 })
    #expect(network.layout.parameters.contains { $0.fanIn != nil && $0.slot.count % 2 == 1 })
    for team in [nil, ThreadTeam(count: 1), ThreadTeam(count: 3)] {
      let parameters = FloatBuffer(count: network.layout.count)
      parameters.floats.update(repeating: .nan)
      network.initialize(parameters.base, seed: 9, on: team)
      for (index, parameter) in network.layout.parameters.enumerated() {
        let values = parameter.fileValues(from: parameters.base)
        guard let fanIn = parameter.fanIn else {
          #expect(values.allSatisfy { $0 == parameter.initialValue }, "\(parameter.name)")
          let isOne = ["norm.weight", "running_var"].contains { parameter.name.hasSuffix($0) }
          #expect(parameter.initialValue == (isOne ? 1 : 0))
          continue
        }
        var stream = RandomStream(seed: 9, purpose: .initialization, sample: index)
        let deviation = (2 / Float(fanIn)).squareRoot()
        let expected = (0..<(values.count + 1) / 2).flatMap { _ in
          let (first, second) = stream.normalPair()
          return [first * deviation, second * deviation]
        }
        #expect(values == Array(expected.prefix(values.count)), "\(parameter.name)")
      }
    }
  }

  @Test(arguments: Normalization.allCases)
  func sameBitsForAnyNumberOfThreads(_ normalization: Normalization) throws {
    // Where there are many, work is cut finer.
    let results = try [1, 2, 3, 40].map { threads in
      let run = try noisyRun(threads: threads, normalization)
      let losses = (0..<2).map { step in
        let loss = run.step(
          dropout: DropoutKey(RandomStream(seed: 1, purpose: .dropout, epoch: step)))
        run.update(rate: 0.01, momentum: 0.9)
        return loss
      }
      return (losses, Array(run.parameters.floats))
    }
    #expect(!results[0].0.contains { !$0.isFinite })
    for result in results.dropFirst() { #expect(result == results[0]) }
  }

  @Test(arguments: Normalization.allCases)
  func gradientsOfADroppedPassAgreeWithDifferences(_ normalization: Normalization) throws {
    let run = try noisyRun(threads: 2, normalization)
    let key = DropoutKey(RandomStream(seed: 9, purpose: .dropout, epoch: 1))
    run.step(dropout: key)
    let analytic = run.gradients.floats.map { Double($0) }
    let point = run.parameters.floats.map { Double($0) }
    // One weight and one bias of each layer; running averages are no matter of the loss.
    let places = run.network.layout.parameters.filter { $0.role != .statistic }.map {
      $0.slot.offset + $0.slot.count / 2
    }
    let worst = gradientDeviation(
      of: { moved in
        for place in places { run.parameters.base[place] = Float(moved[place]) }
        run.forward(dropout: key)
        guard let gradient = run.activations.logitsGradient else { return .nan }
        let sum = SoftmaxCrossEntropy().lossAndGradient(
          logits: run.activations.logits, labels: run.labels, weights: nil, scale: 1,
          gradient: gradient,
          workspace: run.activations.lossWorkspace, on: run.team)
        return sum / Double(run.labels.count)
      }, at: point, analytic: analytic, epsilon: 1e-3, indices: places)
    // Float losses of order one over 2e-3, and kinks of the ReLUs nearby.
    #expect(worst.error < 5e-3, "\(worst)")
  }

  @Test(arguments: Normalization.allCases)
  func dropoutChangesTrainingAndNothingElse(_ normalization: Normalization) throws {
    let run = try noisyRun(threads: 2, normalization)
    run.forward()
    let first = run.logits
    run.forward(dropout: DropoutKey(RandomStream(seed: 1, purpose: .dropout)))
    let dropped = run.logits
    run.forward()
    #expect(run.logits == first)
    #expect(dropped != first)
    var without = run.network.configuration
    without.dropout = 0
    let plain = try NetworkRun(
      without, height: 92, width: 108, image: Array(run.image.floats), labels: run.labels,
      threads: 2)
    plain.network.initialize(plain.parameters.base, seed: 5)
    plain.forward()
    #expect(plain.logits == first)
  }

  @Test(arguments: Normalization.allCases)
  func inferenceNeedsLessMemoryAndGivesTheSameLogits(_ normalization: Normalization) throws {
    let run = try noisyRun(threads: 2, normalization)
    run.forward()
    let activations = try UNetActivations(
      run.network, height: 92, width: 108, training: false, threads: 2)
    run.network.forward(
      run.input, parameters: run.parameters.base, activations: activations, statistics: .sample,
      on: run.team)
    let logits = UnsafeBufferPointer(
      start: activations.logits.base, count: activations.logits.shape.count)
    #expect(Array(logits) == run.logits)
    #expect(activations.byteCount < run.activations.byteCount * 2 / 3)
  }

  /// Buffers share memory with others that are in use at other times, so what lies there before a step is anything.
  @Test(arguments: Normalization.allCases, [0, 2])
  func aStepReadsNothingThatItHasNotWritten(_ normalization: Normalization, _ levels: Int) throws {
    let key = DropoutKey(RandomStream(seed: 1, purpose: .dropout))
    let fresh = try noisyRun(threads: 2, normalization, Recomputation(levels: levels))
    let loss = fresh.step(dropout: key)
    let used = try noisyRun(threads: 2, normalization, Recomputation(levels: levels))
    let image = Array(used.image.floats)
    used.image.floats.update(repeating: .nan)
    #expect(used.step(dropout: key).isNaN)
    _ = used.image.floats.update(from: image)
    #expect(used.step(dropout: key) == loss)
    #expect(Array(used.gradients.floats) == Array(fresh.gradients.floats))
  }

  /// What is computed again has the bits of what was kept, and so has all that follows from it.
  @Test(arguments: Normalization.allCases, [Padding.valid, .mirror])
  func recomputationSavesMemoryAndNoBits(_ normalization: Normalization, _ padding: Padding) throws
  {
    for upsampling in Upsampling.allCases {
      var first: (loss: Double, gradients: [Float])?
      for levels in 0...4 {
        let configuration = UNetConfiguration(
          classes: 3, baseChannels: 8, depth: 3, padding: padding, upsampling: upsampling,
          normalization: normalization)
        let (height, width) = padding == .valid ? (108, 124) : (48, 64)
        var stream = RandomStream(seed: 7, purpose: .synthesis)
        let shape = UNet(configuration).shapes(height: height, width: width).last?.output
        let run = try NetworkRun(
          configuration, height: height, width: width,
          image: (0..<height * width).map { _ in stream.normalPair().0 },
          labels: (0..<(shape?.pixels ?? 0)).map { UInt8($0 % 3) }, threads: 2,
          recomputation: Recomputation(levels: levels))
        run.network.initialize(run.parameters.base, seed: 5)
        var offsets: [Int] = []
        let loss = run.step(dropout: DropoutKey(RandomStream(seed: 1, purpose: .dropout))) {
          offsets.append($0)
        }
        #expect(zip(offsets, offsets.dropFirst()).allSatisfy { $0 > $1 })
        let gradients = Array(run.gradients.floats)
        if let first {
          #expect(loss == first.loss, "\(levels) levels, \(upsampling)")
          #expect(gradients == first.gradients, "\(levels) levels, \(upsampling)")
        }
        first = first ?? (loss, gradients)
      }
      // In a network whose workspace is small beside its activations; there are no more levels than three.
      let wide = UNet(
        UNetConfiguration(
          depth: 3, padding: padding, upsampling: upsampling, normalization: normalization))
      let side = padding == .valid ? 500 : 512
      let sizes = (0...4).map {
        UNetMemory.activationByteCount(
          wide, height: side, width: side, training: true, threads: 2,
          recomputation: Recomputation(levels: $0))
      }
      #expect(
        sizes[1] < sizes[0] && sizes[2] < sizes[1] && sizes[3] < sizes[2] && sizes[4] == sizes[3],
        "\(sizes)")
    }
  }

  /// Of the paper's network at 572 the skips' centres are kept, not all of them, and each layer has workspace
  /// while it runs: with all skips whole and one workspace for all it was 560 MB.
  @Test func thePaperNetworkTrainsIn450Megabytes() {
    #expect(
      UNetMemory.activationByteCount(
        UNet(UNetConfiguration()), height: 572, width: 572, training: true, threads: 2)
        < 450_000_000)
  }

  /// Calibrated weights know nothing at first, so the loss is near ln(classes).
  @Test(arguments: Padding.allCases, [2, 5])
  func calibratedNetworksBeginWithoutAnOpinion(_ padding: Padding, _ classes: Int) throws {
    let configuration = UNetConfiguration(
      classes: classes, baseChannels: 8, depth: 3, padding: padding, dropout: 0)
    let network = UNet(configuration)
    let parameters = FloatBuffer(count: network.layout.count)
    network.initialize(parameters.base, seed: 4, isCalibrated: true)
    let tile = padding == .valid ? 100 : 64
    let team = ThreadTeam(count: 1)
    let activations = try UNetActivations(
      network, height: tile, width: tile, training: true, threads: 1)
    let image = FloatBuffer(count: tile * tile)
    var stream = RandomStream(seed: 1, purpose: .synthesis)
    for index in 0..<image.count { image.base[index] = stream.normalPair().0 }
    network.forward(
      TensorView(base: image.base, shape: activations.input), parameters: parameters.base,
      activations: activations, on: team)
    let pixels = activations.logits.shape.pixels
    let labels = (0..<pixels).map { UInt8($0 % classes) }
    let gradient = try #require(activations.logitsGradient)
    let loss = SoftmaxCrossEntropy().lossAndGradient(
      logits: activations.logits, labels: labels, weights: nil, scale: 1, gradient: gradient,
      workspace: activations.lossWorkspace, on: team)
    withExtendedLifetime((image, parameters, activations)) {}
    #expect(abs(loss / Double(pixels) - log(Double(classes))) < 0.1)
  }

  @Test(.enabled(if: canCountAllocations() == 1, "a sanitizer stands before the allocator"))
  func aStepAllocatesNothing() throws {
    let run = try noisyRun(threads: 2, .batch, Recomputation(levels: 2))
    let key = DropoutKey(RandomStream(seed: 1, purpose: .dropout))
    run.step(dropout: key)
    run.update(rate: 0.01, momentum: 0.9)
    watch(run.team, 1)
    let before = allocationCount()
    run.step(dropout: key)
    run.update(rate: 0.01, momentum: 0.9)
    let after = allocationCount()
    #expect(after - before == 0)
    // The counter counts, on this thread and on the other one.
    let started = allocationCount()
    run.team.forEach(2, Meeting(2)) { meeting, item, _ in
      meeting.arrive()
      withExtendedLifetime([UInt8](repeating: 1, count: 1000 + item)) {}
      _ = UnsafeMutablePointer<UInt8>.allocate(capacity: 1000 + item)
    }
    #expect(allocationCount() - started >= 2)
    watch(run.team, 0)
  }

  /// Begins or ends counting on every thread of a team.
  private func watch(_ team: ThreadTeam, _ watched: CInt) {
    team.forEach(team.count, Meeting(team.count)) { meeting, _, _ in
      // Each item waits for all, so each is on a thread of its own.
      meeting.arrive()
      watchAllocationsOfThisThread(watched)
    }
  }

  /// A place where so many threads wait for each other.
  private final class Meeting: Sendable {
    private let missing: Atomic<Int>

    init(_ count: Int) { missing = Atomic(count) }

    func arrive() {
      missing.subtract(1, ordering: .acquiringAndReleasing)
      while missing.load(ordering: .acquiring) > 0 {}
    }
  }

  @Test func thePaperNetworkHasItsSizes() {
    let network = UNet(UNetConfiguration())
    #expect(network.layout.count == 31_030_658)
    #expect(network.configuration.outputSide(tile: 572) == 388)
    #expect(network.layout.parameters.first?.name == "down.0.conv1.weight")
    #expect(network.layout.parameters.last?.name == "head.bias")
    #expect(network.layout.parameters.map(\.name).contains("up.3.upconv.weight"))
  }
}
