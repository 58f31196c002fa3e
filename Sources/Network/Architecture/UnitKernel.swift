// What computes a unit: a convolution or an up-convolution, planned for its input.

package import Kernels
package import Tensors
package import Threading

/// The kernel of a unit, planned for the extents of its input.
package enum UnitKernel: Sendable {
  case convolution(Convolution)
  case upConvolution(UpConvolution)

  /// How the forward pass and the gradients that were planned are computed.
  package var plan: LayerPlan {
    switch self {
    case .convolution(let convolution): convolution.plan
    case .upConvolution(let upConvolution): upConvolution.plan
    }
  }

  /// Workspace that the forward pass needs.
  package var forwardWorkspaceSize: WorkspaceSize {
    switch self {
    case .convolution(let convolution): convolution.forwardWorkspaceSize
    case .upConvolution(let upConvolution): upConvolution.forwardWorkspaceSize
    }
  }

  /// Workspace that the gradients need which were planned.
  package var gradientWorkspaceSize: WorkspaceSize {
    switch self {
    case .convolution(let convolution): convolution.gradientWorkspaceSize
    case .upConvolution(let upConvolution): upConvolution.gradientWorkspaceSize
    }
  }

  /// output := the kernel's function of the input, plus bias; overwritten.
  ///
  /// Shapes are those of `Convolution` and `UpConvolution`; an up-convolution never has a ReLU.
  package func forward(
    _ input: ConvolutionImage, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>,
    appliesReLU: Bool, into output: TensorView, workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    switch self {
    case .convolution(let convolution):
      convolution.forward(
        input, weights: weights, bias: bias, appliesReLU: appliesReLU, into: output,
        workspace: workspace, on: team)
    case .upConvolution(let upConvolution):
      precondition(!appliesReLU, "an up-convolution with a ReLU")
      upConvolution.forward(
        input, weights: weights, bias: bias, into: output, workspace: workspace, on: team)
    }
  }

  /// inputGradient := the gradient of the input; overwritten.
  ///
  /// See `Convolution.inputGradient` for the mask.
  package func inputGradient(
    _ outputGradient: TensorView, weights: UnsafePointer<Float>,
    into inputGradient: ConvolutionImage, reluMask: ReLUMask = .none,
    workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    switch self {
    case .convolution(let convolution):
      convolution.inputGradient(
        outputGradient, weights: weights, into: inputGradient, reluMask: reluMask,
        workspace: workspace, on: team)
    case .upConvolution(let upConvolution):
      upConvolution.inputGradient(
        outputGradient, weights: weights, into: inputGradient, reluMask: reluMask,
        workspace: workspace, on: team)
    }
  }

  /// weightGradient += the gradient of the weights, biasGradient += that of the bias; accumulated.
  package func weightGradient(
    _ input: ConvolutionImage, outputGradient: TensorView,
    into weightGradient: UnsafeMutablePointer<Float>,
    biasGradient: UnsafeMutablePointer<Float>, workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    switch self {
    case .convolution(let convolution):
      convolution.weightGradient(
        input, outputGradient: outputGradient, into: weightGradient, biasGradient: biasGradient,
        workspace: workspace, on: team)
    case .upConvolution(let upConvolution):
      upConvolution.weightGradient(
        input, outputGradient: outputGradient, into: weightGradient, biasGradient: biasGradient,
        workspace: workspace, on: team)
    }
  }
}
