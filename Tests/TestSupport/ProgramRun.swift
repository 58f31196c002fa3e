// Runs a program for a test, under a time limit.

package import Foundation

/// One finished run of a program: what it printed and how it ended.
///
/// Output goes through temporary files, so that no amount of it can block the program, and what was
/// printed before a time-out is kept. Standard input is empty.
package struct ProgramRun: Sendable, CustomStringConvertible {
  /// A program that could not be found or started.
  package struct StartFailure: Error, CustomStringConvertible {
    /// What happened.
    package let description: String
  }

  /// The program and its arguments.
  package let command: [String]

  /// Everything printed to standard output.
  package let standardOutput: String

  /// Everything printed to standard error.
  package let standardError: String

  /// The exit status; 128 plus the signal's number for a program that a signal ended.
  package let exitStatus: Int32

  /// Whether the time limit ended the run.
  package let timedOut: Bool

  /// How long the run took.
  package let seconds: Double

  /// Whether the program ended by itself, with status 0.
  package var succeeded: Bool { exitStatus == 0 && !timedOut }

  /// The command, the end and the output, for the message of a failed expectation.
  package var description: String {
    let end = timedOut ? "stopped by the time limit" : "exit status \(exitStatus)"
    return """
      \(command.joined(separator: " "))
      \(end) after \(String(format: "%.1f", seconds)) s
      --- standard output
      \(standardOutput)
      --- standard error
      \(standardError)
      """
  }

  /// Runs `program` to its end, or to the time limit.
  ///
  /// `environment` is added to this process's own; nil takes a variable away. At the time limit (in
  /// seconds) the program is asked to end, and soon after it and all its descendants are killed.
  /// While it runs, `disturb` is called again and again with the number of its process.
  ///
  /// - Throws: ``StartFailure`` if it cannot be started; or an error of the temporary files.
  package init(
    _ program: URL, arguments: [String] = [], environment: [String: String?] = [:],
    workingFolder: URL? = nil, timeLimit: Double = 60, disturb: (pid_t) -> Void = { _ in }
  ) throws {
    guard Self.isProgram(program) else {
      throw StartFailure(description: "no program at \(program.path)")
    }
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("program-run-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let output = folder.appendingPathComponent("stdout")
    let errors = folder.appendingPathComponent("stderr")

    command = [program.path] + arguments
    let clock = ContinuousClock()
    let start = clock.now
    // posix_spawn cannot change the folder with what Swift sees of glibc; env does, and is replaced
    // by the program.
    let changingFolder = workingFolder.map { ["/usr/bin/env", "-C", $0.path] } ?? []
    let process = try ChildProcess(
      command: changingFolder + command, environment: environment, output: output, errors: errors)
    let end = process.wait(until: start + .seconds(timeLimit), disturb)
    exitStatus = end ?? process.stop()
    timedOut = end == nil
    seconds = (clock.now - start) / .seconds(1)
    standardOutput = String(decoding: try Data(contentsOf: output), as: UTF8.self)
    standardError = String(decoding: try Data(contentsOf: errors), as: UTF8.self)
  }

  /// Runs `program` as `ranks` ranks on this host.
  ///
  /// More ranks than cores are allowed and none is bound to a core, unless `launcherOptions` says
  /// otherwise. The launcher is that of the MPI library which the program was built with: `mpirun`, or what the
  /// variable UNET_DIST_LAUNCHER names. Only one such run goes on at a time in the process, and a time limit does not
  /// include the wait for it: ranks that wait for each other spin, and would slow all others down.
  package static func mpirun(
    ranks: Int, launcherOptions: [String] = MPILauncher.options,
    program: URL, arguments: [String] = [], environment: [String: String?] = [:],
    workingFolder: URL? = nil, timeLimit: Double = 60, disturb: (pid_t) -> Void = { _ in }
  ) throws -> ProgramRun {
    // Open MPI refuses to run as root unless told twice, and containers mostly run as root.
    let launcherEnvironment: [String: String?] = [
      "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    ]
    return try oneJob.withLock {
      try ProgramRun(
        onPath(MPILauncher.command),
        arguments: ["-np", String(ranks)] + launcherOptions + [program.path] + arguments,
        environment: environment.merging(launcherEnvironment) { own, _ in own },
        workingFolder: workingFolder, timeLimit: timeLimit, disturb: disturb)
    }
  }

  /// Whether a process has a handler for a signal.
  package static func catches(_ signal: Int32, _ process: pid_t) -> Bool {
    let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    let line = status?.split(separator: "\n").first { $0.hasPrefix("SigCgt:") }
    let mask = line?.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) }
    return (mask ?? 0) >> UInt64(signal - 1) & 1 == 1
  }

  /// The processes that `mpirun`, of this number, has started, by rank.
  package static func ranks(of launcher: pid_t) -> [Int: pid_t] {
    var found: [Int: pid_t] = [:]
    for (process, _) in runningProcesses().filter({ $0.value.parent == launcher }) {
      let variables = try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(process)/environ"))
      let prefix = MPILauncher.rankVariable + "="
      for variable in (variables ?? Data()).split(separator: 0) {
        let text = String(decoding: variable, as: UTF8.self)
        if text.hasPrefix(prefix), let rank = Int(text.dropFirst(prefix.count)) {
          found[rank] = process
        }
      }
    }
    return found
  }

  /// The program of this package called `name`, as the build put it beside the tests.
  ///
  /// - Throws: ``StartFailure`` if it is not there.
  package static func builtProgram(named name: String) throws -> URL {
    // The tests run in the bundle's own executable or in one that was given the bundle's path.
    let started = ["/proc/self/exe"] + CommandLine.arguments
    var folders: [URL] = []
    for path in started {
      var folder = URL(fileURLWithPath: path).resolvingSymlinksInPath()
      for _ in 0..<4 {
        folder.deleteLastPathComponent()
        folders.append(folder)
      }
    }
    for folder in folders {
      let program = folder.appendingPathComponent(name)
      if isProgram(program) { return program }
    }
    throw StartFailure(
      description: "no program \(name) beside the tests, looked in "
        + folders.map(\.path).joined(separator: ", "))
  }

  private static let oneJob = NSLock()

  private static func onPath(_ name: String) throws -> URL {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
    for folder in path.split(separator: ":") {
      let program = URL(fileURLWithPath: String(folder)).appendingPathComponent(name)
      if isProgram(program) { return program }
    }
    throw StartFailure(description: "no program \(name) on the path \(path)")
  }

  private static func isProgram(_ file: URL) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: file.path, isDirectory: &isFolder)
      && !isFolder.boolValue && FileManager.default.isExecutableFile(atPath: file.path)
  }
}

// MARK: - The launcher

/// The program that starts ranks for tests.
package enum MPILauncher {
  /// Its name on the path.
  package static let command =
    ProcessInfo.processInfo.environment["UNET_DIST_LAUNCHER"] ?? "mpirun"

  /// Whether it is Open MPI's; else it speaks PMI, as MPICH's does.
  package static let isOpenMPI = !command.hasSuffix("mpich")

  /// What allows more ranks than cores, and binds none of them; MPICH's does so by itself.
  package static let options = isOpenMPI ? ["--oversubscribe", "--bind-to", "none"] : []

  /// The variable that tells a process its rank.
  package static let rankVariable = isOpenMPI ? "OMPI_COMM_WORLD_RANK" : "PMI_RANK"
}

// MARK: - The process

/// A started program in a process group of its own.
private struct ChildProcess {
  let id: pid_t

  init(
    command: [String], environment: [String: String?], output: URL, errors: URL
  ) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    let create = O_WRONLY | O_CREAT | O_APPEND
    posix_spawn_file_actions_addopen(&actions, 1, output.path, create, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errors.path, create, 0o600)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Threads of the tests block signals, and a program would inherit that.
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    // Tests under nohup ignore HUP, which a program would inherit, too.
    var hangUp = sigset_t()
    sigemptyset(&hangUp)
    sigaddset(&hangUp, SIGHUP)
    posix_spawnattr_setsigdefault(&attributes, &hangUp)
    posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    posix_spawnattr_setpgroup(&attributes, 0)

    var variables = ProcessInfo.processInfo.environment
    for (name, value) in environment { variables[name] = value }
    let code = withCStrings(command) { arguments in
      withCStrings(variables.map { "\($0.key)=\($0.value)" }) { environment in
        var id: pid_t = 0
        let code = posix_spawn(&id, command[0], &actions, &attributes, arguments, environment)
        return (code, id)
      }
    }
    guard code.0 == 0 else {
      throw ProgramRun.StartFailure(
        description: "cannot start \(command[0]): \(String(cString: strerror(code.0)))")
    }
    id = code.1
  }

  /// The exit status, or nil when the program still runs at `deadline`.
  func wait(
    until deadline: ContinuousClock.Instant, _ disturb: (pid_t) -> Void = { _ in }
  ) -> Int32? {
    repeat {
      var status: CInt = 0
      if waitpid(id, &status, WNOHANG) == id {
        let signal = status & 0x7F
        return signal == 0 ? status >> 8 & 0xFF : 128 + signal
      }
      disturb(id)
      usleep(10_000)
    } while ContinuousClock.now < deadline
    return nil
  }

  /// Ends the program and all that it started; returns its exit status.
  func stop() -> Int32 {
    // A launcher puts its ranks into groups of their own, so the group alone is not all of them.
    let descendants = descendantStarts()
    kill(id, SIGTERM)
    let status = wait(until: .now + .seconds(3))
    // Until it has been waited for, the number can be no other process's.
    if status == nil { kill(-id, SIGKILL) }
    let now = runningProcesses()
    for (process, start) in descendants where now[process]?.start == start {
      kill(process, SIGKILL)
    }
    return status ?? wait(until: .now + .seconds(10)) ?? 128 + SIGKILL
  }

  /// The processes below this one, with the times of their starts, which tell a process from a
  /// later one of the same number.
  private func descendantStarts() -> [pid_t: String] {
    let processes = runningProcesses()
    var found: [pid_t: String] = [:]
    var parents: Set<pid_t> = [id]
    while !parents.isEmpty {
      let children = processes.filter { parents.contains($0.value.parent) && found[$0.key] == nil }
      for (child, process) in children { found[child] = process.start }
      parents = Set(children.keys)
    }
    return found
  }
}

/// The running processes with their parents and the times of their starts.
private func runningProcesses() -> [pid_t: (parent: pid_t, start: String)] {
  var processes: [pid_t: (parent: pid_t, start: String)] = [:]
  for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
    guard
      let id = pid_t(name),
      let line = try? String(contentsOfFile: "/proc/\(name)/stat", encoding: .utf8),
      let end = line.lastIndex(of: ")")
    else { continue }
    // After the name, which may hold anything: state, parent, ... and the start as field 22.
    let fields = line[line.index(after: end)...].split(separator: " ")
    guard fields.count > 19, let parent = pid_t(fields[1]) else { continue }
    processes[id] = (parent, String(fields[19]))
  }
  return processes
}

/// Calls `body` with a null-terminated array of C strings.
private func withCStrings<Value>(
  _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Value
) -> Value {
  var pointers = strings.map { strdup($0) } + [nil]
  defer { for pointer in pointers { free(pointer) } }
  return pointers.withUnsafeMutableBufferPointer { buffer in
    guard let base = buffer.baseAddress else { preconditionFailure("an array with an end") }
    return body(base)
  }
}
