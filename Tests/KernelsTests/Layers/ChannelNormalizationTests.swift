// Normalization of channels against its definition in Double, and its gradients against differences.

import Kernels
import Tensors
import TestSupport
import Testing
import Threading

@Suite struct ChannelNormalizationTests {
  /// An image with a large mean, and the definition's answers for it.
  private struct Case {
    let shape: ImageShape
    let groupSize: Int
    let values: [Double]
    let scale: [Double]
    let shift: [Double]

    init(height: Int, width: Int, channels: Int, groupSize: Int, mean: Float = 3) {
      shape = ImageShape(height: height, width: width, channels: channels)
      self.groupSize = groupSize
      values = repeatableValues(count: shape.count, seed: 3).map { Double($0 + mean) }
      scale = repeatableValues(count: channels, seed: 4).map { Double($0) }
      shift = repeatableValues(count: channels, seed: 5).map { Double($0) }
    }

    /// What comes out before the ReLU.
    func linear(_ values: [Double], _ scale: [Double], _ shift: [Double]) -> [Double] {
      var result = values
      for group in stride(from: 0, to: shape.channels, by: groupSize) {
        let places = values.indices.filter {
          (group..<group + groupSize).contains($0 % shape.channels)
        }
        let mean = places.reduce(0) { $0 + values[$1] } / Double(places.count)
        let variance =
          places.reduce(0) { $0 + (values[$1] - mean) * (values[$1] - mean) }
          / Double(places.count)
        for place in places {
          let channel = place % shape.channels
          result[place] =
            (values[place] - mean) / (variance + 1e-5).squareRoot() * scale[channel]
            + shift[channel]
        }
      }
      return result
    }

    func image(_ values: [Double]) -> OwnedImage {
      OwnedImage(
        ReferenceImage(
          height: shape.height, width: shape.width, channels: shape.channels,
          values: values.map { Float($0) }))
    }

    var normalization: ChannelNormalization {
      ChannelNormalization(shape: shape, groupSize: groupSize)
    }

    /// The output and the gradients of sum(upstream * output) by input, scale and shift, the ReLU's
    /// mask taken into the upstream as a kernel does it.
    func run(upstream: [Float], threads: Int, inPlace: Bool = false) -> [[Float]] {
      let team = ThreadTeam(count: threads)
      let workspace = makeWorkspace(normalization.workspaceSize, threads: threads)
      let statistics = FloatBuffer([Float](repeating: .nan, count: normalization.statisticsCount))
      let scale = FloatBuffer(self.scale.map { Float($0) })
      let shift = FloatBuffer(self.shift.map { Float($0) })
      let input = image(values)
      let output = inPlace ? input : OwnedImage(shape.height, shape.width, shape.channels)
      normalization.measure(
        input.view, into: statistics.base, workspace: workspace, on: team)
      normalization.apply(
        input.view, statistics: statistics.base, scale: scale.base, shift: shift.base,
        into: output.view, workspace: workspace, on: team)
      guard !inPlace else { return [output.values] }
      let gradient = OwnedImage(shape.height, shape.width, shape.channels)
      for (place, value) in upstream.enumerated() {
        gradient.buffer.base[place] = output.values[place] > 0 ? value : 0
      }
      // Those of parameters are added to what is there.
      let scaleGradient = FloatBuffer([Float](repeating: 1, count: shape.channels))
      let shiftGradient = FloatBuffer([Float](repeating: 2, count: shape.channels))
      normalization.backward(
        input.view, outputGradient: gradient.view, statistics: statistics.base, scale: scale.base,
        scaleGradient: scaleGradient.base, shiftGradient: shiftGradient.base,
        workspace: workspace, on: team)
      return [
        output.values, input.values, scaleGradient.values.map { $0 - 1 },
        shiftGradient.values.map { $0 - 2 },
      ]
    }
  }

  private static let cases = [
    Case(height: 5, width: 7, channels: 3, groupSize: 1),
    Case(height: 4, width: 6, channels: 32, groupSize: 1),
    Case(height: 3, width: 9, channels: 32, groupSize: 16),
    Case(height: 6, width: 3, channels: 24, groupSize: 8),
    Case(height: 4, width: 4, channels: 6, groupSize: 6, mean: -300),
    Case(height: 1, width: 1, channels: 16, groupSize: 1),
  ]

  @Test(arguments: 0..<cases.count) func agreesWithItsDefinition(_ number: Int) {
    let test = Self.cases[number]
    let expected = test.linear(test.values, test.scale, test.shift).map { Float(max(0, $0)) }
    let upstream = repeatableValues(count: test.shape.count, seed: 6)
    // A mean of 300 standard deviations leaves five digits of an input.
    let tolerance = Tolerance(absolute: number == 4 ? 2e-4 : 4e-6, relative: 4e-6)
    expectClose(test.run(upstream: upstream, threads: 2)[0], expected, tolerance, "output")
    expectClose(
      test.run(upstream: upstream, threads: 1, inPlace: true)[0], expected, tolerance, "in place")
  }

  @Test(arguments: 0..<cases.count) func gradientsAgreeWithDifferences(_ number: Int) {
    let test = Self.cases[number]
    let upstream = repeatableValues(count: test.shape.count, seed: 6)
    let results = test.run(upstream: upstream, threads: 2)
    let count = test.shape.count
    let channels = test.shape.channels
    let point = test.values + test.scale + test.shift
    // The mask is held fixed: the ReLU has its own tests, and no place may cross its kink.
    let passes = results[0].map { $0 > 0 }
    let worst = gradientDeviation(
      of: { moved in
        let linear = test.linear(
          Array(moved[..<count]), Array(moved[count..<count + channels]),
          Array(moved[(count + channels)...]))
        return linear.indices.reduce(0) { sum, place in
          sum + (passes[place] ? linear[place] * Double(upstream[place]) : 0)
        }
      }, at: point, analytic: results[1...].joined().map { Double($0) }, epsilon: 1e-5)
    #expect(worst.error < (number == 4 ? 1e-3 : 2e-5), "\(worst)")
  }

  @Test func theSameBitsForAnyNumberOfThreads() {
    let test = Case(height: 37, width: 21, channels: 40, groupSize: 8)
    let upstream = repeatableValues(count: test.shape.count, seed: 6)
    let alone = test.run(upstream: upstream, threads: 1)
    for threads in 2...3 { #expect(test.run(upstream: upstream, threads: threads) == alone) }
  }

  /// The centre of larger images, as skips are cropped.
  @Test func partsOfImagesAreNormalizedByTheStatisticsOfTheWhole() {
    let test = Case(height: 6, width: 8, channels: 18, groupSize: 1)
    let whole = test.run(upstream: [], threads: 1, inPlace: true)[0]
    let team = ThreadTeam(count: 2)
    let workspace = makeWorkspace(test.normalization.workspaceSize, threads: 2)
    let statistics = FloatBuffer(
      [Float](repeating: .nan, count: test.normalization.statisticsCount))
    let (input, output) = (test.image(test.values), OwnedImage(6, 8, 18))
    test.normalization.measure(
      input.view, into: statistics.base, workspace: workspace, on: team)
    test.normalization.apply(
      input.view.centred(height: 4, width: 2), statistics: statistics.base,
      scale: FloatBuffer(test.scale.map { Float($0) }).base,
      shift: FloatBuffer(test.shift.map { Float($0) }).base,
      into: output.view.centred(height: 4, width: 2), workspace: workspace, on: team)
    for place in whole.indices {
      let (y, x) = (place / 18 / 8, place / 18 % 8)
      if (1..<5).contains(y) && (3..<5).contains(x) {
        #expect(output.values[place] == whole[place])
      } else {
        #expect(output.values[place].isNaN)
      }
    }
  }
}
