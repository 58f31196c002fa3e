// The doubling of the expansive path: nearest neighbour and 2x2 convolution, or transposed.

package import Tensors
package import Threading

/// The doubling of rows and columns with a learned 2x2 kernel.
///
/// - `nearest`: doubling by the nearest neighbour, then a 2x2 convolution with one row and column
///   of padding after the last:
///   output(y, x) = bias + sum over di, dj in 0...1 of input((y + di) / 2, (x + dj) / 2) W(di, dj).
///   No upsampled image is made: see `UpsamplingTransform`.
/// - `transposed`: output(2 i + a, 2 j + b) = bias + input(i, j) W(a, b), a convolution of the
///   input with a 1x1 kernel for each of the four phases (a, b).
///
/// Weights are [2, 2, in, out] in row-major order. The same bits for every number of threads.
package struct UpConvolution: Sendable {
  /// The rule of doubling.
  package enum Kind: Sendable {
    /// Nearest neighbour, then a 2x2 convolution; the border rule is for the padding after the
    /// last row and column.
    case nearest(BorderRule)
    /// A transposed convolution of stride 2.
    case transposed
  }

  /// The extents of the input.
  package let input: ImageShape
  /// The extents of the output, twice those of the input.
  package let output: ImageShape

  private let engine: Engine
  private let hasGradients: Bool

  private enum Engine: Sendable {
    case nearest(NearestUpsampling)
    case transposed(TransposedUpsampling)
  }

  /// Plans a doubling; without `gradients`, they are never asked for.
  package init(input: ImageShape, outputChannels: Int, kind: Kind, gradients: Bool = true) {
    self.input = input
    hasGradients = gradients
    output = ImageShape(
      height: 2 * input.height, width: 2 * input.width, channels: outputChannels)
    engine =
      switch kind {
      case .nearest(let border):
        .nearest(NearestUpsampling(input: input, output: output, border: border))
      case .transposed: .transposed(TransposedUpsampling(input: input, output: output))
      }
  }

  /// How the forward pass and the gradients that were planned are computed.
  package var plan: LayerPlan {
    var plan =
      switch engine {
      case .nearest(let upsampling):
        LayerPlan(
          forward: upsampling.convolution.plan(.upsampling),
          inputGradient: upsampling.gradient.plan(.upsampling),
          weightGradient: upsampling.weights.plan(.upsampling))
      case .transposed(let upsampling): upsampling.plan
      }
    if !hasGradients { (plan.inputGradient, plan.weightGradient) = (nil, nil) }
    return plan
  }

  /// Workspace that the forward pass needs.
  package var forwardWorkspaceSize: WorkspaceSize {
    switch engine {
    case .nearest(let upsampling): upsampling.convolution.workspaceSize
    case .transposed(let upsampling): upsampling.forwardWorkspace
    }
  }

  /// Workspace that the gradients need, if they were planned.
  package var gradientWorkspaceSize: WorkspaceSize {
    guard hasGradients else { return WorkspaceSize() }
    return switch engine {
    case .nearest(let upsampling): upsampling.gradientWorkspace
    case .transposed(let upsampling): upsampling.gradientWorkspace
    }
  }

  /// output [2 H, 2 W, out] := the input [H, W, in] doubled and convolved with weights
  /// [2, 2, in, out], plus bias [out]; overwritten.
  package func forward(
    _ image: ConvolutionImage, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>,
    into output: TensorView, workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    switch engine {
    case .nearest(let upsampling):
      upsampling.forward(
        image, weights: weights, bias: bias, into: output, workspace: workspace, on: team)
    case .transposed(let upsampling):
      upsampling.forward(
        image, weights: weights, bias: bias, into: output, workspace: workspace, on: team)
    }
  }

  /// inputGradient [H, W, in] := the gradient of the input, given outputGradient [2 H, 2 W, out] and
  /// weights [2, 2, in, out]; overwritten.
  ///
  /// What `reluMask` covers holds the input itself, as a ReLU left it, and receives the
  /// gradient from before the ReLU: 0 where the input is not positive.
  package func inputGradient(
    _ outputGradient: TensorView, weights: UnsafePointer<Float>,
    into inputGradient: ConvolutionImage, reluMask: ReLUMask = .none,
    workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    switch engine {
    case .nearest(let upsampling):
      upsampling.inputGradient(
        outputGradient, weights: weights, into: inputGradient, reluMask: reluMask,
        workspace: workspace, on: team)
    case .transposed(let upsampling):
      upsampling.inputGradient(
        outputGradient, weights: weights, into: inputGradient, reluMask: reluMask,
        workspace: workspace, on: team)
    }
  }

  /// weightGradient [2, 2, in, out] += the gradient of the weights, biasGradient [out] += that of the
  /// bias, given the input [H, W, in] and outputGradient [2 H, 2 W, out]; accumulated.
  package func weightGradient(
    _ image: ConvolutionImage, outputGradient: TensorView,
    into weightGradient: UnsafeMutablePointer<Float>,
    biasGradient: UnsafeMutablePointer<Float>, workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    switch engine {
    case .nearest(let upsampling):
      upsampling.weights.add(
        image, outputGradient: outputGradient, to: weightGradient,
        biasGradient: biasGradient, workspace: workspace, on: team)
    case .transposed(let upsampling):
      upsampling.weightGradient(
        image, outputGradient: outputGradient, into: weightGradient, workspace: workspace, on: team)
      BiasGradient.add(outputGradient, to: biasGradient, workspace: workspace.shared, on: team)
    }
  }
}

/// Nearest-neighbour upsampling and a 2x2 convolution, by tile transforms.
///
/// Shapes of its operands are those of `UpConvolution`.
private struct NearestUpsampling: Sendable {
  let convolution: TransformedConvolution<UpsamplingTransform>
  let gradient: TransformedConvolution<UpsamplingGradientTransform>
  let weights: TransformedWeightGradient<UpsamplingTransform>
  /// Folds the extra row and column that a mirrored border adds to the input.
  private let folds: (rows: AxisFold, columns: AxisFold)?
  /// The extents of the input's gradient before folding.
  private let virtualInput: ImageShape

  init(input: ImageShape, output: ImageShape, border: BorderRule) {
    let rows = AxisIndexMap(extent: input.height, after: 1, border: border)
    let columns = AxisIndexMap(extent: input.width, after: 1, border: border)
    convolution = TransformedConvolution(
      rows: rows, columns: columns, inputChannels: input.channels,
      outputChannels: output.channels, outputHeight: output.height, outputWidth: output.width)
    weights = TransformedWeightGradient(
      rows: rows, columns: columns, inputChannels: input.channels,
      outputChannels: output.channels, outputHeight: output.height, outputWidth: output.width)
    let extra = border == .mirror ? 1 : 0
    folds =
      border == .mirror
      ? (AxisFold(rows, extent: input.height), AxisFold(columns, extent: input.width)) : nil
    virtualInput = ImageShape(
      height: input.height + extra, width: input.width + extra, channels: input.channels)
    gradient = TransformedConvolution(
      rows: AxisIndexMap(extent: output.height, before: 1, after: 2 * extra),
      columns: AxisIndexMap(extent: output.width, before: 1, after: 2 * extra),
      inputChannels: output.channels, outputChannels: input.channels,
      outputHeight: virtualInput.height, outputWidth: virtualInput.width)
  }

  var gradientWorkspace: WorkspaceSize {
    var backward = gradient.workspaceSize
    if folds != nil { backward.shared += virtualInput.count }
    return weights.workspaceSize.union(backward)
  }

  func forward(
    _ image: ConvolutionImage, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>,
    into output: TensorView, workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    convolution.forward(
      image,
      weights: KernelMatrices(
        weights, rows: convolution.inputChannels, columns: convolution.outputChannels),
      epilogue: Epilogue(bias: bias), into: ConvolutionImage(output), workspace: workspace, on: team
    )
  }

  func inputGradient(
    _ outputGradient: TensorView, weights: UnsafePointer<Float>,
    into inputGradient: ConvolutionImage,
    reluMask: ReLUMask, workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    let adjoint = KernelMatrices(
      inputGradientOf: weights, taps: 4, turned: false, rows: gradient.inputChannels,
      columns: gradient.outputChannels)
    guard let folds else {
      gradient.forward(
        ConvolutionImage(outputGradient), weights: adjoint, epilogue: Epilogue(passing: reluMask),
        into: inputGradient, workspace: workspace, on: team)
      return
    }
    let virtualGradient = TensorView(base: workspace.shared, shape: virtualInput)
    gradient.forward(
      ConvolutionImage(outputGradient), weights: adjoint, epilogue: Epilogue(),
      into: ConvolutionImage(virtualGradient),
      workspace: workspace.shared(from: virtualInput.count),
      on: team)
    fold(
      virtualGradient, rows: folds.rows, columns: folds.columns,
      into: inputGradient, reluMask: reluMask, on: team)
  }
}

/// A transposed convolution of stride 2 and a 2x2 kernel: a 1x1 convolution for each phase.
///
/// Shapes of its operands are those of `UpConvolution`.
private struct TransposedUpsampling: Sendable {
  private let input: ImageShape
  private let output: ImageShape
  /// From the input to every second row and column of the output.
  private let phase: Im2colConvolution
  /// From the output's gradient to the input's: a convolution of stride 2.
  private let gradient: Im2colConvolution

  init(input: ImageShape, output: ImageShape) {
    self.input = input
    self.output = output
    phase = Im2colConvolution(
      rows: AxisIndexMap(extent: input.height), columns: AxisIndexMap(extent: input.width),
      kernelHeight: 1, kernelWidth: 1, inputChannels: input.channels,
      outputChannels: output.channels)
    gradient = Im2colConvolution(
      rows: AxisIndexMap(extent: output.height), columns: AxisIndexMap(extent: output.width),
      kernelHeight: 2, kernelWidth: 2, stride: 2, inputChannels: output.channels,
      outputChannels: input.channels)
  }

  private var tapCount: Int { input.channels * output.channels }

  var plan: LayerPlan {
    var phases = phase.plan
    phases.multiplyAdds *= 4
    return LayerPlan(forward: phases, inputGradient: gradient.plan, weightGradient: phases)
  }

  var forwardWorkspace: WorkspaceSize { phase.forwardWorkspace }

  var gradientWorkspace: WorkspaceSize {
    WorkspaceSize(
      thread: max(phase.threadWorkspace, gradient.threadWorkspace),
      shared: max(
        phase.sharedWorkspace, 4 * tapCount, BiasGradient.workspaceCount(output)))
  }

  func forward(
    _ image: ConvolutionImage, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>,
    into output: TensorView, workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    for tap in 0..<4 {
      phase.forward(
        image, weights: weights + tap * tapCount, epilogue: Epilogue(bias: bias),
        into: ConvolutionImage(view(of: output, tap)), workspace: workspace, on: team)
    }
  }

  func inputGradient(
    _ outputGradient: TensorView, weights: UnsafePointer<Float>,
    into inputGradient: ConvolutionImage,
    reluMask: ReLUMask, workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    transposeTaps(
      weights, taps: [0, 1, 2, 3], rows: input.channels, columns: output.channels,
      into: workspace.shared, on: team)
    gradient.forward(
      ConvolutionImage(outputGradient), weights: workspace.shared,
      epilogue: Epilogue(passing: reluMask), into: inputGradient,
      workspace: workspace, on: team)
  }

  func weightGradient(
    _ image: ConvolutionImage, outputGradient: TensorView,
    into weightGradient: UnsafeMutablePointer<Float>, workspace: ConvolutionWorkspace,
    on team: ThreadTeam
  ) {
    for tap in 0..<4 {
      phase.weightGradient(
        image, outputGradient: view(of: outputGradient, tap),
        into: weightGradient + tap * tapCount, workspace: workspace, on: team)
    }
  }

  /// Every second row and column of the output, beginning at a tap's.
  private func view(of output: TensorView, _ tap: Int) -> TensorView {
    output.everyNth(
      step: 2, row: tap / 2, column: tap % 2, height: input.height, width: input.width)
  }
}
