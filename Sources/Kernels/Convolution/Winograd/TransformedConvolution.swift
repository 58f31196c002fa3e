// The engine of fast convolutions: tiles and kernels transformed, multiplied plane by plane.
//
// Where tiles are many, a thread takes a block of them through all three stages, with the
// transformed tiles and their products in its own cache, and the transformed weights are made once
// for all. Where tiles are few and weights many, the transformed tiles are made once for all; a
// thread takes some output channels, and transforms their weights into its own cache, block by
// block of the summed channels, so that transformed weights never travel through memory.

import Tensors
import Threading

/// A convolution by a tile transform, of given sizes, over a padded view; planned once.
///
/// Sums over the input channels run in an order that depends on the plan alone, so the bits do not
/// depend on the number of threads.
struct TransformedConvolution<Transform: TileTransform>: Sendable {
  let rows: AxisIndexMap
  let columns: AxisIndexMap
  let inputChannels: Int
  let outputChannels: Int
  let outputHeight: Int
  let outputWidth: Int
  /// How the work is shared out.
  let schedule: TileSchedule

  private let tiles: TileGrid
  private let groups: ChannelGroups
  /// Input channels whose products are summed in registers, and how many such blocks there are.
  private let depthBlock: Int
  private let depthBlocks: Int
  /// Tiles in a task at most, and tasks side by side.
  private let blockTiles: Int
  private let blocks: Int

  init(
    rows: AxisIndexMap, columns: AxisIndexMap, inputChannels: Int, outputChannels: Int,
    outputHeight: Int,
    outputWidth: Int
  ) {
    self.rows = rows
    self.columns = columns
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.outputHeight = outputHeight
    self.outputWidth = outputWidth
    tiles = TileGrid(
      height: outputHeight, width: outputWidth, extent: Transform.outputExtent)
    groups = ChannelGroups(outputChannels)
    schedule = TileSchedule(
      planes: Transform.planes, tiles: tiles.count, inputChannels: inputChannels,
      outputChannels: outputChannels)
    let deepest = schedule.deepestBlock
    depthBlocks = (inputChannels + deepest - 1) / deepest
    depthBlock = ((inputChannels + depthBlocks - 1) / depthBlocks + 15) / 16 * 16
    switch schedule {
    case .tileBlocks:
      let most = TileSchedule.blockValues / Transform.planes
      blocks = max(
        (tiles.count + most - 1) / most,
        min(TileSchedule.wantedTasks, tiles.count / TileSchedule.fewestTiles))
    case .channelGroups:
      let wanted = (TileSchedule.wantedTasks + groups.count - 1) / groups.count
      blocks = max(1, min(wanted, tiles.count / TileSchedule.fewestTiles))
    }
    blockTiles = (tiles.count + blocks - 1) / blocks
  }

  /// What it does, as the algorithm that it is known as.
  func plan(_ algorithm: ConvolutionAlgorithm) -> KernelPlan {
    KernelPlan(
      algorithm: algorithm, schedule: schedule,
      multiplyAdds: Transform.planes * tiles.count * inputChannels * groups.paddedChannels)
  }

  // MARK: Workspace

  /// Planes lie a cache line apart beyond their length, so that they do not share its sets.
  private func planeStride(_ lines: Int, width: Int) -> Int { lines * width + 16 }

  /// Floats of `count` transformed tiles.
  private func transformedCount(tiles count: Int) -> Int {
    depthBlocks * Transform.planes * planeStride(count, width: depthBlock)
  }

  /// Where the transformed weights of a group begin; that of the group after the last is their count.
  private func sharedWeightOffset(_ group: Int) -> Int {
    (0..<group).reduce(0) {
      $0 + Transform.planes * planeStride(inputChannels, width: groups.paddedWidth($1))
    }
  }

  private var productCount: Int {
    Transform.planes * planeStride(blockTiles, width: groups.widest)
  }

  private var patchCount: Int {
    max(
      PaddedView.patchWorkspaceCount(extent: Transform.inputExtent),
      KernelMatrices.workspaceCount(taps: Transform.kernelExtent * Transform.kernelExtent))
  }

  /// Workspace that `forward` needs.
  var workspaceSize: WorkspaceSize {
    switch schedule {
    case .tileBlocks:
      WorkspaceSize(
        thread: patchCount + productCount + transformedCount(tiles: blockTiles),
        shared: sharedWeightOffset(groups.count))
    case .channelGroups:
      WorkspaceSize(
        thread: patchCount + productCount
          + Transform.planes * planeStride(depthBlock, width: groups.widest),
        shared: transformedCount(tiles: tiles.count))
    }
  }

  // MARK: Forward

  /// output := input * weights by `epilogue`; overwritten.
  func forward(
    _ input: ConvolutionImage, weights: KernelMatrices, epilogue: Epilogue,
    into output: ConvolutionImage, workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    precondition(
      input.channels == inputChannels && output.channels == outputChannels
        && weights.rows == inputChannels && weights.columns == outputChannels
        && output.first.shape.height == outputHeight && output.first.shape.width == outputWidth,
      "a convolution to \(outputHeight) x \(outputWidth) x \(outputChannels) of "
        + "\(inputChannels) channels, given \(input.channels) and \(output.first.shape)")
    var operands = Operands(
      plan: self, input: input, weights: weights, epilogue: epilogue, output: output,
      workspace: workspace, blocks: blocks)
    switch schedule {
    case .tileBlocks:
      operands.blocks = FinerCut.blocks(blocks, of: tiles.count, in: 1, for: team.parallelism)
      let chunks = (inputChannels + 15) / 16
      team.forEach(groups.count * chunks, operands) { operands, task, thread in
        operands.transformSharedWeights(task: task, thread: thread)
      }
      team.forEach(operands.blocks, operands) { operands, block, thread in
        operands.convolveBlock(block, thread: thread)
      }
    case .channelGroups:
      operands.slices = max(
        tiles.down, min(FinerCut.tasksPerThread * team.parallelism, tiles.count))
      team.forEach(operands.slices, operands) { operands, slice, thread in
        operands.transformSharedTiles(slice: slice, thread: thread)
      }
      let tasks = groups.count * blocks
      operands.parts = FinerCut.parts(of: tasks, width: groups.widest, for: team.parallelism)
      operands.blocks = FinerCut.blocks(
        blocks, of: tiles.count, in: groups.count * operands.parts, for: team.parallelism)
      team.forEach(groups.count * operands.parts * operands.blocks, operands) {
        operands, task, thread in operands.convolveGroup(task: task, thread: thread)
      }
    }
  }

  /// What the tasks of a forward pass work on.
  private struct Operands {
    let plan: TransformedConvolution
    let input: ConvolutionImage
    let weights: KernelMatrices
    let epilogue: Epilogue
    let output: ConvolutionImage
    let workspace: ConvolutionWorkspace
    /// Tasks that share out the tiles, at least those of the plan.
    var blocks: Int
    /// Tasks that share out a group's channels.
    var parts = 1
    /// Tasks that transform tiles which all share.
    var slices = 1

    // MARK: Many tiles

    func transformSharedWeights(task: Int, thread: Int) {
      let group = task % plan.groups.count
      let firstRow = task / plan.groups.count * 16
      let width = plan.groups.paddedWidth(group)
      weights.transform(
        Transform.self, rows: firstRow..<min(firstRow + 16, plan.inputChannels),
        columns: plan.groups.columns(group),
        into: sharedWeights(group) + firstRow * width, width: width,
        planeStride: plan.planeStride(plan.inputChannels, width: width),
        workspace: workspace.thread(thread))
    }

    /// The transformed weights [plane, input channel, width] of a group.
    private func sharedWeights(_ group: Int) -> UnsafeMutablePointer<Float> {
      workspace.shared + plan.sharedWeightOffset(group)
    }

    func convolveBlock(_ block: Int, thread: Int) {
      let tiles = self.tiles(block)
      let products = workspace.thread(thread) + plan.patchCount
      let transformed = products + plan.productCount
      transformTiles(tiles, thread: thread, into: transformed, count: tiles.count)
      for group in 0..<plan.groups.count {
        let width = plan.groups.paddedWidth(group)
        for block in 0..<plan.depthBlocks {
          multiply(
            transformed, first: 0, of: tiles.count, count: tiles.count, block: block,
            weights: sharedWeights(group) + block * plan.depthBlock * width,
            weightStride: plan.planeStride(plan.inputChannels, width: width), width: width,
            into: products)
        }
        store(
          products, tiles: tiles, channels: plan.groups.columns(group), width: width, thread: thread
        )
      }
    }

    // MARK: Many weights

    func transformSharedTiles(slice: Int, thread: Int) {
      let count = plan.tiles.count
      let tiles = slice * count / slices..<(slice + 1) * count / slices
      transformTiles(
        tiles, thread: thread, into: workspace.shared + tiles.lowerBound * plan.depthBlock,
        count: count)
    }

    func convolveGroup(task: Int, thread: Int) {
      let group = task / blocks / parts
      let tiles = self.tiles(task % blocks)
      // A group that is narrower than the widest may have no whole vector for a part.
      let (all, vectors) = (plan.groups.columns(group), plan.groups.paddedWidth(group) / 16)
      let part = task / blocks % parts
      let (begin, end) = (part * vectors / parts * 16, (part + 1) * vectors / parts * 16)
      let width = end - begin
      guard width > 0 else { return }
      let columns = all.lowerBound + begin..<min(all.lowerBound + end, all.upperBound)
      let products = workspace.thread(thread) + plan.patchCount
      let transformedWeights = products + plan.productCount
      for block in 0..<plan.depthBlocks {
        let first = block * plan.depthBlock
        let rows = first..<min(first + plan.depthBlock, plan.inputChannels)
        let weightStride = plan.planeStride(rows.count, width: width)
        weights.transform(
          Transform.self, rows: rows, columns: columns, into: transformedWeights, width: width,
          planeStride: weightStride,
          workspace: workspace.thread(thread))
        multiply(
          workspace.shared, first: tiles.lowerBound, of: plan.tiles.count, count: tiles.count,
          block: block, weights: transformedWeights, weightStride: weightStride,
          width: width, into: products)
      }
      store(products, tiles: tiles, channels: columns, width: width, thread: thread)
    }

    // MARK: The three stages

    /// The tiles of a task; no more than those of one of the plan's blocks.
    private func tiles(_ block: Int) -> Range<Int> {
      block * plan.tiles.count / blocks..<(block + 1) * plan.tiles.count / blocks
    }

    /// Transforms tiles of the input into [depth block, plane, tile, depth] with `count` tiles.
    private func transformTiles(
      _ tiles: Range<Int>, thread: Int, into target: UnsafeMutablePointer<Float>, count: Int
    ) {
      let planeStride = plan.planeStride(count, width: plan.depthBlock)
      plan.rows.sources.withUnsafeBufferPointer { rows in
        plan.columns.sources.withUnsafeBufferPointer { columns in
          let image = PaddedView(
            image: input, rows: rows, columns: columns, patchWorkspace: workspace.thread(thread))
          for (index, tile) in tiles.enumerated() {
            let (row, column) = plan.tiles.place(tile)
            let place = image.place(
              firstRow: row * Transform.inputStep, firstColumn: column * Transform.inputStep,
              extent: Transform.inputExtent)
            let (nextRow, nextColumn) = plan.tiles.place(min(tile + 1, tiles.upperBound - 1))
            let next = image.place(
              firstRow: nextRow * Transform.inputStep,
              firstColumn: nextColumn * Transform.inputStep,
              extent: Transform.inputExtent)
            for block in 0..<plan.depthBlocks {
              let first = block * plan.depthBlock
              let base =
                target + block * Transform.planes * planeStride + index * plan.depthBlock
              for channel in stride(
                from: first, to: min(first + plan.depthBlock, plan.inputChannels), by: 16)
              {
                image.prefetch(next, channel: channel, last: Transform.inputStep)
                Transform.input(
                  image.patch(place, channel: channel),
                  into: PlaneTarget(base: base + (channel - first), stride: planeStride))
              }
            }
          }
        }
      }
    }

    /// products [plane, tile, width] := or += the transformed tiles [depth block, plane, tile, depth]
    /// from `first` on times the weights [plane, depth, width], plane by plane.
    private func multiply(
      _ transformed: UnsafePointer<Float>, first: Int, of tileCount: Int, count: Int, block: Int,
      weights: UnsafePointer<Float>, weightStride: Int, width: Int,
      into products: UnsafeMutablePointer<Float>
    ) {
      let planeStride = plan.planeStride(tileCount, width: plan.depthBlock)
      let productStride = plan.planeStride(count, width: width)
      let base = transformed + block * Transform.planes * planeStride + first * plan.depthBlock
      for plane in 0..<Transform.planes {
        PanelProduct.multiply(
          rows: count, columns: width,
          depth: min(plan.depthBlock, plan.inputChannels - block * plan.depthBlock),
          .init(
            base: base + plane * planeStride, rowStride: plan.depthBlock, depthStride: 1),
          panel: weights + plane * weightStride, into: products + plane * productStride,
          accumulating: block > 0)
      }
    }

    /// Transforms products [plane, tile, width] back and stores the output, which is overwritten.
    private func store(
      _ products: UnsafePointer<Float>, tiles: Range<Int>, channels: Range<Int>, width: Int,
      thread: Int
    ) {
      let productStride = plan.planeStride(tiles.count, width: width)
      for (index, tile) in tiles.enumerated() {
        let (row, column) = plan.tiles.place(tile)
        let (y, x) = (row * Transform.outputExtent, column * Transform.outputExtent)
        let (nextRow, nextColumn) = plan.tiles.place(min(tile + 1, tiles.upperBound - 1))
        for channel in stride(from: channels.lowerBound, to: channels.upperBound, by: 16) {
          output.prefetch(
            y: nextRow * Transform.outputExtent, x: nextColumn * Transform.outputExtent,
            extent: Transform.outputExtent, channel: channel)
          output.storeTile(
            Transform.self,
            PlaneSource(
              base: products + (index * width + channel - channels.lowerBound),
              stride: productStride),
            y: y, x: x, height: min(Transform.outputExtent, plan.outputHeight - y),
            width: min(Transform.outputExtent, plan.outputWidth - x), channel: channel,
            epilogue: epilogue, workspace: workspace.thread(thread))
        }
      }
    }
  }
}
