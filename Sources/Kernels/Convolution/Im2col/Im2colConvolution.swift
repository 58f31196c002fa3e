// The engine of all convolutions: blocks of patches, multiplied by the weights.
//
// For a block of output pixels the patches of the input that they see are gathered side by side
// into a small matrix, which stays in the cache, and multiplied by the weights in their own order.
//
// Where a row of the kernel is long enough (many channels), a patch holds one row of the kernel,
// and the patches of a virtual row serve every kernel row: one product for each kernel row, over
// the same matrix read from another line on. Where it is short, or the stride is not 1, a patch
// holds the whole kernel, and there is one product.

import Tensors
import Threading

/// A convolution of given kernel, stride and sizes over a padded view, planned once.
///
///     output(y, x, o) = bias(o) + sum over i, j, c of
///                       input(s y + i, s x + j, c) * weight(i, j, c, o)
///
/// with the virtual input given by two axis maps over one source, or two sources side by side in
/// channels. Weights are [kH, kW, in, out] in row-major order. Sums run over (i, j, c) in an order
/// that depends on the plan alone, so the bits do not depend on the number of threads.
struct Im2colConvolution: Sendable {
  let rows: AxisIndexMap
  let columns: AxisIndexMap
  let kernelHeight: Int
  let kernelWidth: Int
  let stride: Int
  let inputChannels: Int
  let outputChannels: Int
  let outputHeight: Int
  let outputWidth: Int

  /// Rows and columns that the input has at least.
  let sourceHeight: Int
  let sourceWidth: Int
  /// Rows of the kernel in a patch: 1 or all of them.
  let patchBands: Int
  /// Floats in a patch.
  let patchSize: Int
  /// Output rows and columns in a block.
  private let blockRows: Int
  private let blockColumns: Int
  /// Blocks along a column and along a row of the output.
  let blocksDown: Int
  let blocksAcross: Int
  /// Whether the weights are one narrow panel as they lie, so that no product need rearrange them.
  let isPanel: Bool
  /// Output channels in a task of the forward pass, and tasks side by side.
  private let forwardChannels: Int
  private let forwardSplits: Int
  /// Parts of the sum over pixels in the weight gradient, each with its own partial result.
  let gradientSlices: Int
  /// Output channels in a task of the weight gradient, and tasks side by side.
  let gradientChannels: Int
  let gradientSplits: Int

  init(
    rows: AxisIndexMap, columns: AxisIndexMap, kernelHeight: Int, kernelWidth: Int, stride: Int = 1,
    inputChannels: Int, outputChannels: Int
  ) {
    precondition(
      rows.count >= kernelHeight && columns.count >= kernelWidth,
      "a kernel of \(kernelHeight) x \(kernelWidth) over \(rows.count) x \(columns.count)")
    self.rows = rows
    self.columns = columns
    self.kernelHeight = kernelHeight
    self.kernelWidth = kernelWidth
    self.stride = stride
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    sourceHeight = (rows.sources.max() ?? -1) + 1
    sourceWidth = (columns.sources.max() ?? -1) + 1
    outputHeight = (rows.count - kernelHeight) / stride + 1
    outputWidth = (columns.count - kernelWidth) / stride + 1

    let rowLength = kernelWidth * inputChannels
    patchBands = stride > 1 || rowLength <= Self.longestWholePatchRow ? kernelHeight : 1
    patchSize = patchBands * rowLength
    isPanel =
      patchBands == kernelHeight && outputChannels <= PanelProduct.widestPanel
      && outputChannels.isMultiple(of: 16)

    // A block has enough pixels for a product to be worth packing the weights for, more where the
    // weights are many, and is cut evenly.
    let targetPixels = inputChannels * outputChannels >= Self.largeWeights ? 1024 : 512
    let across = (outputWidth + Self.widestBlock - 1) / Self.widestBlock
    blockColumns = (outputWidth + across - 1) / across
    let down = max(1, (outputHeight * blockColumns + targetPixels / 2) / targetPixels)
    blockRows = (outputHeight + down - 1) / down
    blocksAcross = (outputWidth + blockColumns - 1) / blockColumns
    blocksDown = (outputHeight + blockRows - 1) / blockRows
    let blocks = blocksAcross * blocksDown

    (forwardChannels, forwardSplits) = Self.split(outputChannels, tasks: blocks)

    let weightCount = kernelHeight * kernelWidth * inputChannels * outputChannels
    gradientSlices = weightCount <= Self.largestSlicedWeights ? min(blocks, Self.slices) : 1
    (gradientChannels, gradientSplits) =
      gradientSlices > 1
      ? (outputChannels, 1)
      : Self.split(outputChannels, tasks: kernelHeight / patchBands)
  }

  // Measured choices; see docs/engine.md.
  /// Floats of a kernel's row up to which a patch holds the whole kernel.
  private static let longestWholePatchRow = 40
  /// Weights a tap from which blocks are larger.
  private static let largeWeights = 256 * 256
  /// Columns of a block at most, so that its patches stay in the cache.
  private static let widestBlock = 64
  /// Weights up to which the weight gradient is summed in slices with partial results.
  private static let largestSlicedWeights = 150_000
  /// Slices of the sum over pixels; a fixed number, so that it does not follow the threads.
  private static let slices = 16
  /// Tasks wanted, so that threads end together.
  private static let wantedTasks = 8
  /// Channels in a task at least.
  private static let fewestChannels = 64

  /// Divides `channels` so that there are enough tasks: channels in each, and how many.
  private static func split(_ channels: Int, tasks: Int) -> (channels: Int, splits: Int) {
    let wanted = (wantedTasks + tasks - 1) / tasks
    let size = max(fewestChannels, (channels / max(1, wanted) + 15) / 16 * 16)
    guard size < channels else { return (channels, 1) }
    return (size, (channels + size - 1) / size)
  }

  /// Lines of patches gathered for a block of `rows` output rows.
  private func patchLines(forRows rows: Int) -> Int {
    patchBands == kernelHeight ? rows : rows + kernelHeight - 1
  }

  /// What it is and does; forward and weight gradient alike.
  var plan: KernelPlan {
    KernelPlan(
      algorithm: .im2col,
      multiplyAdds: outputHeight * outputWidth * kernelHeight * kernelWidth * inputChannels
        * outputChannels)
  }

  // MARK: Workspace

  /// Floats of workspace that a thread needs in `forward` and `weightGradient`.
  var threadWorkspace: Int {
    let pixels = blockRows * blockColumns
    let patches = patchLines(forRows: blockRows) * blockColumns * patchSize
    return patches + pixels * outputChannels
  }

  /// Workspace that `forward` needs.
  var forwardWorkspace: WorkspaceSize { WorkspaceSize(thread: threadWorkspace) }

  /// Floats of shared workspace that `weightGradient` needs.
  var sharedWorkspace: Int {
    gradientSlices > 1
      ? gradientSlices * kernelHeight * kernelWidth * inputChannels * outputChannels : 0
  }

  // MARK: Gathering patches

  /// Gathers the patches of a block of output pixels.
  ///
  /// `patches` [lines, columns, bands, kW, in] is overwritten: line l holds those whose first kernel
  /// row is virtual row (firstLine + l) * stride.
  func gather(
    _ input: ConvolutionImage, firstLine: Int, lines: Int, firstColumn: Int, columns width: Int,
    into patches: UnsafeMutablePointer<Float>
  ) {
    let rowLength = kernelWidth * inputChannels
    rows.sources.withUnsafeBufferPointer { rowSources in
      columns.sources.withUnsafeBufferPointer { columnSources in
        for line in 0..<lines {
          for band in 0..<patchBands {
            let source = rowSources[(firstLine + line) * stride + band]
            var target = patches + line * width * patchSize + band * rowLength
            if source < 0 {
              for _ in 0..<width {
                target.update(repeating: 0, count: rowLength)
                target += patchSize
              }
              continue
            }
            for x in 0..<width {
              let firstTap = (firstColumn + x) * stride
              let first = columnSources[firstTap]
              if input.second == nil, first >= 0,
                columnSources[firstTap + kernelWidth - 1] == first + kernelWidth - 1
              {
                copyFloats(input.first.pixel(source, first), to: target, count: rowLength)
              } else {
                gatherTaps(input, row: source, columnSources, firstTap: firstTap, into: target)
              }
              target += patchSize
            }
          }
        }
      }
    }
  }

  /// target [kW, in] := one kernel row of one patch, tap by tap: at borders, and for two sources.
  @inline(__always)
  private func gatherTaps(
    _ input: ConvolutionImage, row: Int, _ columnSources: UnsafeBufferPointer<Int>, firstTap: Int,
    into target: UnsafeMutablePointer<Float>
  ) {
    let firstChannels = input.first.shape.channels
    for tap in 0..<kernelWidth {
      let column = columnSources[firstTap + tap]
      let place = target + tap * inputChannels
      if column < 0 {
        place.update(repeating: 0, count: inputChannels)
      } else {
        copyFloats(input.first.pixel(row, column), to: place, count: firstChannels)
        if let second = input.second {
          copyFloats(
            second.pixel(row, column), to: place + firstChannels, count: second.shape.channels)
        }
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
      input.first.shape.height >= sourceHeight && input.first.shape.width >= sourceWidth
        && input.hasDensePixels && input.channels == inputChannels
        && output.channels == outputChannels
        && output.first.shape.height == outputHeight && output.first.shape.width == outputWidth,
      "a convolution to \(outputHeight) x \(outputWidth) x \(outputChannels) of "
        + "\(inputChannels) channels, given \(input.channels) and \(output.first.shape)")
    let operands = ForwardOperands(
      plan: self, input: input, weights: weights, epilogue: epilogue, output: output,
      workspace: workspace)
    team.forEach(blocksDown * blocksAcross * forwardSplits, operands) { operands, task, thread in
      operands.plan.forwardTask(operands, task: task, thread: thread)
    }
  }

  /// What the tasks of a forward pass work on.
  private struct ForwardOperands {
    let plan: Im2colConvolution
    let input: ConvolutionImage
    let weights: UnsafePointer<Float>
    let epilogue: Epilogue
    let output: ConvolutionImage
    let workspace: ConvolutionWorkspace
  }

  /// One block of output pixels and one part of the output channels.
  private func forwardTask(_ operands: ForwardOperands, task: Int, thread: Int) {
    let firstChannel = task % forwardSplits * forwardChannels
    let channels = min(forwardChannels, outputChannels - firstChannel)
    let block = self.block(task / forwardSplits)
    let lines = patchLines(forRows: block.height)
    let patches = operands.workspace.thread(thread)
    let products = patches + lines * block.width * patchSize
    gather(
      operands.input, firstLine: block.firstRow, lines: lines, firstColumn: block.firstColumn,
      columns: block.width, into: patches)
    if isPanel {
      PanelProduct.multiply(
        rows: block.pixels, columns: channels, depth: patchSize,
        .init(base: patches, rowStride: patchSize, depthStride: 1), panel: operands.weights,
        into: products, accumulating: false)
    } else {
      for band in 0..<kernelHeight / patchBands {
        MatrixProduct.multiply(
          rows: block.pixels, columns: channels, depth: patchSize,
          .init(base: patches + band * block.width * patchSize, rowStride: patchSize),
          .init(
            base: operands.weights + band * kernelWidth * inputChannels * outputChannels
              + firstChannel, rowStride: outputChannels),
          into: products, rowStride: channels, accumulating: band > 0)
      }
    }
    for y in 0..<block.height {
      for x in 0..<block.width {
        operands.output.store(
          products + (y * block.width + x) * channels, channels: channels,
          firstChannel: firstChannel, y: block.firstRow + y, x: block.firstColumn + x,
          epilogue: operands.epilogue)
      }
    }
  }

  /// A block of output pixels.
  struct Block {
    let firstRow: Int
    let height: Int
    let firstColumn: Int
    let width: Int

    var pixels: Int { height * width }
  }

  /// The block of a number, in rows from the top left.
  func block(_ index: Int) -> Block {
    let firstRow = index / blocksAcross * blockRows
    let firstColumn = index % blocksAcross * blockColumns
    return Block(
      firstRow: firstRow, height: min(blockRows, outputHeight - firstRow),
      firstColumn: firstColumn, width: min(blockColumns, outputWidth - firstColumn))
  }
}
