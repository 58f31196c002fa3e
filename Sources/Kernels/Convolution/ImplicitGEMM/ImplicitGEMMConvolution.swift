// The engine of convolutions with few input channels: the kernel's taps over lines of the image.
//
// Neighbouring outputs see patches that overlap in memory: the patch of pixel x begins `channels`
// floats after that of pixel x - 1. So where lines of the image lie in memory side by side, they
// are a matrix of patches already, and nothing is gathered or transformed. With one or a few
// channels that is less work than any tile transform, which handles sixteen channels at a time.

import Tensors
import Threading

/// A convolution of stride 1 over a padded view, planned once.
///
///     output(y, x, o) = bias(o) + sum over i, j, c of input(y + i, x + j, c) * weight(i, j, c, o)
///
/// with the virtual input given by two axis maps. Weights are [kH, kW, in, out] in row-major order.
/// Sums run over (i, j, c) in order, those over pixels in a fixed number of bands, so the bits do
/// not depend on the number of threads.
struct ImplicitGEMMConvolution: Sendable {
  let rows: AxisIndexMap
  let columns: AxisIndexMap
  let kernelHeight: Int
  let kernelWidth: Int
  let inputChannels: Int
  let outputChannels: Int
  let outputHeight: Int
  let outputWidth: Int

  private let groups: ChannelGroups

  init(
    rows: AxisIndexMap, columns: AxisIndexMap, kernelHeight: Int, kernelWidth: Int,
    inputChannels: Int,
    outputChannels: Int
  ) {
    precondition(
      rows.count >= kernelHeight && columns.count >= kernelWidth,
      "a kernel of \(kernelHeight) x \(kernelWidth) over \(rows.count) x \(columns.count)")
    self.rows = rows
    self.columns = columns
    self.kernelHeight = kernelHeight
    self.kernelWidth = kernelWidth
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    outputHeight = rows.count - kernelHeight + 1
    outputWidth = columns.count - kernelWidth + 1
    groups = ChannelGroups(outputChannels)
  }

  /// Output rows in a task of the forward pass, and of which lines are copied together.
  private static let bandRows = 8
  /// Pixels of a product, so that it stays in the first cache.
  private static let blockPixels = 64
  /// Parts of the sum over pixels in the weight gradient: a fixed number, so that it does not
  /// follow the threads.
  private static let slices = 16

  /// Floats of a virtual line.
  private var lineLength: Int { columns.count * inputChannels }
  /// Floats of a kernel row's part of a patch.
  private var rowLength: Int { kernelWidth * inputChannels }
  private var patchSize: Int { kernelHeight * rowLength }

  /// What it is and does; forward and weight gradient alike.
  var plan: KernelPlan {
    KernelPlan(
      algorithm: .implicitGEMM,
      multiplyAdds: outputHeight * outputWidth * patchSize * groups.paddedChannels)
  }

  // MARK: Workspace

  private var linesCount: Int { (Self.bandRows + kernelHeight - 1) * lineLength }
  private var blockCount: Int { Self.blockPixels * groups.widest }

  /// Workspace that `forward` needs.
  var forwardWorkspace: WorkspaceSize {
    WorkspaceSize(thread: linesCount + blockCount, shared: patchSize * groups.paddedChannels)
  }

  /// Workspace that `addGradients` needs.
  var gradientWorkspace: WorkspaceSize {
    WorkspaceSize(thread: linesCount + blockCount, shared: Self.slices * sliceCount)
  }

  /// Floats of a slice's sums: weights, then biases, in groups of channels.
  private var sliceCount: Int { (patchSize + 1) * groups.paddedChannels }

  // MARK: Lines and weights

  /// lines [count, virtual columns, in] := the virtual lines from `first` on, side by side.
  private func copyLines(
    _ input: ConvolutionImage, first: Int, count: Int, into lines: UnsafeMutablePointer<Float>
  ) {
    for line in 0..<count {
      let target = lines + line * lineLength
      let row = rows.sources[first + line]
      guard row >= 0 else {
        target.update(repeating: 0, count: lineLength)
        continue
      }
      for (x, column) in columns.sources.enumerated() {
        let pixel = target + x * inputChannels
        if column < 0 {
          pixel.update(repeating: 0, count: inputChannels)
        } else {
          input.load(channel: 0, count: inputChannels, y: row, x: column, into: pixel)
        }
      }
    }
  }

  /// The patch [kH, kW, in] of the first pixel of a line, as a row of a product; `lines` as above.
  private func patches(_ lines: UnsafePointer<Float>) -> PanelProduct.Rows {
    .init(
      base: lines, rowStride: inputChannels, depthStride: 1, segments: kernelHeight,
      segmentStride: lineLength)
  }

  /// panels [group, kH, kW, in, padded width] := the weights [kH, kW, in, out] by groups of output
  /// channels, with zeros beyond the last.
  private func copyWeights(
    _ weights: UnsafePointer<Float>, into panels: UnsafeMutablePointer<Float>
  ) {
    for group in 0..<groups.count {
      let (channels, width) = (groups.columns(group), groups.paddedWidth(group))
      let panel = panels + channels.lowerBound * patchSize
      panel.update(repeating: 0, count: patchSize * width)
      for tap in 0..<patchSize {
        copyFloats(
          weights + tap * outputChannels + channels.lowerBound, to: panel + tap * width,
          count: channels.count)
      }
    }
  }

  // MARK: Forward

  /// output [H', W', out] := input [H, W, in] * weights [kH, kW, in, out] by `epilogue`;
  /// overwritten.
  func forward(
    _ input: ConvolutionImage, weights: UnsafePointer<Float>, epilogue: Epilogue,
    into output: ConvolutionImage, workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    precondition(
      input.channels == inputChannels && output.channels == outputChannels
        && output.first.shape.height == outputHeight && output.first.shape.width == outputWidth,
      "a convolution to \(outputHeight) x \(outputWidth) x \(outputChannels) of "
        + "\(inputChannels) channels, given \(input.channels) and \(output.first.shape)")
    copyWeights(weights, into: workspace.shared)
    let operands = ForwardOperands(
      plan: self, input: input, epilogue: epilogue, output: output, workspace: workspace)
    let bands = (outputHeight + Self.bandRows - 1) / Self.bandRows
    team.forEach(bands, operands) { operands, band, thread in
      operands.convolve(band: band, thread: thread)
    }
  }

  /// What the tasks of a forward pass work on.
  private struct ForwardOperands {
    let plan: ImplicitGEMMConvolution
    let input: ConvolutionImage
    let epilogue: Epilogue
    let output: ConvolutionImage
    let workspace: ConvolutionWorkspace

    func convolve(band: Int, thread: Int) {
      let first = band * ImplicitGEMMConvolution.bandRows
      let count = min(ImplicitGEMMConvolution.bandRows, plan.outputHeight - first)
      let lines = workspace.thread(thread)
      let products = lines + plan.linesCount
      plan.copyLines(input, first: first, count: count + plan.kernelHeight - 1, into: lines)
      for y in 0..<count {
        for x in stride(from: 0, to: plan.outputWidth, by: ImplicitGEMMConvolution.blockPixels) {
          let pixels = min(ImplicitGEMMConvolution.blockPixels, plan.outputWidth - x)
          for group in 0..<plan.groups.count {
            let (channels, width) = (plan.groups.columns(group), plan.groups.paddedWidth(group))
            PanelProduct.multiply(
              rows: pixels, columns: width, depth: plan.rowLength,
              plan.patches(lines + y * plan.lineLength + x * plan.inputChannels),
              panel: workspace.shared + channels.lowerBound * plan.patchSize, into: products,
              accumulating: false)
            for pixel in 0..<pixels {
              output.store(
                products + pixel * width, channels: channels.count,
                firstChannel: channels.lowerBound, y: first + y, x: x + pixel, epilogue: epilogue)
            }
          }
        }
      }
    }
  }

  // MARK: Gradients of weights and bias

  /// weightGradient(i, j, c, o) += sum over y, x of input(y + i, x + j, c) * gradient(y, x, o), and
  /// biasGradient(o) += sum over y, x of gradient(y, x, o); accumulated.
  func addGradients(
    _ input: ConvolutionImage, outputGradient: TensorView,
    to weightGradient: UnsafeMutablePointer<Float>, biasGradient: UnsafeMutablePointer<Float>,
    workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    precondition(
      input.channels == inputChannels && outputGradient.shape.channels == outputChannels
        && outputGradient.shape.height == outputHeight
        && outputGradient.shape.width == outputWidth,
      "a weight gradient of \(inputChannels) to \(outputChannels) channels at \(outputHeight) x "
        + "\(outputWidth), given \(input.channels) and \(outputGradient.shape)")
    let operands = GradientOperands(
      plan: self, input: input, outputGradient: outputGradient, workspace: workspace)
    team.forEach(Self.slices, operands) { operands, slice, thread in
      operands.sum(slice: slice, thread: thread)
    }
    for group in 0..<groups.count {
      let (channels, width) = (groups.columns(group), groups.paddedWidth(group))
      for tap in 0...patchSize {
        let sums = workspace.shared + channels.lowerBound * (patchSize + 1) + tap * width
        for channel in channels {
          var sum = 0.0
          for slice in 0..<Self.slices {
            sum += Double(sums[slice * sliceCount + channel - channels.lowerBound])
          }
          if tap < patchSize {
            weightGradient[tap * outputChannels + channel] += Float(sum)
          } else {
            biasGradient[channel] += Float(sum)
          }
        }
      }
    }
  }

  /// What the tasks of the gradients work on.
  private struct GradientOperands {
    let plan: ImplicitGEMMConvolution
    let input: ConvolutionImage
    let outputGradient: TensorView
    let workspace: ConvolutionWorkspace

    /// Overwrites a slice's sums by those over its rows.
    func sum(slice: Int, thread: Int) {
      let slices = ImplicitGEMMConvolution.slices
      let rows = slice * plan.outputHeight / slices..<(slice + 1) * plan.outputHeight / slices
      let sums = workspace.shared + slice * plan.sliceCount
      sums.update(repeating: 0, count: plan.sliceCount)
      let lines = workspace.thread(thread)
      for first in stride(
        from: rows.lowerBound, to: rows.upperBound, by: ImplicitGEMMConvolution.bandRows)
      {
        let count = min(ImplicitGEMMConvolution.bandRows, rows.upperBound - first)
        plan.copyLines(input, first: first, count: count + plan.kernelHeight - 1, into: lines)
        for y in 0..<count {
          add(row: first + y, lines: lines + y * plan.lineLength, to: sums, thread: thread)
        }
      }
    }

    /// sums [group, kH, kW, in, padded width], then biases, += the part of one row of the output;
    /// `lines` begins at the first line that the row sees.
    private func add(
      row: Int, lines: UnsafePointer<Float>, to sums: UnsafeMutablePointer<Float>, thread: Int
    ) {
      let gradients = workspace.thread(thread) + plan.linesCount
      for x in stride(from: 0, to: plan.outputWidth, by: ImplicitGEMMConvolution.blockPixels) {
        let pixels = min(ImplicitGEMMConvolution.blockPixels, plan.outputWidth - x)
        for group in 0..<plan.groups.count {
          let (channels, width) = (plan.groups.columns(group), plan.groups.paddedWidth(group))
          let sums = sums + channels.lowerBound * (plan.patchSize + 1)
          gradients.update(repeating: 0, count: channels.count < width ? pixels * width : 0)
          for pixel in 0..<pixels {
            copyFloats(
              outputGradient.pixel(row, x + pixel) + channels.lowerBound,
              to: gradients + pixel * width, count: channels.count)
          }
          for i in 0..<plan.kernelHeight {
            PanelProduct.multiply(
              rows: plan.rowLength, columns: width, depth: pixels,
              .init(
                base: lines + i * plan.lineLength + x * plan.inputChannels, rowStride: 1,
                depthStride: plan.inputChannels),
              panel: gradients, into: sums + i * plan.rowLength * width, accumulating: true)
          }
          sumLines(
            gradients, count: pixels, width: width, into: sums + plan.patchSize * width,
            accumulating: true)
        }
      }
    }
  }
}
