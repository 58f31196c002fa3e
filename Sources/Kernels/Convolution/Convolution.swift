// A convolution with bias: forward, and the gradients of its input and its weights.

package import Tensors
package import Threading

/// A convolution with a square kernel: general in kernel size, stride and padding.
///
///     output(y, x, o) = bias(o) + sum over i, j, c of
///                       input(s y + i - p, s x + j - p, c) * weight(i, j, c, o)
///
/// with p = 0 or (k - 1) / 2. Like every framework's "convolution" it does not turn the kernel.
/// Weights are [kH, kW, in, out] in row-major order, activations rows x columns x channels. All
/// results are the same bits for every number of threads.
package struct Convolution: Sendable {
  /// The extents of the input, channels of both sources together.
  package let input: ImageShape
  /// The extents of the output.
  package let output: ImageShape

  private let kernel: Int
  private let engine: ConvolutionEngine
  private let adjoint: ConvolutionInputGradient?
  private let gradientEngine: WeightGradientEngine?

  /// Plans a convolution, and of its gradients those that will be asked for.
  ///
  /// Each of its functions uses the algorithm of lowest predicted cost, or all the one given.
  ///
  /// - Precondition: the kernel fits into the padded input, and the algorithm serves it.
  package init(
    input: ImageShape, outputChannels: Int, kernel: Int, stride: Int = 1,
    border: BorderRule? = nil, inputGradient: Bool = true,
    weightGradient: Bool = true, algorithm: ConvolutionAlgorithm? = nil
  ) {
    self.input = input
    self.kernel = kernel
    let (rows, columns) = (
      Self.axis(input.height, kernel, border), Self.axis(input.width, kernel, border)
    )
    output = ImageShape(
      height: (rows.count - kernel) / stride + 1, width: (columns.count - kernel) / stride + 1,
      channels: outputChannels)
    let (height, width) = (output.height, output.width)
    func cheapest(_ function: ConvolutionAlgorithm.Function) -> ConvolutionAlgorithm {
      .cheapest(
        function, kernel: kernel, stride: stride, height: height, width: width,
        inputChannels: input.channels, outputChannels: outputChannels)
    }
    engine = ConvolutionEngine(
      algorithm ?? cheapest(.image), rows: rows, columns: columns, kernelHeight: kernel,
      kernelWidth: kernel, stride: stride, inputChannels: input.channels,
      outputChannels: outputChannels)
    gradientEngine =
      weightGradient
      ? WeightGradientEngine(
        algorithm ?? cheapest(.weights), rows: rows, columns: columns, kernel: kernel,
        stride: stride,
        inputChannels: input.channels, outputChannels: outputChannels)
      : nil
    adjoint =
      inputGradient
      ? ConvolutionInputGradient(
        input: input, output: output, kernel: kernel, stride: stride, border: border,
        rows: rows, columns: columns, algorithm: algorithm)
      : nil
  }

  private static func axis(_ extent: Int, _ kernel: Int, _ border: BorderRule?)
    -> AxisIndexMap
  {
    guard let border else { return AxisIndexMap(extent: extent) }
    return AxisIndexMap(
      extent: extent, before: (kernel - 1) / 2, after: kernel / 2, border: border)
  }

  /// Weights in all.
  package var weightCount: Int { kernel * kernel * input.channels * output.channels }

  /// How the forward pass and the gradients that were planned are computed.
  package var plan: LayerPlan {
    LayerPlan(
      forward: engine.plan, inputGradient: adjoint?.plan, weightGradient: gradientEngine?.plan)
  }

  /// Workspace that the forward pass needs.
  package var forwardWorkspaceSize: WorkspaceSize { engine.workspaceSize }

  /// Workspace that the gradients need which were planned.
  package var gradientWorkspaceSize: WorkspaceSize {
    (gradientEngine?.workspaceSize ?? WorkspaceSize())
      .union(adjoint?.workspaceSize ?? WorkspaceSize())
  }

  /// output [H', W', out] := convolution of the input [H, W, in] with weights [kH, kW, in, out], plus
  /// bias [out], through a ReLU if asked for; overwritten.
  ///
  /// Pointers need no alignment.
  package func forward(
    _ input: ConvolutionImage, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>,
    appliesReLU: Bool, into output: TensorView, workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    let epilogue = Epilogue(bias: bias, appliesReLU: appliesReLU)
    switch engine {
    case .im2col(let convolution):
      convolution.forward(
        input, weights: weights, epilogue: epilogue, into: ConvolutionImage(output),
        workspace: workspace,
        on: team)
    case .implicitGEMM(let convolution):
      convolution.forward(
        input, weights: weights, epilogue: epilogue, into: ConvolutionImage(output),
        workspace: workspace,
        on: team)
    case .tiles(let convolution):
      convolution.forward(
        input,
        weights: KernelMatrices(
          weights, rows: self.input.channels, columns: self.output.channels),
        epilogue: epilogue, into: ConvolutionImage(output), workspace: workspace, on: team)
    }
  }

  /// inputGradient [H, W, in] := the gradient of the input, given that of the output [H', W', out]
  /// before the bias, and weights [kH, kW, in, out]; overwritten.
  ///
  /// What `reluMask` covers holds the input itself, as a ReLU left it, and receives the
  /// gradient from before the ReLU: 0 where the input is not positive.
  ///
  /// - Precondition: planned with `inputGradient`.
  package func inputGradient(
    _ outputGradient: TensorView, weights: UnsafePointer<Float>,
    into inputGradient: ConvolutionImage, reluMask: ReLUMask = .none,
    workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    guard let adjoint else { preconditionFailure("planned without an input gradient") }
    adjoint.apply(
      outputGradient, weights: weights, into: inputGradient, reluMask: reluMask,
      workspace: workspace, on: team)
  }

  /// weightGradient [kH, kW, in, out] += the gradient of the weights, biasGradient [out] += that of
  /// the bias, given input [H, W, in] and outputGradient [H', W', out]; accumulated.
  ///
  /// - Precondition: planned with `weightGradient`.
  package func weightGradient(
    _ input: ConvolutionImage, outputGradient: TensorView,
    into weightGradient: UnsafeMutablePointer<Float>,
    biasGradient: UnsafeMutablePointer<Float>, workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    switch gradientEngine {
    case nil:
      preconditionFailure("planned without a weight gradient")
    case .im2col(let convolution):
      convolution.weightGradient(
        input, outputGradient: outputGradient, into: weightGradient, workspace: workspace, on: team)
      BiasGradient.add(
        outputGradient, to: biasGradient, workspace: workspace.shared, on: team)
    case .implicitGEMM(let convolution):
      convolution.addGradients(
        input, outputGradient: outputGradient, to: weightGradient, biasGradient: biasGradient,
        workspace: workspace, on: team)
    case .tiles(let gradient):
      gradient.add(
        input, outputGradient: outputGradient, to: weightGradient, biasGradient: biasGradient,
        workspace: workspace, on: team)
    }
  }
}
