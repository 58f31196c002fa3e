// The layout of nnU-Net v2: `dataset.json`, `imagesTr` with a file a channel, `labelsTr`.

import Files
import Foundation

/// A folder with `dataset.json`, images `imagesTr/NAME_0000.ext`, `NAME_0001.ext`, ..., a file a channel, and
/// labels `labelsTr/NAME.ext`.
///
/// Of `dataset.json` the keys `file_ending` and `labels` are read: names of classes, and the value of the
/// label `ignore`, which is of no class.
enum NNUNetLayout: DatasetLayout {
  static let name = "nnunet"
  static let rule = "dataset.json, imagesTr/NAME_0000.png and labelsTr/NAME.png"

  static func fits(_ contents: FolderContents) -> Bool {
    contents.files.contains("dataset.json") && contents.hasFolders("imagesTr", "labelsTr")
  }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    let description = try Description(path: contents.place("dataset.json"))
    let (images, labels) = (contents.place("imagesTr"), contents.place("labelsTr"))
    let ending = description.fileEnding
    let imageContents = try FolderContents(path: images)
    let channelsOf = try channels(imageContents, ending: ending)
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
      folders: [contents.path, images, labels], otherFiles: [contents.place("dataset.json")],
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
    var numbersOf: [String: [Int]] = [:]
    for file in contents.files where file.hasSuffix(ending) {
      guard let (name, number) = channelName(file.dropLast(ending.count)) else { continue }
      numbersOf[name, default: []].append(number)
    }
    guard !numbersOf.isEmpty else {
      throw FileError(
        .noImages, path: contents.path, expected: "images called NAME_0000\(ending)",
        found: contents.summary, hint: "dataset.json says that names end with \(ending)")
    }
    let count = numbersOf.values.map(\.count).max() ?? 1
    var result: [String: [String]] = [:]
    for (name, numbers) in numbersOf.sorted(by: { Paths.precedes($0.key, $1.key) }) {
      let missing = (0..<count).first { !numbers.contains($0) }
      if let missing {
        throw FileError(
          .channelsDiffer, path: contents.place(name) + "_...\(ending)",
          expected: "a file for each of the \(count) channels",
          found: "none for the channel \(missing)", hint: "channels are counted from 0000")
      }
      result[name] = (0..<count).map { contents.place("\(name)_\(padded($0))\(ending)") }
    }
    return result
  }

  /// The image and the number in the name of a channel, `NAME_0000`; nil for another name.
  static func channelName(_ stem: some StringProtocol) -> (image: String, number: Int)? {
    guard let line = stem.lastIndex(of: "_") else { return nil }
    let digits = stem[stem.index(after: line)...]
    guard digits.count == 4, let number = UInt16(digits), !digits.hasPrefix("+") else { return nil }
    return (String(stem[..<line]), Int(number))
  }

  private static func padded(_ number: Int) -> String {
    String(repeating: "0", count: max(0, 4 - "\(number)".count)) + "\(number)"
  }

  /// What `dataset.json` says.
  private struct Description {
    let fileEnding: String
    var classNames: [MaskValue: String] = [:]
    var ignored: MaskValue?
    var notes: [String] = []

    private struct File: Decodable {
      let labels: [String: Label]
      let fileEnding: String

      private enum CodingKeys: String, CodingKey {
        case labels
        case fileEnding = "file_ending"
      }
    }

    /// The value of a label, or the values of a region.
    private enum Label: Decodable {
      case value(UInt16)
      case region

      init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(UInt16.self) {
          self = .value(value)
        } else {
          _ = try container.decode([UInt16].self)
          self = .region
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
      var regions: [String] = []
      for (name, label) in file.labels.sorted(by: { Paths.precedes($0.key, $1.key) }) {
        switch label {
        case .value(let value) where name == "ignore": ignored = MaskValue(grey: Int(value))
        case .value(let value): classNames[MaskValue(grey: Int(value))] = name
        case .region: regions.append(name)
        }
      }
      if !regions.isEmpty {
        notes.append(
          "\(path): regions of several labels are no classes here: \(regions.joined(separator: ", "))"
        )
      }
    }
  }
}
