// The weight gradient of a convolution by im2col.

import Tensors
import Threading

extension Im2colConvolution {
  /// weightGradient [kH, kW, in, out] is accumulated:
  /// weightGradient(i, j, c, o) += sum over y, x of input(s y + i, s x + j, c) * gradient(y, x, o).
  func weightGradient(
    _ input: ConvolutionImage, outputGradient: TensorView,
    into weightGradient: UnsafeMutablePointer<Float>, workspace: ConvolutionWorkspace,
    on team: ThreadTeam
  ) {
    precondition(
      input.first.shape.height >= sourceHeight && input.first.shape.width >= sourceWidth
        && input.hasDensePixels && input.channels == inputChannels
        && outputGradient.shape.channels == outputChannels
        && outputGradient.shape.height == outputHeight
        && outputGradient.shape.width == outputWidth,
      "a weight gradient of \(inputChannels) to \(outputChannels) channels at \(outputHeight) x "
        + "\(outputWidth), given \(input.channels) and \(outputGradient.shape)")
    let operands = GradientOperands(
      plan: self, input: input, outputGradient: outputGradient, weightGradient: weightGradient,
      workspace: workspace)
    if gradientSlices == 1 {
      let bands = kernelHeight / patchBands
      team.forEach(bands * gradientSplits, operands) { operands, task, thread in
        operands.plan.addChannels(operands, task: task, thread: thread)
      }
      return
    }
    team.forEach(gradientSlices, operands) { operands, slice, thread in
      operands.plan.sumSlice(operands, slice: slice, thread: thread)
    }
    forEachBlock(weightCount, operands, on: team) { operands, block in
      let partials = operands.workspace.shared
      for index in block {
        var sum = partials[index]
        for slice in 1..<operands.plan.gradientSlices {
          sum += partials[slice * operands.plan.weightCount + index]
        }
        operands.weightGradient[index] += sum
      }
    }
  }

  /// What the tasks of a weight gradient work on.
  private struct GradientOperands {
    let plan: Im2colConvolution
    let input: ConvolutionImage
    let outputGradient: TensorView
    let weightGradient: UnsafeMutablePointer<Float>
    let workspace: ConvolutionWorkspace
  }

  var weightCount: Int { kernelHeight * kernelWidth * inputChannels * outputChannels }

  /// Adds all pixels' part of one kernel band and some output channels.
  private func addChannels(_ operands: GradientOperands, task: Int, thread: Int) {
    let band = task / gradientSplits
    let firstChannel = task % gradientSplits * gradientChannels
    addWeightGradient(
      operands.input, operands.outputGradient, blocks: 0..<blocksDown * blocksAcross,
      bands: band..<band + 1, firstChannel: firstChannel,
      channels: min(gradientChannels, outputChannels - firstChannel),
      into: operands.weightGradient, workspace: operands.workspace.thread(thread))
  }

  /// Overwrites one slice's partial result with the part of its blocks.
  private func sumSlice(_ operands: GradientOperands, slice: Int, thread: Int) {
    let blocks = blocksDown * blocksAcross
    let partial = operands.workspace.shared + slice * weightCount
    partial.update(repeating: 0, count: weightCount)
    addWeightGradient(
      operands.input, operands.outputGradient,
      blocks: slice * blocks / gradientSlices..<(slice + 1) * blocks / gradientSlices,
      bands: 0..<kernelHeight / patchBands, firstChannel: 0, channels: outputChannels,
      into: partial, workspace: operands.workspace.thread(thread))
  }

  /// Adds the part of some blocks, kernel bands and output channels to a weight gradient
  /// [kH, kW, in, out]; `patches` is the workspace of a thread.
  private func addWeightGradient(
    _ input: ConvolutionImage, _ outputGradient: TensorView, blocks: Range<Int>,
    bands: Range<Int>, firstChannel: Int, channels: Int,
    into weightGradient: UnsafeMutablePointer<Float>,
    workspace patches: UnsafeMutablePointer<Float>
  ) {
    let rowLength = kernelWidth * inputChannels
    for index in blocks {
      let block = self.block(index)
      let lines = block.height + (patchBands == kernelHeight ? 0 : bands.count - 1)
      let gradients = patches + lines * block.width * patchSize
      gather(
        input, firstLine: block.firstRow + (patchBands == kernelHeight ? 0 : bands.lowerBound),
        lines: lines, firstColumn: block.firstColumn, columns: block.width, into: patches)
      for y in 0..<block.height {
        for x in 0..<block.width {
          copyFloats(
            outputGradient.pixel(block.firstRow + y, block.firstColumn + x) + firstChannel,
            to: gradients + (y * block.width + x) * channels, count: channels)
        }
      }
      if isPanel {
        PanelProduct.multiply(
          rows: patchSize, columns: channels, depth: block.pixels,
          .init(base: patches, rowStride: 1, depthStride: patchSize), panel: gradients,
          into: weightGradient, accumulating: true)
        continue
      }
      for band in bands {
        MatrixProduct.multiply(
          rows: patchSize, columns: channels, depth: block.pixels,
          .init(
            base: patches + (band - bands.lowerBound) * block.width * patchSize,
            rowStride: patchSize, transposed: true),
          .init(base: gradients, rowStride: channels),
          into: weightGradient + band * rowLength * outputChannels + firstChannel,
          rowStride: outputChannels, accumulating: true)
      }
    }
  }
}
