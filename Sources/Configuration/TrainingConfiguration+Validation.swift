// What a configuration must be, each option by itself and all together.

package import Communication
import Network

extension TrainingConfiguration {
  /// Checks every option alone and all of them together.
  ///
  /// - Throws: the first error, in the order of ``TrainingOption/all``, conflicts last.
  package func validate() throws(ConfigurationError) {
    for option in TrainingOption.all {
      try option.check(self)
    }
    try validateCombinations()
  }

  private func validateCombinations() throws(ConfigurationError) {
    for group in TrainingOption.alternatives {
      try checkAlternatives(group)
    }
    if images != nil && masks == nil {
      throw ConfigurationError(
        option: "masks", expected: "the masks that belong to --images", found: "nothing",
        hint: "give --masks PATH, or --data DIR for both")
    }
    if masks != nil && images == nil {
      throw ConfigurationError(
        option: "images", expected: "the images that belong to --masks", found: "nothing",
        hint: "give --images PATH, or --data DIR for both")
    }
    try validateFolds()
    if steps == nil && epochs == nil && minutes == nil {
      throw ConfigurationError(
        option: "steps", expected: "a length of the run", found: "nothing",
        hint: "give --steps N, --epochs N or --minutes N")
    }
    if minutes != nil && resume != nil {
      throw ConfigurationError(
        option: "minutes", expected: "a run that begins", found: "one that goes on",
        hint: "its steps were chosen when it began; give --steps N for more of them")
    }
    if let steps { try checkWarmup(totalSteps: steps) }
    if patience != nil {
      guard validationData != nil || validationFraction > 0 || fold != nil || split != nil else {
        throw ConfigurationError(
          option: "patience", expected: "images to validate on", found: "none",
          hint: "give --validation-data DIR or --validation-fraction X")
      }
      guard evaluateEvery > 0 else {
        throw ConfigurationError(
          option: "patience", expected: "evaluations in the course of the run",
          found: "--evaluate-every 0", hint: "give --evaluate-every N")
      }
    }
    try Self.checkExchange(
      reduction: reduction, compression: compression, overlap: overlap,
      shardOptimizer: shardOptimizer)
    if case .values(let values) = classWeights, let classes, values.count != classes {
      throw ConfigurationError(
        option: "class-weights", expected: "\(classes) numbers, one a class",
        found: "\(values.count)")
    }
    try validateTile()
  }

  private func validateFolds() throws(ConfigurationError) {
    if let folds, fold == nil {
      throw ConfigurationError(
        option: "fold", expected: "a number from 1 to \(folds), beside --folds", found: "nothing",
        hint: "each fold is a run of its own")
    }
    guard let fold else { return }
    if folds == nil && split == nil {
      throw ConfigurationError(
        option: "folds", expected: "the number of folds that --fold \(fold) is one of",
        found: "nothing", hint: "give --folds K, or --split FILE with folds in it")
    }
    if let folds, fold > folds {
      throw ConfigurationError(
        option: "fold", expected: "a number from 1 to \(folds)", found: "\(fold)")
    }
  }

  /// Checks that the ways to sum gradients and to exchange them go together.
  package static func checkExchange(
    reduction: Reduction, compression: Compression, overlap: Overlap, shardOptimizer: Bool
  ) throws(ConfigurationError) {
    if compression != .none && reduction != .tree {
      throw ConfigurationError(
        option: "compression", expected: "--reduction tree", found: reduction.rawValue,
        hint: "leave out one of them")
    }
    if shardOptimizer && reduction != .tree {
      throw ConfigurationError(
        option: "shard-optimizer", expected: "--reduction tree", found: reduction.rawValue,
        hint: "leave out one of them")
    }
    if overlap == .poll && reduction != .tree {
      throw ConfigurationError(
        option: "overlap", expected: "--reduction tree beside poll", found: reduction.rawValue,
        hint: "take --overlap thread: the library's sums are made in one call")
    }
  }

  private func checkAlternatives(_ group: [[String]]) throws(ConfigurationError) {
    let given = group.compactMap { names in names.first(where: isSet) }
    guard given.count > 1, let last = given.last else { return }
    let others = given.dropLast().map { "--\($0)" }.joined(separator: ", ")
    throw ConfigurationError(
      option: last, expected: "not to stand together with \(others)", found: "both",
      hint: "leave one of them out")
  }

  private func isSet(_ name: String) -> Bool {
    // A fraction of 0 is what a run with separate validation data has.
    if name == "validation-fraction" { return validationFraction > 0 }
    return TrainingOption.named(name)?.text(self) != nil
  }

  private func validateTile() throws(ConfigurationError) {
    let network = network(inputChannels: 1, classes: 2)
    try MemoryLimit.check(network, tile: tile)
    guard network.outputSide(tile: tile) == nil else { return }
    // A plan may still choose the padding and the depth by which a given tile is legal.
    if provenance.isOpen {
      let depths = provenance.given.contains("depth") ? [depth] : [3, 4]
      let isLegal = depths.contains { depth in
        [Padding.mirror, .valid].contains { padding in
          UNetConfiguration(depth: depth, padding: padding).outputSide(tile: tile) != nil
        }
      }
      if isLegal { return }
    }
    let nearest = network.legalTiles(near: tile).map { "\($0)" }
    throw ConfigurationError(
      option: "tile", expected: "a legal size at depth \(depth) with padding \(padding.rawValue)",
      found: "\(tile)", hint: "the nearest are " + nearest.joined(separator: " and "))
  }
}
