// The passes of a unit: its output from its input, and its gradients back.

import Kernels
import Tensors
import Threading

extension ConvolutionUnit {
  /// The unit's output := what it makes of `input`, before dropout; overwritten, and with it its sums
  /// and their statistics.
  ///
  /// `input` has the extents that `memory` was planned for; `parameters` is the network's flat
  /// buffer, and `running` where its statistics begin, unless those of the sample are wanted.
  func forward(
    _ input: ConvolutionImage, memory: UNetActivations.UnitMemory,
    parameters: UnsafePointer<Float>, running: UnsafePointer<Float>?, on team: ThreadTeam
  ) {
    let places = memory.forward
    let workspace = memory.workspaces.forward
    convolve(
      input, kernel: memory.kernel, parameters: parameters, into: places.sums,
      workspace: workspace, on: team)
    guard let normalized = memory.normalization else { return }
    if let running, let slots = normalization?.running {
      normalized.kernel.take(
        means: running + slots.mean.offset, variances: running + slots.variance.offset,
        into: normalized.statistics)
    } else {
      normalized.kernel.measure(
        places.sums, into: normalized.statistics, workspace: workspace, on: team)
    }
    normalize(
      places, by: normalized, parameters: parameters, workspace: workspace, on: team)
  }

  /// Computes again what the forward pass did not keep of the output, in its `places` of the backward pass, be they of
  /// its centre; its sums too, where it was given the `input` they are of.
  func recompute(
    from input: ConvolutionImage?, _ places: UNetActivations.Places,
    memory: UNetActivations.UnitMemory, parameters: UnsafePointer<Float>, on team: ThreadTeam
  ) {
    let workspace = memory.workspaces.again
    if let input {
      convolve(
        input, kernel: memory.kernel, parameters: parameters, into: memory.backward.sums,
        workspace: workspace, on: team)
    }
    if isNormalizedAnew, let normalized = memory.normalization {
      normalize(
        places, by: normalized, parameters: parameters, workspace: workspace, on: team)
    }
  }

  private func convolve(
    _ input: ConvolutionImage, kernel: UnitKernel, parameters: UnsafePointer<Float>,
    into sums: TensorView, workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    kernel.forward(
      input, weights: parameters + weight.offset, bias: parameters + bias.offset,
      appliesReLU: appliesReLU && normalization == nil, into: sums, workspace: workspace, on: team)
  }

  private func normalize(
    _ places: UNetActivations.Places, by memory: UNetActivations.NormalizationMemory,
    parameters: UnsafePointer<Float>, workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    guard let normalization else { return }
    memory.kernel.apply(
      places.sums, statistics: memory.statistics, scale: parameters + normalization.scale.offset,
      shift: parameters + normalization.shift.offset, into: places.output, workspace: workspace,
      on: team)
  }

  /// Takes the gradient of the output, from before its ReLU, back to before the normalization.
  ///
  /// Adds those of scale and shift to the network's flat buffer `gradients`, and writes that of the
  /// sums over them. Nothing is done without a normalization.
  func takeBackNormalization(
    _ memory: UNetActivations.UnitMemory, parameters: UnsafePointer<Float>,
    gradients: UnsafeMutablePointer<Float>, on team: ThreadTeam
  ) {
    guard let normalization, let normalized = memory.normalization else { return }
    normalized.kernel.backward(
      memory.backward.sums, outputGradient: memory.backward.output,
      statistics: normalized.statistics, scale: parameters + normalization.scale.offset,
      scaleGradient: gradients + normalization.scale.offset,
      shiftGradient: gradients + normalization.shift.offset,
      workspace: memory.workspaces.backward, on: team)
  }

  /// Adds `share` times the statistics of the sample to where running averages stand in `gradients`,
  /// whose statistics begin there.
  func addStatistics(
    _ memory: UNetActivations.UnitMemory, share: Float, to gradients: UnsafeMutablePointer<Float>
  ) {
    guard let slots = normalization?.running, let normalized = memory.normalization else { return }
    normalized.kernel.add(
      normalized.statistics, share: share, toMeans: gradients + slots.mean.offset,
      variances: gradients + slots.variance.offset)
  }

  /// Adds the gradients of the convolution's parameters to the network's flat buffer `gradients`,
  /// calls `ready` with the offset from which on they are final, then writes the gradient of the
  /// input over the input.
  ///
  /// The gradient of the convolution's output is where the sums were. The image's is not computed.
  func takeBackConvolution(
    _ input: ConvolutionImage, memory: UNetActivations.UnitMemory, reluMask: ReLUMask,
    parameters: UnsafePointer<Float>, gradients: UnsafeMutablePointer<Float>, on team: ThreadTeam,
    ready: (_ offset: Int) -> Void
  ) {
    let sumsGradient = memory.backward.sums
    let workspace = memory.workspaces.backward
    memory.kernel.weightGradient(
      input, outputGradient: sumsGradient, into: gradients + weight.offset,
      biasGradient: gradients + bias.offset, workspace: workspace, on: team)
    ready(weight.offset)
    guard !readsImage else { return }
    memory.kernel.inputGradient(
      sumsGradient, weights: parameters + weight.offset, into: input, reluMask: reluMask,
      workspace: workspace, on: team)
  }
}
