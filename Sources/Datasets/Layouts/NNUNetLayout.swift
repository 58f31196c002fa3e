// The layout of nnU-Net v2: `dataset.json`, `imagesTr` with a file a channel, `labelsTr`.

import Files
import Foundation
import Imaging

/// A folder with `dataset.json`, images `imagesTr/NAME_0000.ext`, `NAME_0001.ext`, ..., a file a channel, and
/// labels `labelsTr/NAME.ext`.
///
/// Of `dataset.json` the keys `file_ending`, `channel_names` and `labels` are read: how many channels there are,
/// names of classes, and the value of the label `ignore`, which is of no class.
enum NNUNetLayout: DatasetLayout {
  static let name = "nnunet"
  static let rule = "dataset.json, imagesTr/NAME_0000.png and labelsTr/NAME.png"

  static func fits(_ contents: FolderContents) -> Bool {
    contents.files.contains("dataset.json") && contents.hasFolders("imagesTr", "labelsTr")
  }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    let description = try Description(path: contents.place("dataset.json"))
    guard let images = contents.folderPath("imagesTr"),
      let labels = contents.folderPath("labelsTr")
    else { preconditionFailure("a folder that does not fit") }
    let ending = description.fileEnding
    let channelsOf = try channels(FolderContents(path: images), ending: ending)
    if let first = channelsOf.min(by: { Paths.precedes($0.key, $1.key) })?.value {
      try description.check(channels: first, in: images)
    }
    let labelContents = try FolderContents(path: labels)
    for label in labelContents.files where label.hasSuffix(ending) {
      let name = String(label.dropLast(ending.count))
      guard channelsOf[name] != nil else {
        throw FileError(
          .maskWithoutImage, path: labelContents.place(label),
          expected: "an image called \(name)_0000\(ending)", found: "none",
          hint: "add the image or remove the labels")
      }
    }
    var found = FoundSamples(
      sources: [], classNames: .given(description.classNames), ignored: description.ignored,
      knownValues: description.knownValues, folders: [contents.path, images, labels],
      otherFiles: [contents.place("dataset.json")],
      notes: description.notes)
    for (name, channels) in channelsOf.sorted(by: { Paths.precedes($0.key, $1.key) }) {
      guard labelContents.files.contains(name + ending) else {
        throw FileError(
          .imageWithoutMask, path: channels[0],
          expected: "labels called \(name)\(ending) in \(labels)", found: "none",
          hint: "add the labels or remove the image")
      }
      found.sources += try SampleSource.pages(
        named: name, image: channels, mask: labelContents.place(name + ending))
    }
    return found
  }

  /// The files of each image's channels in order, by its name.
  private static func channels(
    _ contents: FolderContents, ending: String
  ) throws(FileError) -> [String: [String]] {
    func stem(_ file: String) -> String {
      String(Paths.name(file).dropLast(ending.count))
    }
    let files = contents.files.filter {
      $0.hasSuffix(ending) && ChannelFiles.name(stem($0)) != nil
    }
    guard let channels = ChannelFiles(files.map(contents.place), stem: stem) else {
      throw FileError(
        .noImages, path: contents.path, expected: "images called NAME_0000\(ending)",
        found: contents.summary, hint: "dataset.json says that names end with \(ending)")
    }
    return Dictionary(
      uniqueKeysWithValues: try channels.complete().map { ($0.name, $0.files) })
  }

  /// What `dataset.json` says.
  private struct Description {
    let fileEnding: String
    /// How many channels it says that images have, where it does.
    private let channelCount: Int?
    private(set) var classNames: [MaskValue: String] = [:]
    private(set) var ignored: MaskValue?
    /// The values that masks may have.
    private(set) var knownValues: KnownValues
    private(set) var notes: [String] = []

    private struct File: Decodable {
      let labels: [String: Label]
      let fileEnding: String
      let channels: Channels?

      private enum CodingKeys: String, CodingKey {
        case labels
        case fileEnding = "file_ending"
        case channels = "channel_names"
      }
    }

    /// How many channels have a name, in an object or a list; what they are called decides nothing.
    private struct Channels: Decodable {
      let count: Int?

      private struct Name: Decodable { init(from _: any Decoder) {} }

      init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        count =
          (try? container.decode([String: Name].self))?.count
          ?? (try? container.decode([Name].self))?.count
      }
    }

    /// The value of a label, or the values of a region.
    private enum Label: Decodable {
      case value(UInt16)
      case region([UInt16])

      init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(UInt16.self) {
          self = .value(value)
        } else {
          self = .region(try container.decode([UInt16].self))
        }
      }
    }

    init(path: String) throws(FileError) {
      let bytes = try InputFile.contents(of: path, limit: 1 << 26)
      guard let file = try? JSONDecoder().decode(File.self, from: Data(bytes)),
        !file.fileEnding.isEmpty
      else {
        throw FileError(
          .invalidClassNames, path: path,
          expected: #"{"labels": {"background": 0, ...}, "file_ending": ".png", ...}"#,
          found: "something else", hint: "write it as nnU-Net v2 has it")
      }
      fileEnding = file.fileEnding
      channelCount = file.channels.flatMap(\.count)
      knownValues = KnownValues(path: path)
      var regions: [String] = []
      for (name, label) in file.labels.sorted(by: { Paths.precedes($0.key, $1.key) }) {
        switch label {
        case .value(let value) where name == "ignore": ignored = MaskValue(grey: Int(value))
        case .value(let value): classNames[MaskValue(grey: Int(value))] = name
        case .region(let values):
          regions.append(name)
          knownValues.values.formUnion(values.map { MaskValue(grey: Int($0)) })
        }
      }
      knownValues.values.formUnion(classNames.keys)
      knownValues.values.formUnion([ignored].compactMap(\.self))
      knownValues.names = classNames
      if !regions.isEmpty {
        notes.append(
          "\(path): regions of several labels are no classes here: \(regions.joined(separator: ", "))"
        )
      }
    }

    /// Refuses an image's files of another number of channels.
    ///
    /// - Throws: `FileError`, also for a file that cannot be decoded.
    func check(channels files: [String], in folder: String) throws(FileError) {
      guard let channelCount, channelCount != files.count else { return }
      // One file may have several: PNG files of red, green and blue have them so.
      var stored = 0
      for file in files { stored += try ImageFile.read(file).channels }
      guard stored != channelCount else { return }
      throw FileError(
        .channelsDiffer, path: folder,
        expected: "\(channelCount) \(channelCount == 1 ? "channel" : "channels") an image, as"
          + " channel_names of dataset.json has",
        found: "\(stored) (\(files.count == 1 ? "" : "\(files.count) files, ")such as \(files[0]))",
        hint: "add the files of the other channels, or correct channel_names")
    }
  }
}
