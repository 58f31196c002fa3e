// Networks as `evaluate` and `predict` use them: read from checkpoints, ready for whole images.

import Checkpoints
import Communication
import Configuration
import Datasets
import Files
import Foundation
import Inference
import Liveness
import Network
import Tensors
import Threading

/// A network with its weights, or several, and what their checkpoints say of inputs and outputs.
struct TrainedNetwork {
  /// The checkpoints in the order given, of the same classes, channels and normalisation.
  let checkpoints: [Checkpoint]
  let predictor: TiledPredictor
  /// What the ranks must agree on, beside their images, before they use the network together.
  let digests: [NamedDigest]
  /// Threads of this rank.
  let threads: Int
  private let averaging: Averaging
  /// Measured before anything large was allocated.
  private let memory: MemoryBudget

  /// The checkpoint whose classes, channels and normalisation are those of all.
  var checkpoint: Checkpoint { checkpoints[0] }

  /// What the networks are, for people.
  var steps: String {
    let steps = checkpoints.map { "\($0.step)" }.joined(separator: ", ")
    let networks =
      checkpoints.count == 1
      ? "checkpoint of step \(steps)"
      : "mean of \(checkpoints.count) checkpoints, of the steps \(steps)"
    return networks + (predictor.threshold.map { ", threshold \($0)" } ?? "")
  }

  /// Reads the checkpoints on rank 0 and gives them to all ranks; collective.
  init(_ options: TrainedNetworkOptions, communicator: any Communicator) throws {
    StallWatch.shared.allow(Double(options.stallTimeout))
    let budget = try ThreadBudget.measure(for: communicator)
    let threads = options.threads ?? budget.threads
    let team = ThreadTeam(count: threads)
    if let warning = team.warning { printWarning("rank \(communicator.rank): \(warning)") }
    let memory = MemoryBudget.measure(for: communicator)
    // Ranks that were given other numbers of checkpoints would meet in other collective operations.
    try communicator.verifyEqualOnAllRanks(options.digests)
    var checkpoints: [Checkpoint] = []
    var members: [TrainedMember] = []
    var weights = SHA256()
    var byteCount = 0
    for path in options.checkpoint {
      let (checkpoint, network, parameters) = try Self.read(
        path, options, after: byteCount, memory: memory, communicator)
      try communicator.together {
        if let first = checkpoints.first {
          try Self.check(checkpoint, path, goesWith: first, options.checkpoint[0])
        }
      }
      byteCount += parameters.count * MemoryLayout<Float>.stride
      weights.update(UnsafeRawBufferPointer(parameters.floats))
      checkpoints.append(checkpoint)
      members.append(TrainedMember(network, parameters: parameters))
    }
    self.checkpoints = checkpoints
    let threshold = try communicator.together {
      try Self.threshold(options, checkpoints)
    }
    predictor = TiledPredictor(
      members, tile: options.tile, averaging: options.averaging,
      threshold: threshold.map { Float($0) }, threads: team)
    averaging = options.averaging
    // The digest of the weights as they arrived.
    digests =
      try NamedDigest.arithmetic()
      + [NamedDigest(name: "network's weights", digest: weights.finalize())]
    self.threads = threads
    self.memory = memory
    if communicator.rank == 0, options.mcSamples > 1,
      let place = checkpoints.firstIndex(where: { $0.network.dropout == 0 })
    {
      printWarning(
        "\(options.checkpoint[place]) has no dropout, so that all samples of --mc-samples are the same"
      )
    }
    if communicator.rank == 0, let tile = options.tile,
      !predictor.plan(height: tile, width: tile).isExact
    {
      printWarning(
        "tiles of \(tile) have no room for the whole context of a window, so that predictions depend "
          + "on the tile's size; take a larger --tile, or leave it out")
    }
  }

  /// The threshold that is asked for: of several networks the mean of theirs.
  private static func threshold(
    _ options: TrainedNetworkOptions, _ checkpoints: [Checkpoint]
  ) throws -> Double? {
    guard let choice = options.threshold else { return nil }
    let classes = checkpoints[0].network.classes
    guard classes == 2 else {
      throw ConfigurationError(
        option: "threshold", expected: "networks of two classes", found: "\(classes)",
        hint: "leave it out: of more classes the most probable one is taken")
    }
    switch choice {
    case .value(let value): return value
    case .validation:
      let found = checkpoints.compactMap(\.threshold?.value)
      if let place = checkpoints.firstIndex(where: { $0.threshold == nil }) {
        throw FileError(
          path: options.checkpoint[place], expected: "a threshold from validation images",
          found: "none", hint: "give --threshold a number, or train with images to validate on")
      }
      return found.reduce(0, +) / Double(found.count)
    }
  }

  /// One checkpoint, with its network and weights on every rank; collective.
  private static func read(
    _ path: String, _ options: TrainedNetworkOptions, after byteCount: Int, memory: MemoryBudget,
    _ communicator: any Communicator
  ) throws -> (Checkpoint, UNet, FloatBuffer) {
    let read = try communicator.together { () throws -> (Checkpoint, SafetensorsFile)? in
      guard communicator.rank == 0 else { return nil }
      let path = try Checkpoint.file(at: path)
      try Self.checkMemory(ofFile: path, after: byteCount, against: memory)
      let (checkpoint, file) = try Checkpoint.read(path)
      try Checkpoint.check(file, has: UNet(checkpoint.network).layout)
      return (checkpoint, file)
    }
    guard let checkpoint = try Checkpoint.shared(read?.0, communicator) else {
      preconditionFailure("rank 0 has read a checkpoint")
    }
    let network = UNet(checkpoint.network)
    try communicator.verifyEqualOnAllRanks([NamedDigest(network.layout)])
    let parameters = try communicator.together {
      try options.checkTile(network.configuration)
      let parameters = try FloatBuffer(count: network.layout.count, for: "parameters")
      if let file = read?.1 {
        try Checkpoint.loadEvaluated(file, layout: network.layout, into: parameters)
      }
      return parameters
    }
    try communicator.broadcast(parameters.floats, from: 0)
    return (checkpoint, network, parameters)
  }

  /// Refuses a network whose probabilities mean something else than the first one's.
  private static func check(
    _ other: Checkpoint, _ path: String, goesWith first: Checkpoint, _ firstPath: String
  ) throws(FileError) {
    func kind(_ checkpoint: Checkpoint) -> String {
      let channels = checkpoint.network.inputChannels
      return "\(channels) \(channels == 1 ? "channel" : "channels"), "
        + "\(checkpoint.network.classes) classes of the mask values "
        + checkpoint.classes.values.map(\.description).joined(separator: ", ")
        + (checkpoint.classes.ignored.map { ", \($0) ignored" } ?? "")
        + ", intensities \(checkpoint.normalization.rule.rawValue)"
    }
    guard kind(first) == kind(other), first.normalization == other.normalization else {
      throw FileError(
        path: path, expected: "\(kind(first)), as in \(firstPath)", found: kind(other),
        hint: "average networks that were trained for the same images and classes")
    }
  }

  /// Refuses a checkpoint that this rank cannot hold while it is read.
  private static func checkMemory(
    ofFile path: String, after byteCount: Int, against memory: MemoryBudget
  ) throws(ConfigurationError) {
    // Whatever else is wrong with the file is told by its reader.
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    guard let fileByteCount = (attributes?[.size] as? NSNumber)?.intValue else { return }
    var demand = MemoryDemand()
    demand.add("the file", fileByteCount)
    demand.add("the networks before it", byteCount)
    try demand.check(
      against: memory, option: "checkpoint", subject: path,
      hint: "take the checkpoint of a smaller network")
  }

  /// Refuses an image that this rank cannot predict: its tiles, and `imageByteCount` bytes of what
  /// is held of it as a whole.
  ///
  /// - Parameter path: where the image lies.
  func checkMemory(
    height: Int, width: Int, imageByteCount: Int, path: String
  ) throws(ConfigurationError) {
    let plan = predictor.plan(height: height, width: width)
    var demand = MemoryDemand()
    var sides: [String] = []
    for (member, tile) in zip(predictor.members, plan.tiles) {
      let (rows, columns) = (tile.rows.inputSide, tile.columns.inputSide)
      let network = member.network
      // With --tile the plan is not looked for, and may be beyond all sense.
      try MemoryLimit.check(network.configuration, tile: max(rows, columns))
      demand.add("parameters", network.layout.count * MemoryLayout<Float>.stride)
      demand.addTile(
        of: network, height: rows, width: columns, training: false, threads: threads)
      sides.append("\(columns)x\(rows)")
    }
    demand.add("the whole image", imageByteCount)
    if averaging != .none || plan.tiles.count > 1 {
      let (rows, columns) = (plan.tiles[0].rows, plan.tiles[0].columns)
      // Sums in Double, and the pixels of a tile once more.
      demand.add(
        "means",
        rows.side * columns.side * predictor.classes * MemoryLayout<Double>.stride
          + rows.inputSide * columns.inputSide * predictor.channels * MemoryLayout<Float>.stride)
    }
    try demand.check(
      against: memory, option: nil,
      subject: "\(width)x\(height) pixels in tiles of " + sides.joined(separator: " and "),
      hint:
        "take a smaller --tile or a smaller image, or save a large one as a TIFF, which goes by windows",
      origin: .init(file: path, holdsOptions: false))
  }
}

/// Warns where some ranks have nothing to do.
///
/// - Parameters:
///   - count: pieces of work that are partitioned over the ranks, one at least to each if there are enough.
///   - pieces: what they are, for example "tiles".
func warnOfIdleRanks(_ count: Int, _ pieces: String, _ communicator: any Communicator) {
  guard communicator.rank == 0, count < communicator.size else { return }
  let idle = communicator.size - count
  printWarning(
    """
    \(count) \(pieces) for \(communicator.size) ranks: \(idle) \(idle == 1 ? "has" : "have") no work; \
    fewer ranks with more threads each use all cores
    """)
}
