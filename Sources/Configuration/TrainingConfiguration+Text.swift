// A configuration written out: as a file, and as a digest to compare runs by.

import Files
import Yams

extension TrainingConfiguration {
  /// The configuration as the text of a file that gives the same configuration again.
  ///
  /// Every option stands there but the absent ones and `resume`, which says where a run was
  /// continued, not what was trained.
  package func yaml() -> String {
    var pairs: [(Node, Node)] = []
    for option in TrainingOption.all where option.name != "resume" {
      guard let text = option.text(self) else { continue }
      pairs.append((Node(option.name), option.node(text: text)))
    }
    // The emitter can only fail on a tree that it is not given here; an empty text would still
    // be an honest, unusable file.
    let body = (try? serialize(node: Node(pairs), width: -1, allowUnicode: true)) ?? ""
    let why = TrainingOption.all.compactMap { option in
      reason(for: option).map { "\(ConfigurationFile.remarkMark)\(option.name): \($0)\n" }
    }
    return ConfigurationFile.heading
      + "# trains the same again. Relative paths start at the working directory.\n"
      + (why.isEmpty
        ? ""
        : "# Why, by the preset \(preset.rawValue); the others are by default so:\n" + why.joined())
      + body
  }

  /// Why an option has its value: the reason of its choice, or `given`; nil for a default.
  ///
  /// Of the options in the file of a run what the run knew.
  package func reason(for option: TrainingOption) -> String? {
    let name = option.name
    if let reason = provenance.reasons[name] ?? provenance.remarks?[name] { return reason }
    let isGiven =
      provenance.remarks == nil
      ? provenance.given.contains(name) : provenance.flags.contains(name)
    return isGiven ? "given" : nil
  }

  /// Which runs are compared by ``digest(for:)``.
  package enum Comparison: Sendable {
    /// The ranks of one run: also the length, the data and when they act together must agree.
    case ranks
    /// A run and the one it resumes: only what decides the numbers must agree.
    case resume
  }

  /// SHA-256, in hexadecimal, of the options that must agree.
  ///
  /// The digest is taken over lines `name=value` in the order of ``TrainingOption/all``. Output
  /// folder, threads, log level and the number of kept checkpoints are never part of it.
  package func digest(for comparison: Comparison = .ranks) -> String {
    let lines = agreeing(for: comparison).map { "\($0.name)=\($0.text(self) ?? "")\n" }
    return SHA256.digest(of: lines.joined()).hexadecimal
  }

  /// The names of the options that must agree and do not, to explain two digests.
  package func differences(
    from other: TrainingConfiguration, for comparison: Comparison = .ranks
  ) -> [String] {
    agreeing(for: comparison).filter { $0.text(self) != $0.text(other) }.map(\.name)
  }

  private func agreeing(for comparison: Comparison) -> [TrainingOption] {
    TrainingOption.all.filter {
      switch $0.scope {
      case .numbers: true
      case .ranks: comparison == .ranks
      case .local: false
      }
    }
  }
}

extension TrainingOption {
  fileprivate func node(text: String) -> Node {
    // Without quotes a path such as `~` or `null` would be read as nothing.
    if isPath { return Node(text, .implicit, .doubleQuoted) }
    guard isList, text.contains(",") else { return Node(text) }
    return Node(text.split(separator: ",").map { Node(String($0)) }, .implicit, .flow)
  }
}
