// The gradient of a convolution's input, as convolutions of its output's gradient.

import Tensors
import Threading

/// The adjoint of a convolution: from the gradient of its output to the gradient of its input.
///
/// Input row y meets output row (y + p - i) / s through kernel row i, where that is whole. So the
/// input rows fall into s phases, y + p = r (mod s), and each phase is a convolution of stride 1
/// over the output's gradient with every s-th kernel row, in reverse order; likewise for columns.
/// With stride 1 there is one phase and the kernel is turned by half a turn. A mirrored border
/// shows rows twice, so there the gradient of the padded input is folded onto the input.
struct ConvolutionInputGradient: Sendable {
  /// One phase of rows and columns.
  private struct Phase {
    /// The convolution of the output's gradient, or nil where no kernel row or column reaches.
    var convolution: ConvolutionEngine?
    /// The kernel's taps of this phase in their new order.
    var taps: [Int]
    var firstRow: Int
    var firstColumn: Int
    var height: Int
    var width: Int
  }

  /// One axis of a phase.
  private struct AxisPhase {
    var first: Int
    var count: Int
    var taps: [Int]
    var map: AxisIndexMap
  }

  private let stride: Int
  private let inputChannels: Int
  private let outputChannels: Int
  private let weightCount: Int
  private let phases: [Phase]
  private let algorithm: ConvolutionAlgorithm
  /// The extents of the gradient before folding.
  private let padded: ImageShape
  private let folds: (rows: AxisFold, columns: AxisFold)?

  init(
    input: ImageShape, output: ImageShape, kernel: Int, stride: Int, border: BorderRule?,
    rows: AxisIndexMap, columns: AxisIndexMap, algorithm: ConvolutionAlgorithm?
  ) {
    self.stride = stride
    inputChannels = input.channels
    outputChannels = output.channels
    weightCount = kernel * kernel * input.channels * output.channels
    var before = 0
    if border == .mirror {
      padded = ImageShape(height: rows.count, width: columns.count, channels: input.channels)
      folds = (
        AxisFold(rows, extent: input.height), AxisFold(columns, extent: input.width)
      )
    } else {
      if border != nil { before = (kernel - 1) / 2 }
      padded = input
      folds = nil
    }
    let rowPhases = Self.phases(
      input: padded.height, output: output.height, kernel: kernel, stride: stride, before: before)
    let columnPhases = Self.phases(
      input: padded.width, output: output.width, kernel: kernel, stride: stride, before: before)
    let chosen =
      algorithm
      ?? .cheapest(
        .image, kernel: kernel, stride: stride, height: padded.height, width: padded.width,
        inputChannels: output.channels, outputChannels: input.channels)
    self.algorithm = chosen
    phases = rowPhases.flatMap { row in
      columnPhases.map { column in
        Phase(
          convolution: row.taps.isEmpty || column.taps.isEmpty
            ? nil
            : ConvolutionEngine(
              chosen, rows: row.map, columns: column.map, kernelHeight: row.taps.count,
              kernelWidth: column.taps.count, inputChannels: output.channels,
              outputChannels: input.channels),
          taps: row.taps.flatMap { i in column.taps.map { i * kernel + $0 } },
          firstRow: row.first, firstColumn: column.first, height: row.count, width: column.count)
      }
    }
  }

  /// The phases of one axis that hold at least one row.
  private static func phases(
    input: Int, output: Int, kernel: Int, stride: Int, before: Int
  ) -> [AxisPhase] {
    (0..<stride).compactMap { remainder in
      // The first row y >= 0 with y + before = remainder (mod stride).
      let first = ((remainder - before) % stride + stride) % stride
      guard first < input else { return nil }
      let count = (input - first + stride - 1) / stride
      let taps = Array(Swift.stride(from: remainder, to: kernel, by: stride))
      guard let last = taps.last else {
        return AxisPhase(first: first, count: count, taps: [], map: AxisIndexMap(extent: 1))
      }
      // The phase's first row meets this output row through its last tap.
      let lowest = (first + before - last) / stride
      let sources = (lowest..<lowest + count + taps.count - 1).map {
        $0 >= 0 && $0 < output ? $0 : -1
      }
      return AxisPhase(
        first: first, count: count, taps: taps.reversed(), map: AxisIndexMap(sources: sources))
    }
  }

  /// What it does, all phases together.
  var plan: KernelPlan {
    let plans = phases.compactMap { $0.convolution?.plan }
    return KernelPlan(
      algorithm: algorithm, schedule: plans.first?.schedule,
      multiplyAdds: plans.reduce(0) { $0 + $1.multiplyAdds })
  }

  var workspaceSize: WorkspaceSize {
    var size = phases.reduce(WorkspaceSize()) {
      $0.union($1.convolution?.workspaceSize ?? WorkspaceSize())
    }
    size.shared += turnedCount + (folds == nil ? 0 : padded.count)
    return size
  }

  /// Floats of weights in their new order, for algorithms that do not turn them by themselves.
  private var turnedCount: Int { algorithm == .winograd ? 0 : weightCount }

  /// inputGradient [H, W, in] := the gradient of the input, given outputGradient [H', W', out] and
  /// weights [kH, kW, in, out]; overwritten, with the gradients of ReLUs where `reluMask` says so.
  func apply(
    _ outputGradient: TensorView, weights: UnsafePointer<Float>,
    into inputGradient: ConvolutionImage, reluMask: ReLUMask,
    workspace: ConvolutionWorkspace,
    on team: ThreadTeam
  ) {
    let inner = workspace.shared(from: turnedCount)
    guard let folds else {
      apply(
        outputGradient, weights, turned: workspace.shared, into: inputGradient,
        Epilogue(passing: reluMask), inner, team)
      return
    }
    let paddedGradient = TensorView(base: inner.shared, shape: padded)
    apply(
      outputGradient, weights, turned: workspace.shared, into: ConvolutionImage(paddedGradient),
      Epilogue(), inner.shared(from: padded.count), team)
    fold(
      paddedGradient, rows: folds.rows, columns: folds.columns, into: inputGradient,
      reluMask: reluMask, on: team)
  }

  /// The same without folding: `turned` has room for the transposed taps [kH, kW, out, in].
  private func apply(
    _ outputGradient: TensorView, _ weights: UnsafePointer<Float>,
    turned: UnsafeMutablePointer<Float>, into inputGradient: ConvolutionImage,
    _ epilogue: Epilogue, _ workspace: ConvolutionWorkspace, _ team: ThreadTeam
  ) {
    var next = turned
    /// The weights of a phase [taps, out, in], each tap transposed.
    func turn(_ phase: Phase) -> UnsafePointer<Float> {
      let phaseWeights = next
      transposeTaps(
        weights, taps: phase.taps, rows: inputChannels, columns: outputChannels,
        into: phaseWeights, on: team)
      next += phase.taps.count * inputChannels * outputChannels
      return UnsafePointer(phaseWeights)
    }
    for phase in phases {
      let target = inputGradient.everyNth(
        step: stride, row: phase.firstRow, column: phase.firstColumn, height: phase.height,
        width: phase.width)
      switch phase.convolution {
      case nil:
        target.clear()
      case .tiles(let convolution):
        convolution.forward(
          ConvolutionImage(outputGradient),
          weights: KernelMatrices(
            inputGradientOf: weights, taps: phase.taps.count, turned: true, rows: outputChannels,
            columns: inputChannels),
          epilogue: epilogue, into: target, workspace: workspace, on: team)
      case .im2col(let convolution):
        convolution.forward(
          ConvolutionImage(outputGradient), weights: turn(phase), epilogue: epilogue, into: target,
          workspace: workspace, on: team)
      case .implicitGEMM(let convolution):
        convolution.forward(
          ConvolutionImage(outputGradient), weights: turn(phase), epilogue: epilogue, into: target,
          workspace: workspace, on: team)
      }
    }
  }
}

/// Rows of a matrix that one task transposes: their columns fill a cache line of the result.
let transposeStrip = 16

/// target(t, column, row) := source(taps(t), row, column): target [taps, columns, rows], overwritten,
/// source [taps, rows, columns].
func transposeTaps(
  _ source: UnsafePointer<Float>, taps: [Int], rows: Int, columns: Int,
  into target: UnsafeMutablePointer<Float>, on team: ThreadTeam
) {
  let strips = (rows + transposeStrip - 1) / transposeStrip
  let context = (source, taps, rows, columns, target, strips)
  team.forEach(taps.count * strips, context) { context, task, _ in
    let (source, taps, rows, columns, target, strips) = context
    let matrix = source + taps[task / strips] * rows * columns
    let transposed = target + task / strips * rows * columns
    let first = task % strips * transposeStrip
    let end = min(first + transposeStrip, rows)
    for column in 0..<columns {
      for row in first..<end {
        transposed[column * rows + row] = matrix[row * columns + column]
      }
    }
  }
}

/// Sums the gradients of a padded view onto the image it shows; overwritten, with the gradients
/// of ReLUs where `reluMask` says so.
func fold(
  _ virtualGradient: TensorView, rows: AxisFold, columns: AxisFold,
  into gradient: ConvolutionImage, reluMask: ReLUMask, on team: ThreadTeam
) {
  fold(
    virtualGradient, firstChannel: 0, rows, columns, into: gradient.first,
    passing: reluMask.covers(isFirst: true), team)
  if let second = gradient.second {
    fold(
      virtualGradient, firstChannel: gradient.first.shape.channels, rows, columns, into: second,
      passing: reluMask.covers(isFirst: false), team)
  }
}

private func fold(
  _ virtualGradient: TensorView, firstChannel: Int, _ rows: AxisFold, _ columns: AxisFold,
  into gradient: TensorView, passing: Bool, _ team: ThreadTeam
) {
  let context = (virtualGradient, firstChannel, rows, columns, gradient, passing)
  team.forEach(gradient.shape.height, context) { context, y, _ in
    let (virtualGradient, firstChannel, rows, columns, gradient, passing) = context
    let channels = gradient.shape.channels
    func sum(_ range: Range<Int>) {
      for x in range {
        let target = gradient.pixel(y, x)
        var channel = 0
        while channel < channels {
          let isVector = channel &+ 16 <= channels
          var sum = Vector.zero
          rows.forEach(y) { row in
            columns.forEach(x) { column in
              let source = virtualGradient.pixel(row, column) + (firstChannel &+ channel)
              if isVector { sum += source.vector(0) } else { sum[0] += source[0] }
            }
          }
          if isVector {
            let passes: SIMDMask<Vector.MaskStorage> =
              passing ? target.vector(channel) .> 0 : SIMDMask(repeating: true)
            target.store(Vector.zero.replacing(with: sum, where: passes), at: channel)
            channel &+= 16
          } else {
            target[channel] = passing && !(target[channel] > 0) ? 0 : sum[0]
            channel &+= 1
          }
        }
      }
    }
    guard rows.plain.contains(y) else { return sum(0..<gradient.shape.width) }
    sum(0..<columns.plain.lowerBound)
    let row = rows.first(y)
    // Away from the border the sum is of one value, so whole lines can be taken where both are dense.
    let isOneLine = gradient.pixelStride == channels && virtualGradient.pixelStride == channels
    let step = isOneLine ? columns.plain.count : 1
    for x in stride(from: columns.plain.lowerBound, to: columns.plain.upperBound, by: max(1, step))
    {
      let source = UnsafePointer(virtualGradient.pixel(row, columns.first(x)) + firstChannel)
      let target = gradient.pixel(y, x)
      if passing {
        maskByReLU(source, to: target, count: step &* channels)
      } else {
        copyFloats(source, to: target, count: step &* channels)
      }
    }
    sum(columns.plain.upperBound..<gradient.shape.width)
  }
}
