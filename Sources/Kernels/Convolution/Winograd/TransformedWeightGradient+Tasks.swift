// The tasks of a weight gradient by tile transforms: transform tiles, multiply, transform back.

import Tensors
import Threading

extension TransformedWeightGradient {
  /// What the tasks of a pass work on.
  struct Operands {
    let plan: TransformedWeightGradient
    let input: ConvolutionImage
    let outputGradient: ConvolutionImage
    let weightGradient: UnsafeMutablePointer<Float>
    let workspace: ConvolutionWorkspace
    let pass: Int
    /// Tasks that share out the input channels of a pair of groups.
    let rowParts: Int
    /// Input channels whose products a task transforms back: a divisor of 16.
    var rowsBack = 16

    /// [input group, plane, tile, channel].
    private var inputs: UnsafeMutablePointer<Float> { workspace.shared }
    /// [output group, plane, tile, channel].
    private var gradients: UnsafeMutablePointer<Float> { workspace.shared + plan.inputCount }
    /// [slice or span, channel].
    var biasSums: UnsafeMutablePointer<Float> {
      plan.spans > 0 ? workspace.shared : gradients + plan.gradientCount
    }
    /// [span, pair of groups, plane, input channel, output channel].
    private var products: UnsafeMutablePointer<Float> { biasSums + plan.biasCount }

    private var tiles: Range<Int> {
      pass * plan.passTiles..<min((pass + 1) * plan.passTiles, plan.tiles.count)
    }

    // MARK: Tiles

    /// Transforms a slice of the pass's tiles, of the input and of the output's gradient.
    func transform(slice: Int, thread: Int) {
      transform(
        slice: slice, inputGroups: 0..<plan.inputGroups.count,
        outputGroups: 0..<plan.outputGroups.count, thread: thread)
    }

    /// The same of one group of channels, of the input or of the output's gradient.
    func transform(groupOfSlice task: Int, thread: Int) {
      let groups = plan.inputGroups.count + plan.outputGroups.count
      let (slice, group) = (task / groups, task % groups)
      let outputGroup = group - plan.inputGroups.count
      transform(
        slice: slice, inputGroups: outputGroup < 0 ? group..<group + 1 : 0..<0,
        outputGroups: outputGroup < 0 ? 0..<0 : outputGroup..<outputGroup + 1, thread: thread)
    }

    private func transform(
      slice: Int, inputGroups: Range<Int>, outputGroups: Range<Int>, thread: Int
    ) {
      let first = tiles.lowerBound + slice * TransformedWeightGradient.sliceTiles
      let padded = plan.outputGroups.paddedChannels
      let part = first / TransformedWeightGradient.sliceTiles
      let tiles = first..<min(first + TransformedWeightGradient.sliceTiles, tiles.upperBound)
      transform(
        tiles, after: self.tiles.lowerBound, inputGroups: inputGroups, outputGroups: outputGroups,
        thread: thread, inputs: inputs, gradients: gradients)
      sumForBias(
        tiles, after: self.tiles.lowerBound, groups: outputGroups, gradients: gradients,
        into: biasSums + part * padded, accumulating: false)
    }

    /// Transforms tiles into inputs and gradients [group, plane, tile, channel], where tiles count
    /// from `origin` on.
    private func transform(
      _ tiles: Range<Int>, after origin: Int, inputGroups: Range<Int>, outputGroups: Range<Int>,
      thread: Int, inputs: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>
    ) {
      transform(
        tiles, after: origin, of: input, rows: plan.rows, columns: plan.columns,
        step: Transform.inputStep, extent: Transform.inputExtent, groups: plan.inputGroups,
        chosen: inputGroups, thread: thread, into: inputs
      ) { patch, planes in Transform.input(patch, into: planes) }
      transform(
        tiles, after: origin, of: outputGradient, rows: plan.outputRows,
        columns: plan.outputColumns, step: Transform.outputExtent,
        extent: Transform.outputExtent, groups: plan.outputGroups, chosen: outputGroups,
        thread: thread, into: gradients
      ) { patch, planes in Transform.outputGradient(patch, into: planes) }
    }

    /// target [group, plane, tile, channel] := the transformed patches of an image.
    @inline(__always)
    private func transform(
      _ slice: Range<Int>, after origin: Int, of image: ConvolutionImage, rows: AxisIndexMap,
      columns: AxisIndexMap, step: Int,
      extent: Int, groups: ChannelGroups, chosen: Range<Int>, thread: Int,
      into target: UnsafeMutablePointer<Float>,
      _ transform: (Im2colSource, PlaneTarget) -> Void
    ) {
      guard !chosen.isEmpty else { return }
      rows.sources.withUnsafeBufferPointer { rows in
        columns.sources.withUnsafeBufferPointer { columns in
          let image = PaddedView(
            image: image, rows: rows, columns: columns, patchWorkspace: workspace.thread(thread))
          for tile in slice {
            let (row, column) = plan.tiles.place(tile)
            let place = image.place(
              firstRow: row * step, firstColumn: column * step, extent: extent)
            let (nextRow, nextColumn) = plan.tiles.place(min(tile + 1, slice.upperBound - 1))
            let next = image.place(
              firstRow: nextRow * step, firstColumn: nextColumn * step, extent: extent)
            for group in chosen {
              let channels = groups.columns(group)
              let base =
                target + group * plan.groupStride
                + (tile - origin) * groups.paddedWidth(group)
              for channel in stride(from: channels.lowerBound, to: channels.upperBound, by: 16) {
                image.prefetch(next, channel: channel, last: step)
                transform(
                  image.patch(place, channel: channel),
                  PlaneTarget(
                    base: base + (channel - channels.lowerBound), stride: plan.planeStride))
              }
            }
          }
        }
      }
    }

    /// sums [channel] := or += the plane that holds each tile's sum, over a slice of tiles.
    private func sumForBias(
      _ slice: Range<Int>, after origin: Int, groups: Range<Int>, gradients: UnsafePointer<Float>,
      into sums: UnsafeMutablePointer<Float>, accumulating: Bool
    ) {
      for group in groups {
        let width = plan.outputGroups.paddedWidth(group)
        let first = plan.outputGroups.columns(group).lowerBound
        let plane =
          gradients + group * plan.groupStride + Transform.sumPlane * plan.planeStride
          + (slice.lowerBound - origin) * width
        sumLines(
          plane, count: slice.count, width: width, into: sums + first, accumulating: accumulating)
      }
    }

    // MARK: Products

    /// Takes a span of tiles through transforms and products, block by block; its products and its
    /// sums for the bias are overwritten.
    func sumSpan(_ span: Int, thread: Int) {
      let count = plan.tiles.count
      let tiles = span * count / plan.spans..<(span + 1) * count / plan.spans
      let inputs =
        workspace.thread(thread) + plan.patchCount
        + Transform.kernelExtent * Transform.kernelExtent * 16
      let gradients = inputs + plan.inputCount
      for first in stride(from: tiles.lowerBound, to: tiles.upperBound, by: plan.passTiles) {
        let block = first..<min(first + plan.passTiles, tiles.upperBound)
        let isFirst = first == tiles.lowerBound
        transform(
          block, after: first, inputGroups: 0..<plan.inputGroups.count,
          outputGroups: 0..<plan.outputGroups.count, thread: thread, inputs: inputs,
          gradients: gradients)
        sumForBias(
          block, after: first, groups: 0..<plan.outputGroups.count, gradients: gradients,
          into: biasSums + span * plan.outputGroups.paddedChannels, accumulating: !isFirst)
        for pair in 0..<plan.inputGroups.count * plan.outputGroups.count {
          multiply(
            pair: pair, rows: 0..<plan.inputGroups.columns(pair / plan.outputGroups.count).count,
            planes: 0..<Transform.planes, tiles: block.count, inputs: inputs,
            gradients: gradients,
            into: products + span * plan.productsCount
              + pair * Transform.planes * plan.productCount,
            accumulating: !isFirst)
        }
      }
    }

    /// Multiplies some planes of an input group, or of a part of its channels, by those of an output group,
    /// over all tiles.
    func multiply(task: Int, thread: Int) {
      let pair = task / rowParts / plan.planeTasks
      let firstPlane = task / rowParts % plan.planeTasks * plan.taskPlanes
      let all = plan.inputGroups.columns(pair / plan.outputGroups.count)
      let part = task % rowParts
      let rows = part * all.count / rowParts..<(part + 1) * all.count / rowParts
      let target =
        plan.keepsProducts
        ? products + pair * Transform.planes * plan.productCount
        : workspace.thread(thread) + plan.patchCount
      multiply(
        pair: pair, rows: rows,
        planes: firstPlane..<min(firstPlane + plan.taskPlanes, Transform.planes),
        tiles: tiles.count, inputs: inputs, gradients: gradients, into: target,
        accumulating: pass > 0)
      if !plan.keepsProducts {
        let outputGroup = pair % plan.outputGroups.count
        let width = plan.outputGroups.paddedWidth(outputGroup)
        for row in rows {
          transformBack(
            target + row * width, channel: all.lowerBound + row, outputGroup: outputGroup,
            thread: thread)
        }
      }
    }

    /// products [plane, input channel, output channel] := or += those of a pair of groups over
    /// `count` tiles, for some of the input group's channels.
    private func multiply(
      pair: Int, rows: Range<Int>, planes: Range<Int>, tiles count: Int,
      inputs: UnsafePointer<Float>,
      gradients: UnsafePointer<Float>, into products: UnsafeMutablePointer<Float>,
      accumulating: Bool
    ) {
      let (inputGroup, outputGroup) = (
        pair / plan.outputGroups.count, pair % plan.outputGroups.count
      )
      let width = plan.outputGroups.paddedWidth(outputGroup)
      for plane in planes {
        PanelProduct.multiply(
          rows: rows.count, columns: width, depth: count,
          .init(
            base: inputs + inputGroup * plan.groupStride + plane * plan.planeStride
              + rows.lowerBound,
            rowStride: 1, depthStride: plan.inputGroups.paddedWidth(inputGroup)),
          panel: gradients + outputGroup * plan.groupStride + plane * plan.planeStride,
          into: products + plane * plan.productCount + rows.lowerBound * width,
          accumulating: accumulating)
      }
    }

    /// Adds the products of up to `rowsBack` input channels with an output group over the spans, and
    /// transforms them back.
    func transformBack(task: Int, thread: Int) {
      let outputGroup = task % plan.outputGroups.count
      let first = task / plan.outputGroups.count * rowsBack
      let inputGroup = (0..<plan.inputGroups.count).first {
        plan.inputGroups.columns($0).contains(first)
      }
      guard let inputGroup else {
        preconditionFailure("input channel \(first) of \(plan.inputChannels) is in no group")
      }
      let pair = inputGroup * plan.outputGroups.count + outputGroup
      let offset = first - plan.inputGroups.columns(inputGroup).lowerBound
      let width = plan.outputGroups.paddedWidth(outputGroup)
      let count = min(first + rowsBack, plan.inputChannels) - first
      let sums = products + pair * Transform.planes * plan.productCount + offset * width
      for plane in 0..<Transform.planes {
        for span in 1..<max(1, plan.spans) {
          let (to, from) = (
            sums + plane * plan.productCount,
            sums + span * plan.productsCount + plane * plan.productCount
          )
          for place in stride(from: 0, to: count * width, by: 16) {
            to.store(to.vector(place) + from.vector(place), at: place)
          }
        }
      }
      for row in 0..<count {
        transformBack(
          sums + row * width, channel: first + row, outputGroup: outputGroup, thread: thread)
      }
    }

    /// Adds the products [plane, output channel] of one input channel with an output group to the
    /// gradient of the weights.
    private func transformBack(
      _ products: UnsafePointer<Float>, channel: Int, outputGroup: Int, thread: Int
    ) {
      let columns = plan.outputGroups.columns(outputGroup)
      let tapStride = plan.inputChannels * plan.outputChannels
      for column in stride(from: columns.lowerBound, to: columns.upperBound, by: 16) {
        let source = PlaneSource(
          base: products + (column - columns.lowerBound), stride: plan.productCount)
        let target = weightGradient + channel * plan.outputChannels + column
        let lanes = min(16, plan.outputChannels - column)
        if lanes == 16 {
          Transform.weightGradient(source, into: TapTarget(base: target, stride: tapStride))
          continue
        }
        let taps = Transform.kernelExtent * Transform.kernelExtent
        let sums = workspace.thread(thread)
        sums.update(repeating: 0, count: taps * 16)
        Transform.weightGradient(source, into: TapTarget(base: sums, stride: 16))
        for tap in 0..<taps {
          for lane in 0..<lanes { target[tap * tapStride + lane] += sums[tap * 16 + lane] }
        }
      }
    }
  }
}
