// Images of several files, one a channel, as nnU-Net calls them: `a_0000.png`, `a_0001.png`, ...

import Files

/// Files called `NAME_0000`, `NAME_0001`, ..., each a channel of the image `NAME`.
struct ChannelFiles {
  /// The files of each image by the numbers of their channels; an image is told by its folder and name.
  private let filesOf: [String: [Int: String]]

  /// The files, or nil where one of them is called otherwise, or is another one's double.
  ///
  /// - Parameter stem: the name of a file without its extension.
  init?(_ files: [String], stem: (String) -> String = Paths.stem) {
    guard !files.isEmpty else { return nil }
    var filesOf: [String: [Int: String]] = [:]
    for file in files {
      guard let (name, number) = Self.name(stem(file)) else { return nil }
      let image = Paths.join(Paths.folder(of: file), name)
      guard filesOf[image, default: [:]].updateValue(file, forKey: number) == nil else {
        return nil
      }
    }
    self.filesOf = filesOf
  }

  /// The image and the number in the name of a channel, `NAME_0000`; nil for another name.
  static func name(_ stem: some StringProtocol) -> (image: String, number: Int)? {
    guard let line = stem.lastIndex(of: "_"), line != stem.startIndex else { return nil }
    let digits = stem[stem.index(after: line)...]
    guard digits.count == 4, let number = UInt16(digits), !digits.hasPrefix("+") else { return nil }
    return (String(stem[..<line]), Int(number))
  }

  /// The names of the images.
  var names: [String] { filesOf.keys.map(Paths.name) }

  /// The most files of one image.
  var channelCount: Int { filesOf.values.map(\.count).max() ?? 0 }

  /// Whether no image has a file of another number than its channels have, which are counted from 0.
  var areNumbersThoseOfChannels: Bool {
    filesOf.values.allSatisfy { Set(0..<channelCount).isSuperset(of: $0.keys) }
  }

  /// The files of each image, in the order of its channels.
  ///
  /// - Throws: `FileError` for an image without a file for one of the channels.
  func complete() throws(FileError) -> [(name: String, files: [String])] {
    let count = channelCount
    var result: [(name: String, files: [String])] = []
    for (image, files) in filesOf.sorted(by: { Paths.precedes($0.key, $1.key) }) {
      if let missing = (0..<count).first(where: { files[$0] == nil }) {
        throw FileError(
          .channelsDiffer, path: image + "_...",
          expected: "a file for each of the \(count) channels",
          found: "none for the channel \(missing)", hint: "channels are counted from 0000")
      }
      result.append((Paths.name(image), (0..<count).compactMap { files[$0] }))
    }
    return result
  }
}
