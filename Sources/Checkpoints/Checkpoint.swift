// The state of a run in one file: weights, optimiser, position, and all that prediction needs.

package import Datasets
package import Files
import Foundation
package import Kernels
package import Network
package import Tensors

/// The metadata of a checkpoint, beside its tensors; stored in the file's `__metadata__`.
package struct Checkpoint: Sendable, Equatable {
  /// The architecture.
  package var network: UNetConfiguration
  /// Which mask value is which class.
  package var classes: ClassMapping
  /// How intensities become inputs.
  package var normalization: IntensityNormalization
  /// The resolved options of the run, as the text of a file for `--config`.
  package var configuration: String
  /// Updates made.
  package var step: Int
  /// The epoch of the last update, from 0.
  package var epoch: Int
  /// The seed of every random number.
  package var seed: UInt64
  /// The side of the training tile.
  package var tile: Int
  /// The optimiser whose state the file holds.
  package var optimizer: OptimizerKind
  /// The kernels of the matrix product that made the weights; they decide the bits.
  package var matrixKernels: String
  /// The digest of ``ArithmeticProbe`` where the weights were made; nil in files of older versions.
  package var arithmetic: String?
  /// The digest of the images' listing, see `TrainingData.digest`.
  package var dataDigest: String
  /// The digest of the division into training and validation, see `TrainingData.divisionDigest`; nil in
  /// files of versions that divided samples one by one.
  package var divisionDigest: String?
  /// The threshold of the foreground that the newest evaluation has found; nil without one.
  package var threshold: Threshold?
  /// The best validation score so far and the step that reached it.
  package var best: BestScore?
  /// How long a run of some patience has waited for a better score; nil without patience.
  package var patience: Patience?
  /// Whether the run was stopped before an evaluation that was due after this step.
  package var isUnscored = false
  /// How its contents were verified before they were written; nil in files from before there was a record.
  package var verification: Verification?
  /// The version of the program that wrote the file; nil in files from before 0.2.0.
  package var version: String?
  /// The revision that program was built from; nil in files from before 0.2.0.
  package var revision: String?

  /// A checkpoint from its parts.
  package init(
    network: UNetConfiguration, classes: ClassMapping, normalization: IntensityNormalization,
    configuration: String, step: Int, epoch: Int, seed: UInt64, tile: Int, optimizer: OptimizerKind,
    matrixKernels: String, arithmetic: String? = nil, dataDigest: String,
    divisionDigest: String? = nil, threshold: Threshold? = nil, best: BestScore? = nil,
    patience: Patience? = nil, isUnscored: Bool = false,
    verification: Verification? = nil, version: String? = nil, revision: String? = nil
  ) {
    self.network = network
    self.classes = classes
    self.normalization = normalization
    self.configuration = configuration
    self.step = step
    self.epoch = epoch
    self.seed = seed
    self.tile = tile
    self.optimizer = optimizer
    self.matrixKernels = matrixKernels
    self.arithmetic = arithmetic
    self.dataDigest = dataDigest
    self.divisionDigest = divisionDigest
    self.threshold = threshold
    self.best = best
    self.patience = patience
    self.isUnscored = isUnscored
    self.verification = verification
    self.version = version
    self.revision = revision
  }

  /// The version of this layout; a reader refuses what it does not know.
  static let format = "unet-dist 1"
}

// MARK: - Writing

extension Checkpoint {
  /// Writes the checkpoint, replacing the file in one move after everything is on the disk.
  ///
  /// Weights stand under their parameters' names in PyTorch's order, optimiser state under
  /// `optimizer.momentum.NAME` and so on in the same order, from the whole
  /// buffers in `state`. One tensor at a time is brought into that order, so this takes the memory
  /// of the largest one.
  package func write(
    to path: String, layout: ParameterLayout, parameters: FloatBuffer,
    state: [(name: String, values: FloatBuffer)]
  ) throws {
    let buffers = [("", parameters)] + state.map { ("\(Self.statePrefix)\($0.name).", $0.values) }
    let entries = buffers.flatMap { prefix, buffer in
      layout.parameters.map { parameter in
        SafetensorsFile.Entry(name: prefix + parameter.name, shape: parameter.shape) { values in
          parameter.copyFileValues(from: buffer.base, to: values)
        }
      }
    }
    try SafetensorsFile.write(entries, metadata: metadata(), to: path)
  }

  /// The text entries of the file.
  func metadata() throws -> [String: String] {
    var metadata = [
      "format": Self.format,
      "configuration.network": try Self.json(network),
      "classes": try Self.json(classes),
      "normalization": try Self.json(normalization),
      "configuration": configuration,
      "step": "\(step)",
      "epoch": "\(epoch)",
      "seed": "\(seed)",
      "tile": "\(tile)",
      "optimizer": optimizer.rawValue,
      "blas_kernels": matrixKernels,
      "data_digest": dataDigest,
    ]
    if let arithmetic { metadata["arithmetic"] = arithmetic }
    if let divisionDigest { metadata["division_digest"] = divisionDigest }
    if let version { metadata["program_version"] = version }
    if let revision { metadata["program_revision"] = revision }
    if let threshold { metadata["threshold"] = try Self.json(threshold) }
    if let best { metadata["best"] = try Self.json(best) }
    if let patience { metadata["patience"] = try Self.json(patience) }
    if isUnscored { metadata["unscored"] = "true" }
    if let verification { metadata[Verification.key] = try Self.json(verification) }
    return metadata
  }

  private static func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}

// MARK: - Reading

extension Checkpoint {
  /// What the metadata of a file says.
  ///
  /// - Throws: `FileError` for a file that this program has not written, or a newer one has.
  package init(metadata: [String: String], path: String) throws(FileError) {
    func text(_ key: String) throws(FileError) -> String {
      guard let value = metadata[key] else {
        throw FileError(
          path: path, expected: "a checkpoint with \(key) in its metadata", found: "none",
          hint: "give a file that unet-dist train has written")
      }
      return value
    }
    func invalid(_ key: String, _ value: String) -> FileError {
      FileError(
        path: path, expected: "a \(key) that this version understands",
        found: String(value.prefix(80)), hint: "read it with the version that wrote it")
    }
    func integer<Value: FixedWidthInteger>(_ key: String) throws(FileError) -> Value {
      let value = try text(key)
      guard let number = Value(value), number >= 0 else { throw invalid(key, value) }
      return number
    }
    func count(_ key: String) throws(FileError) -> Int {
      let number: Int = try integer(key)
      // Random streams number steps and epochs by 32 bits.
      guard number < 1 << 32 else { throw invalid(key, "\(number)") }
      return number
    }
    func decoded<Value: Decodable>(_ key: String) throws(FileError) -> Value {
      let value = try text(key)
      do {
        return try JSONDecoder().decode(Value.self, from: Data(value.utf8))
      } catch {
        throw invalid(key, value)
      }
    }
    let format = try text("format")
    guard format == Self.format else { throw invalid("format", format) }
    network = try decoded("configuration.network")
    guard network.isPlausible else { throw invalid("architecture", "\(network)") }
    classes = try decoded("classes")
    normalization = try decoded("normalization")
    configuration = try text("configuration")
    step = try count("step")
    epoch = try count("epoch")
    seed = try integer("seed")
    tile = try integer("tile")
    guard tile <= UNetMemory.largestTile, network.outputSide(tile: tile) != nil else {
      throw invalid("tile", "\(tile)")
    }
    let kind = try text("optimizer")
    guard let optimizer = OptimizerKind(rawValue: kind) else { throw invalid("optimizer", kind) }
    self.optimizer = optimizer
    matrixKernels = try text("blas_kernels")
    arithmetic = metadata["arithmetic"]
    dataDigest = try text("data_digest")
    divisionDigest = metadata["division_digest"]
    threshold = metadata["threshold"] == nil ? nil : try decoded("threshold")
    if let value = threshold?.value, !(value > 0 && value < 1) {
      throw invalid("threshold", "\(value)")
    }
    best = metadata["best"] == nil ? nil : try decoded("best")
    patience = metadata["patience"] == nil ? nil : try decoded("patience")
    isUnscored = metadata["unscored"] == "true"
    verification = metadata[Verification.key] == nil ? nil : try decoded(Verification.key)
    version = metadata["program_version"]
    revision = metadata["program_revision"]
  }

  /// Reads and verifies a file: its structure, its checksum, and what it says.
  ///
  /// - Throws: `FileError`.
  package static func read(_ path: String) throws -> (checkpoint: Checkpoint, file: SafetensorsFile)
  {
    let file = try SafetensorsFile.read(path, requireChecksum: true)
    return (try Checkpoint(metadata: file.metadata, path: path), file)
  }

  /// Checks that a file has a tensor of the right shape for every parameter of a layout.
  ///
  /// What a file says of its architecture is compared with what it holds before memory is
  /// allocated for it.
  package static func check(_ file: SafetensorsFile, has layout: ParameterLayout) throws {
    for parameter in layout.parameters { try check(file, parameter, name: parameter.name) }
  }

  private static func check(
    _ file: SafetensorsFile, _ parameter: Parameter, name: String
  ) throws(FileError) {
    guard let shape = file.shape(of: name), shape == parameter.shape else {
      throw FileError(
        path: file.path, expected: "a tensor \(name) of shape \(parameter.shape)",
        found: file.shape(of: name).map { "shape \($0)" } ?? "none",
        hint: "the checkpoint is of another architecture; give the same model options")
    }
  }

  /// Overwrites a flat buffer with the tensors `prefix` + NAME of all parameters.
  ///
  /// - Throws: `FileError` when a tensor is missing, has another shape, or holds values that
  ///   are not finite; the buffer may be overwritten in part.
  package static func load(
    _ file: SafetensorsFile, layout: ParameterLayout, prefix: String = "",
    into buffer: FloatBuffer
  ) throws {
    for parameter in layout.parameters {
      let name = prefix + parameter.name
      try check(file, parameter, name: name)
      try store(file, name, as: parameter, into: buffer)
    }
  }

  /// Overwrites one parameter of a flat buffer with the tensor `name`, whose shape is checked.
  ///
  /// `isRounded` takes values of other floating-point types too, rounded.
  static func store(
    _ file: SafetensorsFile, _ name: String, as parameter: Parameter, into buffer: FloatBuffer,
    isRounded: Bool = false
  ) throws(FileError) {
    let values = isRounded ? try file.roundedFloats(of: name) : try file.floats(of: name)
    guard !values.contains(where: { !$0.isFinite }) else {
      throw FileError(
        .altered, path: file.path, expected: "finite values in \(name)", found: "infinity or NaN",
        hint: "take an earlier checkpoint")
    }
    parameter.store(fileValues: values, to: buffer.base)
  }
}

extension Checkpoint {
  /// What stands before a parameter's name in the name of its moving average.
  static let averagesPrefix = "\(statePrefix)\(Optimizer.averagesName)."
  /// What the names of the optimiser's state begin with.
  static let statePrefix = "optimizer."

  /// Overwrites a flat buffer with the weights that are scored and used: their moving averages where
  /// the run kept some, else those of the last update.
  ///
  /// - Throws: as `load`.
  package static func loadEvaluated(
    _ file: SafetensorsFile, layout: ParameterLayout, into buffer: FloatBuffer
  ) throws {
    let hasAverages =
      layout.parameters.first.map { file.shape(of: averagesPrefix + $0.name) != nil } ?? false
    try load(file, layout: layout, prefix: hasAverages ? averagesPrefix : "", into: buffer)
  }
}

extension UNetConfiguration {
  /// Whether a network of these sizes can be meant; a file may say anything.
  var isPlausible: Bool {
    (1...1024).contains(inputChannels) && (1...256).contains(classes)
      && (1...4096).contains(baseChannels) && (1...8).contains(depth)
      && channels(level: depth) <= UNetMemory.widestBottleneck && dropout >= 0 && dropout < 1
  }
}
