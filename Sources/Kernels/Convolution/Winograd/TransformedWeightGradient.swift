// The gradient of a kernel by a tile transform: products over the tiles, plane by plane.
//
// Where channels are many, tiles are taken in passes that fit the shared cache. A pass transforms its
// tiles of the input and of the output's gradient once for all, then each task multiplies them for a
// part of the kernel's channels. Every value of the result has one task, which takes the passes in
// order. Where channels are few, the tiles are cut into a fixed number of spans; a task takes a span
// through transforms and products in its own cache, and the spans' products are added in order.
// Neither way do the bits depend on the number of threads.

import Tensors
import Threading

/// The weight gradient of a convolution by a tile transform, of given sizes; planned once.
///
///     weightGradient += weights^T( sum over tiles of input(patch) x outputGradient(tile) )
struct TransformedWeightGradient<Transform: TrainableTileTransform>: Sendable {
  let rows: AxisIndexMap
  let columns: AxisIndexMap
  let inputChannels: Int
  let outputChannels: Int

  let outputRows: AxisIndexMap
  let outputColumns: AxisIndexMap
  let tiles: TileGrid
  let inputGroups: ChannelGroups
  let outputGroups: ChannelGroups
  /// Tiles that are transformed before they are multiplied: in a pass, or in a block of a span.
  let passTiles: Int
  private let passes: Int
  /// Spans of tiles with products of their own; 0 where tiles are taken in passes.
  let spans: Int
  /// Planes in a task: all of them, or a few where there are few channels to share out.
  let taskPlanes: Int

  init(
    rows: AxisIndexMap, columns: AxisIndexMap, inputChannels: Int, outputChannels: Int,
    outputHeight: Int,
    outputWidth: Int
  ) {
    self.rows = rows
    self.columns = columns
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    outputRows = AxisIndexMap(extent: outputHeight)
    outputColumns = AxisIndexMap(extent: outputWidth)
    tiles = TileGrid(height: outputHeight, width: outputWidth, extent: Transform.outputExtent)
    inputGroups = ChannelGroups(inputChannels)
    outputGroups = ChannelGroups(outputChannels)
    let tileCount =
      Transform.planes * (inputGroups.paddedChannels + outputGroups.paddedChannels)
    let spanTiles = max(Self.sliceTiles, Self.largestSpanBlock / tileCount)
    if inputGroups.paddedChannels * outputGroups.paddedChannels <= Self.fewWeights
      && tiles.count >= Self.manySpans * spanTiles
    {
      spans = Self.manySpans
      passTiles = spanTiles
      passes = 1
    } else {
      let limit =
        tiles.count * tileCount <= Self.largestSinglePass
        ? tiles.count : max(Self.sliceTiles, Self.largestPass / tileCount)
      let wanted = (tiles.count + limit - 1) / limit
      let even = (tiles.count + wanted - 1) / wanted
      spans = 0
      passTiles = (even + Self.sliceTiles - 1) / Self.sliceTiles * Self.sliceTiles
      passes = (tiles.count + passTiles - 1) / passTiles
    }
    let pairs = inputGroups.count * outputGroups.count
    taskPlanes = pairs >= Self.wantedTasks ? Transform.planes : Self.planesOfSmallTask
  }

  // Measured choices; see docs/engine.md.
  /// Floats of transformed tiles up to which they are taken in one pass.
  private static var largestSinglePass: Int { 11 << 20 }
  /// Floats of transformed tiles in one of several passes.
  private static var largestPass: Int { 1 << 20 }
  /// Weights a tap up to which tiles are cut into spans.
  private static var fewWeights: Int { 64 * 128 }
  /// How many spans: a fixed number, so that the order of their sum does not follow the threads.
  private static var manySpans: Int { 16 }
  /// Floats of transformed tiles in a block of a span.
  private static var largestSpanBlock: Int { 144 << 10 }
  /// Tiles that a task transforms, and whose gradients it sums for the bias: a fixed number.
  static var sliceTiles: Int { 16 }
  /// Tasks wanted, so that threads end together.
  private static var wantedTasks: Int { 16 }
  /// Planes in a task where there are fewer tasks.
  private static var planesOfSmallTask: Int { min(4, Transform.planes) }

  var planeTasks: Int { (Transform.planes + taskPlanes - 1) / taskPlanes }
  /// Whether products stay in shared memory until all tasks have added to them.
  var keepsProducts: Bool { passes > 1 || planeTasks > 1 }
  private var slicesInPass: Int { passTiles / Self.sliceTiles }
  private var slices: Int { (tiles.count + Self.sliceTiles - 1) / Self.sliceTiles }

  /// What it does, as the algorithm that it is known as.
  func plan(_ algorithm: ConvolutionAlgorithm) -> KernelPlan {
    KernelPlan(
      algorithm: algorithm,
      multiplyAdds: Transform.planes * tiles.count * inputChannels * outputGroups.paddedChannels)
  }

  // MARK: Workspace

  var inputCount: Int { groupStride * inputGroups.count }
  var gradientCount: Int { groupStride * outputGroups.count }
  var groupStride: Int { Transform.planes * planeStride }
  /// Planes lie a cache line apart beyond their length, so that they do not share its sets.
  var planeStride: Int { passTiles * max(inputGroups.widest, outputGroups.widest) + 16 }
  /// Floats from a plane of products of two groups to the next, a cache line further likewise.
  var productCount: Int { inputGroups.widest * outputGroups.widest + 16 }
  var biasCount: Int {
    (spans > 0 ? spans : slices) * outputGroups.paddedChannels
  }
  /// Floats of the products of all pairs of groups.
  var productsCount: Int {
    inputGroups.count * outputGroups.count * Transform.planes * productCount
  }

  var patchCount: Int {
    PaddedView.patchWorkspaceCount(extent: max(Transform.inputExtent, Transform.outputExtent))
  }

  /// Workspace that `add` needs.
  var workspaceSize: WorkspaceSize {
    let patches = patchCount + Transform.kernelExtent * Transform.kernelExtent * 16
    if spans > 0 {
      return WorkspaceSize(
        thread: patches + inputCount + gradientCount, shared: biasCount + spans * productsCount)
    }
    return WorkspaceSize(
      thread: patches + (keepsProducts ? 0 : Transform.planes * productCount),
      shared: inputCount + gradientCount + biasCount + (keepsProducts ? productsCount : 0))
  }

  // MARK: The gradient

  /// weightGradient [kH, kW, in, out] += the gradient of the weights, biasGradient [out] += that of
  /// the bias, given input [H, W, in] and outputGradient [H', W', out]; accumulated.
  func add(
    _ input: ConvolutionImage, outputGradient: TensorView,
    to weightGradient: UnsafeMutablePointer<Float>, biasGradient: UnsafeMutablePointer<Float>,
    workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    precondition(
      input.channels == inputChannels && outputGradient.shape.channels == outputChannels
        && outputGradient.shape.height == outputRows.count
        && outputGradient.shape.width == outputColumns.count,
      "a weight gradient of \(inputChannels) to \(outputChannels) channels at "
        + "\(outputRows.count) x \(outputColumns.count), given \(input.channels) and "
        + "\(outputGradient.shape)")
    let pairs = inputGroups.count * outputGroups.count
    let rowParts = FinerCut.parts(
      of: pairs * planeTasks, width: inputGroups.widest, for: team.parallelism)
    func operands(pass: Int) -> Operands {
      Operands(
        plan: self, input: input, outputGradient: ConvolutionImage(outputGradient),
        weightGradient: weightGradient, workspace: workspace, pass: pass, rowParts: rowParts)
    }
    if spans > 0 {
      team.forEach(spans, operands(pass: 0)) { operands, span, thread in
        operands.sumSpan(span, thread: thread)
      }
    } else {
      for pass in 0..<passes {
        let count = min(slicesInPass, slices - pass * slicesInPass)
        if count < FinerCut.tasksPerThread * team.parallelism {
          // Input and gradient have their groups of channels transformed apart.
          team.forEach(
            count * (inputGroups.count + outputGroups.count), operands(pass: pass)
          ) { operands, task, thread in
            operands.transform(groupOfSlice: task, thread: thread)
          }
        } else {
          team.forEach(count, operands(pass: pass)) { operands, slice, thread in
            operands.transform(slice: slice, thread: thread)
          }
        }
        team.forEach(pairs * planeTasks * rowParts, operands(pass: pass)) {
          operands, task, thread in operands.multiply(task: task, thread: thread)
        }
      }
    }
    var last = operands(pass: passes)
    if keepsProducts || spans > 0 {
      let chunks = (inputChannels + 15) / 16
      if chunks * outputGroups.count < FinerCut.tasksPerThread * team.parallelism {
        last.rowsBack = 4
      }
      team.forEach(
        (inputChannels + last.rowsBack - 1) / last.rowsBack * outputGroups.count, last
      ) { operands, task, thread in
        operands.transformBack(task: task, thread: thread)
      }
    }
    let biasSums = last.biasSums
    for channel in 0..<outputChannels {
      var sum = 0.0
      for part in 0..<biasCount / outputGroups.paddedChannels {
        sum += Double(biasSums[part * outputGroups.paddedChannels + channel])
      }
      biasGradient[channel] += Float(sum)
    }
  }
}
