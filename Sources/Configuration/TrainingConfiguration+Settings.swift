// How a configuration comes from defaults, a file and flags: the later wins.

extension TrainingConfiguration {
  /// The configuration that a file and flags ask for, complete and checked.
  ///
  /// Flags win over the file, the file over the defaults. A flag also displaces what it excludes in
  /// the file: `--epochs` there takes away the file's `steps`. Defaults that depend on other options
  /// (tile, learning rate, share for validation) are chosen last.
  ///
  /// - Parameters:
  ///   - path: the file given by `--config`, or nil.
  ///   - flags: the values of the flags given, by option name.
  /// - Throws: for an unreadable or malformed file, an unknown option, a wrong value, a conflict.
  package init(file path: String?, flags: [String: String] = [:]) throws(ConfigurationError) {
    let file = try path.map { path throws(ConfigurationError) in
      try ConfigurationFile(path: path)
    }
    try self.init(settings: file?.settings ?? [], remarks: file?.remarks, flags: flags)
  }

  /// The configuration that the text of a file and flags ask for; `file` names it in errors.
  package init(
    yaml: String, file: String = "configuration", flags: [String: String] = [:]
  ) throws(ConfigurationError) {
    let file = try ConfigurationFile(yaml: yaml, path: file)
    try self.init(settings: file.settings.map(\.ofToday), remarks: file.remarks, flags: flags)
  }

  private init(
    settings: [ConfigurationFile.Setting], remarks: [String: String]?, flags: [String: String]
  ) throws(ConfigurationError) {
    self.init()
    let displaced = Self.displaced(by: flags.keys)
    let settings = settings.filter { flags[$0.option.name] == nil && !displaced.contains($0.name) }
    var given = Set(flags.keys)
    for setting in settings {
      given.insert(setting.name)
      try setting.origin.blamed(for: setting.name) { () throws(ConfigurationError) in
        try setting.option.assign(&self, setting.text)
      }
    }
    // In the order of the table, so that of several errors always the same is shown.
    for option in TrainingOption.all {
      guard let text = flags[option.name] else { continue }
      try option.assign(&self, text)
    }
    for name in flags.keys.sorted() where TrainingOption.named(name) == nil {
      throw ConfigurationError(
        option: name, expected: "an option of train", found: quoted(name),
        hint: TrainingOption.suggestion(for: name))
    }
    provenance.given = given
    provenance.flags = Set(flags.keys)
    provenance.remarks = remarks?.filter { flags[$0.key] == nil }
    provenance.isOpen =
      (preset == .auto || load != nil) && resume == nil && !given.contains("padding")
    chooseDependentDefaults(given: given)
    do throws(ConfigurationError) {
      try validate()
    } catch {
      var error = error
      error.origin = settings.first { $0.name == error.option }?.origin
      throw error
    }
  }

  private mutating func chooseDependentDefaults(given: Set<String>) {
    if !given.isDisjoint(with: ["epochs", "minutes"]) && !given.contains("steps") { steps = nil }
    if !given.contains("validation-fraction"),
      validationData != nil || folds != nil || fold != nil || split != nil
    {
      validationFraction = 0
    }
    // A depth out of range has no legal tiles to look for; its own error follows.
    if !given.contains("tile"), (1...8).contains(depth) {
      tile = Self.defaultTile(for: network(inputChannels: 1, classes: 2))
    }
  }

  /// The options that cannot stand beside those in `names`.
  static func displaced(by names: some Sequence<String>) -> Set<String> {
    let names = Set(names)
    var displaced: Set<String> = []
    for group in TrainingOption.alternatives {
      for side in group where !names.isDisjoint(with: side) {
        displaced.formUnion(group.filter { $0 != side }.joined())
      }
    }
    return displaced
  }
}

extension ConfigurationError.Origin {
  /// Runs `body`; its error is said to come from this place.
  fileprivate func blamed(
    for option: String, _ body: () throws(ConfigurationError) -> Void
  ) throws(ConfigurationError) {
    do throws(ConfigurationError) {
      try body()
    } catch {
      var error = error
      error.origin = self
      throw error
    }
  }
}
