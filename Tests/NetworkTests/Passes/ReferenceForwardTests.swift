// The forward pass in Double: against PyTorch, and against the fast one with right and wrong weights.

import Files
import Network
import Randomness
import ReferenceNetwork
import Tensors
import TestSupport
import Testing

@Suite struct ReferenceForwardTests {
  @Test(arguments: UNetTests.fixtures) func agreesWithPyTorch(_ name: String) throws {
    let file = try Fixtures.read(name)
    let run = try UNetTests().run(file)
    let scores = reference(run)
    let logits = file.metadata["normalization"] == "batch" ? "logits.evaluation" : "logits"
    expectClose(scores.map { Float($0) }, try file.floats(of: logits), .direct, "logits")
  }

  /// A small network on noise; its channels and its tile are no multiples of the blocks in registers.
  private func run(
    _ padding: Padding, _ upsampling: Upsampling, _ normalization: Normalization = .none,
    base: Int = 5, threads: Int = 2
  ) throws -> NetworkRun {
    let configuration = UNetConfiguration(
      inputChannels: 3, classes: 3, baseChannels: base, depth: 2, padding: padding,
      upsampling: upsampling, normalization: normalization)
    var stream = RandomStream(seed: 4, purpose: .synthesis)
    let (height, width) = (60, 52)
    let outputs = (configuration.outputSide(tile: height), configuration.outputSide(tile: width))
    let run = try NetworkRun(
      configuration, height: height, width: width,
      image: (0..<height * width * 3).map { _ in stream.normalPair().0 },
      labels: [UInt8](repeating: 0, count: (outputs.0 ?? 0) * (outputs.1 ?? 0)), threads: threads)
    run.network.initialize(run.parameters.base, seed: 3)
    // Biases begin at 0, scales at 1, where a wrong one would not be seen.
    for parameter in run.network.layout.parameters where parameter.fanIn == nil {
      for place in 0..<parameter.slot.count {
        run.parameters.base[parameter.slot.offset + place] =
          parameter.initialValue + stream.uniform(in: -0.5..<0.5)
      }
    }
    return run
  }

  private func error(_ run: NetworkRun, reference: [Double]) -> ScoreError {
    run.forward(statistics: .running)
    return ScoreError(of: run.activations.logits, reference: reference)
  }

  private func reference(_ run: NetworkRun) -> [Double] {
    run.network.referenceLogits(of: run.input, parameters: run.parameters.base, on: run.team)
  }

  @Test(arguments: Padding.allCases, Upsampling.allCases)
  func theFastPassIsExactUpToRounding(_ padding: Padding, _ upsampling: Upsampling) throws {
    for base in [5, 16] {
      let run = try self.run(padding, upsampling, base: base)
      let error = error(run, reference: reference(run))
      // Some roundings of 2^-24 a layer by direct sums, some tens by Winograd's transforms.
      #expect(error.rootMeanSquare < 1e-5)
      #expect(error.largest < 1e-4)
      #expect(error.rootMeanSquare > 0 && error.rootMeanSquare < error.largest)
    }
  }

  // Each parameter by a thousandth part; all its values, as ReLUs may hide a single neuron.
  @Test(arguments: Normalization.allCases)
  func normalizedPassesAreExactUpToRounding(_ normalization: Normalization) throws {
    for base in [5, 16, 24] {
      let run = try self.run(.mirror, .nearest, normalization, base: base)
      let error = error(run, reference: reference(run))
      #expect(error.rootMeanSquare > 0 && error.rootMeanSquare < 1e-5, "base \(base)")
      #expect(error.largest < 1e-4)
    }
  }

  @Test(arguments: Padding.allCases, Upsampling.allCases)
  func aWrongWeightIsSeen(_ padding: Padding, _ upsampling: Upsampling) throws {
    let run = try self.run(padding, upsampling)
    let exact = reference(run)
    let right = error(run, reference: exact).rootMeanSquare
    for parameter in run.network.layout.parameters {
      let values = parameter.fileValues(from: run.parameters.base)
      parameter.store(fileValues: values.map { $0 * 1.001 + 1e-4 }, to: run.parameters.base)
      #expect(error(run, reference: exact).rootMeanSquare > 10 * right, "\(parameter.name)")
      parameter.store(fileValues: values, to: run.parameters.base)
    }
    #expect(error(run, reference: exact).rootMeanSquare == right)
    let head = run.parameters.count - 1
    run.parameters.base[head] += 1e-3
    let wrong = error(run, reference: exact)
    #expect(wrong.largest > 1e-4 && wrong.rootMeanSquare > 1e-5)
  }

  @Test func theSameBitsForAnyNumberOfThreads() throws {
    let alone = try reference(run(.mirror, .nearest, threads: 1))
    for threads in 2...3 {
      #expect(try reference(run(.mirror, .nearest, threads: threads)) == alone)
    }
  }

  @Test func errorsAreRelativeToTheScaleOfTheScores() {
    let scores = FloatBuffer(count: 4)
    for (place, value) in [Float(3), -4, 0, 5].enumerated() { scores.base[place] = value }
    let view = TensorView(
      base: scores.base, shape: ImageShape(height: 2, width: 1, channels: 2))
    // Errors 0, 0, 1 and 1 of values with mean square (9 + 16 + 1 + 36) / 4.
    let error = ScoreError(of: view, reference: [3, -4, 1, 6])
    #expect(abs(error.largest - 1 / 15.5.squareRoot()) < 1e-12)
    #expect(abs(error.rootMeanSquare - (0.5 / 15.5).squareRoot()) < 1e-12)
    let broken = ScoreError(of: view, reference: [3, .nan, 1, 6])
    #expect(broken.largest.isNaN && broken.rootMeanSquare.isNaN)
    withExtendedLifetime(scores) {}
  }
}
