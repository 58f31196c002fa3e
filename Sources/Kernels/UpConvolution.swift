// The doubling of the expansive path: nearest neighbour and 2x2 convolution, or transposed.

import Tensors
import Threading

/// The doubling of rows and columns with a learned 2x2 kernel; four small convolutions.
///
/// Output pixel (2 i + a, 2 j + b) sees only a few input pixels, for each phase (a, b) the same
/// way, so each phase is a small convolution of the input and no doubled image is made.
///
/// - `nearest`: doubling by the nearest neighbour, then a 2x2 convolution with one row and column
///   of padding after the last:
///   output(y, x) = bias + sum over di, dj in 0...1 of input((y + di) / 2, (x + dj) / 2) W(di, dj).
///   In an even row both kernel rows fall on input row i, so their weights are added first; in an
///   odd row they fall on rows i and i + 1: 9 products instead of 16.
/// - `transposed`: output(2 i + a, 2 j + b) = bias + input(i, j) W(a, b).
///
/// Weights are [2, 2, in, out] in row-major order. The same bits for every number of threads.
public struct UpConvolution: Sendable {
  /// The rule of doubling.
  public enum Kind: Sendable {
    /// Nearest neighbour, then a 2x2 convolution; the border rule is for the padding after the
    /// last row and column.
    case nearest(AxisMap.Border)
    /// A transposed convolution of stride 2.
    case transposed
  }

  /// One of the four output phases.
  private struct Phase {
    var convolution: PatchConvolution
    var row: Int
    var column: Int
    /// For each tap of the small kernel, the taps of the 2x2 kernel added up in it.
    var taps: [[Int]]
  }

  /// The extents of the input.
  public let input: ImageShape
  /// The extents of the output, twice those of the input.
  public let output: ImageShape

  private let kind: Kind
  private let phases: [Phase]
  /// From the output's gradient to the input's: a convolution of stride 2.
  private let gradientConvolution: PatchConvolution
  /// For each of its taps, the taps of the 2x2 kernel added up in it.
  private let gradientTaps: [[Int]]
  /// Folds the extra row and column that a mirrored border adds to the input.
  private let folds: (rows: AxisFold, columns: AxisFold)?

  /// Plans a doubling.
  public init(input: ImageShape, outputChannels: Int, kind: Kind) {
    self.input = input
    self.kind = kind
    output = ImageShape(
      height: 2 * input.height, width: 2 * input.width, channels: outputChannels)
    // For a phase of one axis: kernel rows added up in each tap.
    let phaseTaps: [[[Int]]]
    // For the gradient: kernel rows added up in each tap of the stride-2 convolution.
    let adjointTaps: [[Int]]
    let border: AxisMap.Border
    switch kind {
    case .nearest(let rule):
      phaseTaps = [[[0, 1]], [[0], [1]]]
      adjointTaps = [[1], [0, 1], [0]]
      border = rule
    case .transposed:
      phaseTaps = [[[0]], [[1]]]
      adjointTaps = [[0], [1]]
      border = .zeros
    }
    phases = (0..<2).flatMap { a in
      (0..<2).map { b in
        Phase(
          convolution: PatchConvolution(
            rows: AxisMap(extent: input.height, after: phaseTaps[a].count - 1, border: border),
            columns: AxisMap(extent: input.width, after: phaseTaps[b].count - 1, border: border),
            kernelHeight: phaseTaps[a].count, kernelWidth: phaseTaps[b].count,
            inputChannels: input.channels, outputChannels: outputChannels),
          row: a, column: b, taps: Self.pairs(phaseTaps[a], phaseTaps[b]))
      }
    }
    var extra = 0
    if case .nearest(.mirror) = kind {
      extra = 1
      folds = (
        AxisFold(AxisMap(extent: input.height, after: 1, border: .mirror), extent: input.height),
        AxisFold(AxisMap(extent: input.width, after: 1, border: .mirror), extent: input.width)
      )
    } else {
      folds = nil
    }
    let before = adjointTaps.count - 2
    gradientConvolution = PatchConvolution(
      rows: AxisMap(extent: output.height, before: before, after: 2 * extra),
      columns: AxisMap(extent: output.width, before: before, after: 2 * extra),
      kernelHeight: adjointTaps.count, kernelWidth: adjointTaps.count, stride: 2,
      inputChannels: outputChannels, outputChannels: input.channels)
    gradientTaps = Self.pairs(adjointTaps, adjointTaps)
  }

  /// The taps of a kernel from those of its rows and its columns.
  private static func pairs(_ rows: [[Int]], _ columns: [[Int]]) -> [[Int]] {
    rows.flatMap { row in
      columns.map { column in row.flatMap { i in column.map { i * 2 + $0 } } }
    }
  }

  private var tapCount: Int { input.channels * output.channels }
  private var phaseWeightCount: Int { phases.reduce(0) { $0 + $1.taps.count } * tapCount }
  private var foldedCount: Int {
    folds == nil
      ? 0 : gradientConvolution.outputHeight * gradientConvolution.outputWidth * input.channels
  }

  /// Multiply-adds of the forward pass as a 2x2 convolution (nearest) or as it is (transposed).
  public var multiplyAdds: Int {
    if case .transposed = kind { return input.pixels * 4 * tapCount }
    return output.pixels * 4 * tapCount
  }

  /// Scratch memory that the three functions need.
  public var scratchSize: ScratchSize {
    let slices = phases.map(\.convolution.sharedScratch).max() ?? 0
    return ScratchSize(
      thread: (phases.map(\.convolution) + [gradientConvolution]).map(\.threadScratch).max() ?? 0,
      shared: max(phaseWeightCount + slices, gradientTaps.count * tapCount + foldedCount))
  }

  /// output := doubled input, convolved, plus bias; overwritten.
  public func forward(
    _ image: TensorView, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>,
    into output: TensorView, scratch: ConvolutionScratch, on team: ThreadTeam
  ) {
    var phaseWeights = scratch.shared
    for phase in phases {
      for (index, taps) in phase.taps.enumerated() {
        sumTaps(weights, taps: taps, into: phaseWeights + index * tapCount, on: team)
      }
      phase.convolution.forward(
        ConvolutionImage(image), weights: phaseWeights, bias: bias, rectifying: false,
        into: ConvolutionImage(phaseView(of: output, phase)), scratch: scratch, on: team)
      phaseWeights += phase.taps.count * tapCount
    }
  }

  /// inputGradient := the gradient of the input; overwritten.
  public func inputGradient(
    _ outputGradient: TensorView, weights: UnsafePointer<Float>, into inputGradient: TensorView,
    scratch: ConvolutionScratch, on team: ThreadTeam
  ) {
    let turned = scratch.shared
    for (index, taps) in gradientTaps.enumerated() {
      sumTransposedTaps(weights, taps: taps, into: turned + index * tapCount, on: team)
    }
    let target =
      folds == nil
      ? inputGradient
      : TensorView(
        base: scratch.shared + gradientTaps.count * tapCount,
        shape: ImageShape(
          height: gradientConvolution.outputHeight, width: gradientConvolution.outputWidth,
          channels: input.channels))
    gradientConvolution.forward(
      ConvolutionImage(outputGradient), weights: turned, bias: nil, rectifying: false,
      into: ConvolutionImage(target), scratch: scratch, on: team)
    if let folds {
      fold(
        target, rows: folds.rows, columns: folds.columns, into: ConvolutionImage(inputGradient),
        on: team)
    }
  }

  /// weightGradient += the gradient of the weights; accumulated.
  public func weightGradient(
    _ image: TensorView, outputGradient: TensorView,
    into weightGradient: UnsafeMutablePointer<Float>, scratch: ConvolutionScratch,
    on team: ThreadTeam
  ) {
    let phaseGradient = scratch.shared
    let inner = scratch.shared(from: phaseWeightCount)
    for phase in phases {
      phaseGradient.update(repeating: 0, count: phase.taps.count * tapCount)
      phase.convolution.weightGradient(
        ConvolutionImage(image), outputGradient: phaseView(of: outputGradient, phase),
        into: phaseGradient, scratch: inner, on: team)
      for (index, taps) in phase.taps.enumerated() {
        for tap in taps {
          addPieces(
            phaseGradient + index * tapCount, to: weightGradient + tap * tapCount,
            count: tapCount, on: team)
        }
      }
    }
  }

  private func phaseView(of output: TensorView, _ phase: Phase) -> TensorView {
    output.everyNth(
      step: 2, row: phase.row, column: phase.column, height: input.height, width: input.width)
  }

  /// target := the sum of some taps of the kernel.
  private func sumTaps(
    _ weights: UnsafePointer<Float>, taps: [Int], into target: UnsafeMutablePointer<Float>,
    on team: ThreadTeam
  ) {
    let count = tapCount
    forEachPiece(count, (weights, taps, target, count), on: team) { context, piece in
      let (weights, taps, target, count) = context
      for index in piece {
        var sum = weights[taps[0] * count + index]
        for tap in taps.dropFirst() { sum += weights[tap * count + index] }
        target[index] = sum
      }
    }
  }

  /// target(o, c) := the sum of some taps' weights (c, o).
  private func sumTransposedTaps(
    _ weights: UnsafePointer<Float>, taps: [Int], into target: UnsafeMutablePointer<Float>,
    on team: ThreadTeam
  ) {
    let (inputs, outputs) = (input.channels, output.channels)
    let context = (weights, taps, target, inputs, outputs)
    team.forEach((inputs + transposeStrip - 1) / transposeStrip, context) { context, task, _ in
      let (weights, taps, target, inputs, outputs) = context
      for o in 0..<outputs {
        for c in task * transposeStrip..<min((task + 1) * transposeStrip, inputs) {
          let place = c * outputs + o
          var sum = weights[taps[0] * inputs * outputs + place]
          for tap in taps.dropFirst() { sum += weights[tap * inputs * outputs + place] }
          target[o * inputs + c] = sum
        }
      }
    }
  }
}
