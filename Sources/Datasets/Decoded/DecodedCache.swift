// Where decoded sets are kept from one start to the next.

import Files
import Foundation

/// Where decoded sets are kept.
package enum CacheChoice: Codable, Equatable, Sendable {
  /// Sets that take long to decode in the user's folder for caches, others nowhere.
  case automatic
  /// Nowhere: a set is decoded at each start.
  case none
  /// In this folder.
  case folder(String)
}

extension CacheChoice: RawRepresentable {
  /// `auto`, `none`, or a path.
  package init?(rawValue: String) {
    guard !rawValue.isEmpty else { return nil }
    self =
      switch rawValue {
      case "auto": .automatic
      case "none": .none
      default: .folder(rawValue)
      }
  }

  /// The text that gives this choice.
  package var rawValue: String {
    switch self {
    case .automatic: "auto"
    case .none: "none"
    case .folder(let path): path
    }
  }
}

/// The folder in which decoded sets are kept, each in a folder of its own.
///
/// A set's folder is named by two digests: of what is decoded and how, and of the sizes and times of its
/// files. It is written under another name and renamed when it is complete, so that what has its name is
/// whole, and several runs may write and read at once. A set that has changed takes the place of the older
/// one; a set that nobody has used for a month is removed when another one is kept. What is in use stays.
struct DecodedCache {
  /// The folder; nil to keep nothing.
  let folder: String?
  /// Bytes of a decoded set from which on it is kept.
  let leastByteCount: Int

  /// The bytes from which on sets are kept unless a folder is named: less is decoded within a second.
  private static let usualLeast = 64 << 20
  private static let month = 30 * 86_400.0
  private static let day = 86_400.0

  /// The cache of a choice.
  init(_ choice: CacheChoice) {
    switch choice {
    case .folder(let path): (folder, leastByteCount) = (path, 0)
    case .none: (folder, leastByteCount) = (nil, .max)
    case .automatic: (folder, leastByteCount) = (Self.userFolder, Self.usualLeast)
    }
  }

  /// The user's folder for caches (XDG Base Directory Specification), where there is one.
  private static var userFolder: String? {
    let environment = ProcessInfo.processInfo.environment
    let bases = [
      environment["XDG_CACHE_HOME"], environment["HOME"].map { $0.isEmpty ? $0 : $0 + "/.cache" },
    ]
    // A relative path there is to be passed over.
    return bases.compactMap(\.self).first { $0.hasPrefix("/") }.map { $0 + "/unet-dist" }
  }

  /// The folder of the set of this name.
  func path(of name: String) -> String? { folder.map { "\($0)/\(name)" } }

  /// A new folder to write a set into: in the cache, or where nothing can be kept among temporary files.
  ///
  /// - Throws: `FileError` where there can be none; of a cache in a folder that was named, at once.
  func makeFolder(isNamed: Bool) throws(FileError) -> String {
    if let folder {
      do {
        try Folder.make(folder)
        return try Self.temporaryFolder(in: folder)
      } catch {
        if isNamed { throw error }
      }
    }
    return try Self.temporaryFolder(in: FileManager.default.temporaryDirectory.path)
  }

  private static let prefix = ".unet-dist-decoding-"

  private static func temporaryFolder(in folder: String) throws(FileError) -> String {
    var name = Array("\(folder)/\(prefix)XXXXXX".utf8CString)
    guard mkdtemp(&name) != nil else {
      throw FileError(path: folder, operation: "make a folder in it", code: errno)
    }
    return String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Gives a complete set its name, and removes what it takes the place of.
  ///
  /// - Parameter isFlushed: whether its files are forced to the disk before: otherwise a power cut may leave other
  ///   bytes under the name, which whoever reads them has to find.
  /// - Returns: the folder of that name; `isOther` says that another process was faster, and its set stays there. Nil
  ///   where the set cannot be kept.
  func keep(
    _ path: String, as name: String, isFlushed: Bool
  ) throws(FileError) -> (folder: String, isOther: Bool)? {
    guard let kept = self.path(of: name), path.hasPrefix((folder ?? "") + "/") else { return nil }
    var isOther = false
    if isFlushed { try Self.flush(path) }
    if rename(path, kept) != 0 {
      guard errno == ENOTEMPTY || errno == EEXIST else {
        throw FileError(path: kept, operation: "put the decoded set in place", code: errno)
      }
      isOther = true
    }
    removeStale(besides: name)
    return (kept, isOther)
  }

  /// Forces the files of a set to the disk, so that a power cut leaves no name of a set without its bytes.
  private static func flush(_ path: String) throws(FileError) {
    for file in try Folder.names(in: path).map({ "\(path)/\($0)" }) {
      let input = try InputFile(file)
      guard fsync(input.descriptor) == 0 else {
        throw FileError(path: file, operation: "flush to the disk", code: errno)
      }
    }
  }

  /// Notes that a set was used now.
  static func touch(_ path: String) { _ = utimes(path, nil) }

  /// Removes a set, or what is left of one.
  static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

  /// Removes sets of the same files as they were before, sets not used for long, and what was left by
  /// processes that ended while they wrote.
  private func removeStale(besides name: String) {
    guard let folder, let names = try? Folder.names(in: folder) else { return }
    let prefix = name.prefix { $0 != "-" } + "-"
    for other in names where other != name {
      let isLeft = other.hasPrefix(Self.prefix)
      guard isLeft || Self.isName(other) else { continue }
      let path = "\(folder)/\(other)"
      var status = stat()
      guard stat(path, &status) == 0 else { continue }
      let age = Date().timeIntervalSince1970 - Double(status.st_mtim.tv_sec)
      let isDue = isLeft ? age > Self.day : other.hasPrefix(prefix) || age > Self.month
      if isDue && (isLeft || !UseLock.isInUse("\(path)/\(DecodedSet.headName)")) {
        Self.remove(path)
      }
    }
  }

  /// Whether a folder's name is that of a set, so that nothing else is removed.
  private static func isName(_ name: String) -> Bool {
    let parts = name.split(separator: "-", omittingEmptySubsequences: false)
    return parts.count == 2
      && parts.allSatisfy { $0.count == 32 && $0.allSatisfy { $0.isHexDigit && !$0.isUppercase } }
  }

  /// The name of the set that is decoded from these files.
  ///
  /// - Throws: `FileError` for a file that is not there.
  static func name(of sources: [SampleSource], as form: DecodedForm) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let rule = String(decoding: try encoder.encode(form.ownNormalization), as: UTF8.self)
    var what = ["decoded set \(DecodedSet.format)", rule, "borders \(form.instanceBorders)"]
    var files: [String] = []
    for source in sources {
      what += source.identity
      for path in source.paths {
        var status = stat()
        guard stat(path, &status) == 0 else {
          throw FileError(path: path, operation: "examine", code: errno)
        }
        files.append("\(status.st_size) \(status.st_mtim.tv_sec) \(status.st_mtim.tv_nsec)")
      }
    }
    return [what, files].map {
      SHA256.digest(of: $0.joined(separator: "\n")).hexadecimal.prefix(32)
    }.joined(separator: "-")
  }
}

extension SampleSource {
  /// What is read of which files, a line each, the same from wherever the set is named.
  fileprivate var identity: [String] {
    func line(_ use: String, _ file: FilePage) -> String {
      let path = file.path
      let folder = path.hasPrefix("/") ? "" : FileManager.default.currentDirectoryPath + "/"
      return "\(use) \(file.page) \(folder)\(path)"
    }
    func lines(_ use: String, _ objects: InstanceSource?) -> [String] {
      switch objects {
      case .numbered(let file): [line("\(use) numbered", file)]
      case .separate(let paths): paths.map { line("\(use) separate", FilePage(path: $0)) }
      case .nothing: ["\(use) nothing"]
      case nil: []
      }
    }
    var all = [name] + image.channels.map { line("image", $0) }
    switch mask {
    case .values(let file): all.append(line("mask", file))
    case .objects(let objects): all += lines("objects", objects)
    case nil: break
    }
    return all + lines("instances", instances)
  }
}
