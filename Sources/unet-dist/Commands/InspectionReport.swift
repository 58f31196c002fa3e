// The report of `inspect`, as text and as JSON.

import Configuration
import Files
import Kernels
import Network
import Tensors

/// A network's costs, a file's contents, or both.
struct InspectionReport {
  /// Missing for a file that names no architecture.
  let summary: UNetSummary?
  let contents: CheckpointContents?
  let threads: Int
  /// Whether the text says how each layer is computed; JSON always does.
  let showsPlan: Bool

  /// Legal tiles shown on each side of the one in use.
  private static let shownTiles = 4

  // MARK: Text

  /// The report for people.
  var text: String {
    [contents.map { text(of: $0) }, summary.map { text(of: $0) }]
      .compactMap { $0 }.joined(separator: "\n")
  }

  private func text(of contents: CheckpointContents) -> String {
    guard let summary else {
      return contents.text + "\nthe file names no architecture of this program\n"
    }
    let missing = contents.missingParameters(of: UNet(summary.configuration))
    let verdict =
      missing.isEmpty
      ? "every parameter of the network is there"
      : "\(missing.count) parameters of the network are missing or have another shape: "
        + missing.prefix(8).joined(separator: ", ") + (missing.count > 8 ? ", ..." : "")
    return contents.text + "\n\(verdict)\n"
  }

  private func text(of summary: UNetSummary) -> String {
    let network = summary.configuration
    var table = TextTable(["layer", "output", "parameters", "multiply-adds", "GFLOP", "memory"])
    for layer in summary.layers {
      table.add([
        layer.name, extents(layer.output), layer.parameterCount.grouped,
        layer.multiplyAdds.grouped, gflop(layer.multiplyAdds).decimals(3),
        layer.activationByteCount.megabytes,
      ])
    }
    table.add([
      "total", "", summary.parameterCount.grouped, summary.multiplyAdds.grouped,
      gflop(summary.multiplyAdds).decimals(3), summary.activationByteCount.megabytes,
    ])

    let memory = summary.trainingMemory(threads: threads)
    var memoryTable = TextTable(["memory of training a rank, \(threadText)", "bytes", ""])
    var rows = [
      ("parameters", memory.parameters), ("gradients", memory.gradients),
      ("momentum", memory.momentum),
      ("activations, their gradients and workspace", memory.arena), ("total", memory.total),
    ]
    rows += recomputed(summary).map { ("total with --recompute \($0.levels)", $0.memory.total) }
    rows.append(("for comparison: inference", summary.inferenceByteCount(threads: threads)))
    for (name, count) in rows {
      memoryTable.add([name, count.grouped, count.megabytes])
    }
    return """
      U-Net, base channels \(network.baseChannels), depth \(network.depth), input channels \
      \(network.inputChannels), classes \(network.classes), padding \(network.padding.rawValue), \
      upsampling \(network.upsampling.rawValue), normalization \(network.normalization.rawValue)
      tile \(extents(summary.input)), forward pass:

      \(table.text)
      \(showsPlan ? planText(summary) + "\n" : "")\(memoryTable.text)
      \(tileText(summary))
      """
  }

  /// Each function's algorithm, and its multiply-adds beside those of the direct algorithm.
  private func planText(_ summary: UNetSummary) -> String {
    var table = TextTable(["layer", "forward", "", "input gradient", "", "weight gradient", ""])
    for layer in summary.layers {
      guard let plan = layer.plan else { continue }
      let columns = [plan.forward, plan.inputGradient, plan.weightGradient].flatMap { kernel in
        guard let kernel else { return ["-", ""] }
        let schedule = kernel.schedule.map { " by \($0.text)" } ?? ""
        let share = Double(kernel.multiplyAdds) / Double(layer.multiplyAdds)
        return [kernel.algorithm.rawValue + schedule, share.decimals(2)]
      }
      table.add([layer.name] + columns)
    }
    return """
      algorithms, and their multiply-adds for one of the direct algorithm's:

      \(table.text)
      """
  }

  /// The memory of training where levels are computed again, from one level on.
  private func recomputed(
    _ summary: UNetSummary
  ) -> [(levels: Int, memory: UNetSummary.TrainingMemory)] {
    (1...max(1, summary.configuration.depth)).map { levels in
      (
        levels,
        summary.trainingMemory(
          threads: threads, recomputation: Recomputation(levels: levels))
      )
    }
  }

  private var threadText: String { threads == 1 ? "1 thread" : "\(threads) threads" }

  private func tileText(_ summary: UNetSummary) -> String {
    let sizes = tiles(summary)
    guard let smallest = sizes.first else { return "" }
    let place = sizes.firstIndex { $0.input >= summary.input.height } ?? sizes.count - 1
    let shown =
      sizes[
        max(0, place - Self.shownTiles)...min(sizes.count - 1, place + Self.shownTiles)]
    var table = TextTable(["legal tile"] + shown.map { "\($0.input)" })
    table.add(["output"] + shown.map { "\($0.output)" })
    return """
      \(table.text)legal tiles are \(smallest.input) and every \(1 << summary.configuration.depth) \
      more

      """
  }

  private func extents(_ shape: ImageShape) -> String {
    "\(shape.height) x \(shape.width) x \(shape.channels)"
  }

  /// Legal tiles up to twice the one in use, and a thousand at least.
  private func tiles(_ summary: UNetSummary) -> [UNetSummary.TileSize] {
    UNetSummary.legalTiles(
      summary.configuration, through: max(1024, 2 * summary.input.height))
  }

  // MARK: JSON

  /// The report for programs.
  var json: JSONValue {
    var fields: [(name: String, value: JSONValue)] = []
    if let summary { fields += self.fields(of: summary) }
    if let contents {
      fields.append(("checkpoint", contents.json))
      if let summary {
        let missing = contents.missingParameters(of: UNet(summary.configuration))
        fields.append(("missing_parameters", .list(missing.map { .text($0) })))
      }
    }
    return .object(fields)
  }

  private func fields(of summary: UNetSummary) -> [(name: String, value: JSONValue)] {
    let memory = summary.trainingMemory(threads: threads)
    let layers = summary.layers.map { layer -> JSONValue in
      [
        "name": .text(layer.name),
        "output": [
          .integer(layer.output.height), .integer(layer.output.width),
          .integer(layer.output.channels),
        ],
        "parameters": .integer(layer.parameterCount),
        "multiply_adds": .integer(layer.multiplyAdds),
        "activation_bytes": .integer(layer.activationByteCount),
        "plan": layer.plan.map { $0.json } ?? .null,
      ]
    }
    let tiles = tiles(summary).map { size -> JSONValue in
      ["tile": .integer(size.input), "output": .integer(size.output)]
    }
    return [
      ("configuration", summary.configuration.json),
      ("tile", .integer(summary.input.height)),
      (
        "output",
        .integer(summary.configuration.outputSide(tile: summary.input.height) ?? 0)
      ),
      ("parameters", .integer(summary.parameterCount)),
      ("multiply_adds", .integer(summary.multiplyAdds)),
      ("gflop_direct", .number(gflop(summary.multiplyAdds))),
      ("activation_bytes", .integer(summary.activationByteCount)),
      (
        "training_memory",
        [
          "threads": .integer(threads), "parameters": .integer(memory.parameters),
          "gradients": .integer(memory.gradients), "momentum": .integer(memory.momentum),
          "arena": .integer(memory.arena), "total": .integer(memory.total),
        ]
      ),
      (
        "recompute",
        .list(
          recomputed(summary).map { choice in
            [
              "levels": .integer(choice.levels), "arena": .integer(choice.memory.arena),
              "total": .integer(choice.memory.total),
            ]
          })
      ),
      ("inference_bytes", .integer(summary.inferenceByteCount(threads: threads))),
      ("layers", .list(layers)),
      ("legal_tiles", .list(tiles)),
    ]
  }
}

extension LayerPlan {
  /// The three functions, null for a gradient that is never asked for.
  fileprivate var json: JSONValue {
    [
      "forward": forward.json, "input_gradient": inputGradient.map { $0.json } ?? .null,
      "weight_gradient": weightGradient.map { $0.json } ?? .null,
    ]
  }
}

extension KernelPlan {
  fileprivate var json: JSONValue {
    [
      "algorithm": .text(algorithm.rawValue),
      "schedule": schedule.map { .text($0.text) } ?? .null,
      "multiply_adds": .integer(multiplyAdds),
    ]
  }
}

extension TileSchedule {
  /// What a task of it is.
  fileprivate var text: String {
    switch self {
    case .tileBlocks: "tiles"
    case .channelGroups: "channels"
    }
  }
}
