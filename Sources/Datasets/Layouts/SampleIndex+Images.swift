// The images that are predicted: files, stacks, and folders of them, without masks.

package import Files
import Imaging

/// A file that was named or found and cannot be opened as an image.
package struct UnreadableFile: Sendable, Equatable {
  /// What its image would have been called.
  package let name: String
  /// Where it lies, and why.
  package let error: FileError
}

extension SampleIndex {
  /// Images without masks, for prediction: files, stacks, and folders of them.
  ///
  /// A folder stands for the image files in it (not in folders below it). For a network of several
  /// channels, files that are all called `NAME_0000.ext`, `NAME_0001.ext`, ..., as in nnU-Net's `imagesTs`, are the channels of one
  /// image each where there is one for each channel; the first one is decoded to see that it is no image of
  /// all channels itself. Nothing else is decoded yet, so sizes are unknown and may differ.
  ///
  /// - Parameters:
  ///   - channels: those of the network.
  ///   - keepsGoing: whether files that cannot be opened, or whose names are no text or another one's, are listed
  ///     and passed over.
  /// - Throws: `FileError` for a missing path, for no image at all, for two outputs of one name, for an
  ///   image without a file for one of its channels, and for a file that cannot be opened.
  package static func images(
    _ paths: [String], channels: Int = 1, keepsGoing: Bool = false
  ) throws -> SampleIndex {
    var sources: [SampleSource] = []
    var notes: [String] = []
    var unreadable: [UnreadableFile] = []
    func attempt(_ path: String, _ body: () throws -> Void) throws {
      do {
        try body()
      } catch let error as FileError where keepsGoing {
        unreadable.append(UnreadableFile(name: Paths.stem(path), error: error))
      }
    }
    func add(_ files: [String], in place: String) throws {
      let images = try channelFiles(files, channels: channels)
      if let images {
        let count = images.count == 1 ? "1 image" : "\(images.count) images"
        notes.append(
          "\(place): \(count) of \(channels) files each, NAME_0000 and on, one a channel")
      }
      for (name, parts) in images ?? files.map({ (nil, [$0]) }) {
        try attempt(parts[0]) {
          sources += try SampleSource.pages(named: name, image: parts, mask: nil)
        }
      }
    }
    var single: [String] = []
    for path in paths {
      try attempt(path) {
        guard Paths.exists(path) else {
          // Arguments are text, in which bytes that are none have become this mark.
          if path.contains("\u{FFFD}") {
            let folder = Paths.folder(of: path)
            throw Folder.foreignName(Paths.name(path), in: folder.isEmpty ? "." : folder)
          }
          throw FileError(
            .missing, path: path, expected: "an image file or a folder of them", found: "nothing",
            hint: "check the path")
        }
        guard Folder.isFolder(path) else { return single.append(path) }
        let contents = try FolderContents(path: path, keepsGoing: keepsGoing)
        let foreign = contents.foreignNames.filter(isImageName)
        unreadable += foreign.map {
          UnreadableFile(name: Paths.stem($0), error: Folder.foreignName($0, in: path))
        }
        if foreign.isEmpty || !contents.imageNames.isEmpty {
          try add(try imageFiles(of: contents), in: path)
        }
        let others = contents.files.filter { !isImageName($0) }
        if let rest = FolderContents.summary(files: others, folders: contents.folders) {
          notes.append("\(path): passed over \(rest)")
        }
      }
    }
    try add(single, in: "the files named")
    guard !sources.isEmpty || !unreadable.isEmpty else {
      throw FileError(
        .noImages, path: paths.first ?? "the list of images", expected: "at least one image",
        found: "none", hint: "name image files (\(ImageFile.kinds)), or folders of them")
    }
    if keepsGoing { unreadable += removeDoubles(from: &sources) }
    return try SampleIndex(images: sources, notes: notes, unreadable: unreadable)
  }

  /// Takes out the files of which a sample has the name of another file's, as there is one output for a name,
  /// and what is named twice.
  private static func removeDoubles(from sources: inout [SampleSource]) -> [UnreadableFile] {
    var result: [String: UnreadableFile] = [:]
    var kept: Set<String> = []
    for (name, samples) in Dictionary(grouping: sources, by: \.name) {
      let paths = samples.map(\.image.first.path)
      kept.insert(paths[0])
      for (place, path) in paths.enumerated() {
        guard let other = paths.first(where: { !Paths.areSame($0, path) }) else { continue }
        result[path] = UnreadableFile(
          name: samples[place].group, error: duplicateName(name, path, other))
      }
    }
    var seen: Set<String> = []
    sources.removeAll { source in
      let path = source.image.first.path
      return result[path] != nil || !kept.contains(path) || !seen.insert(source.name).inserted
    }
    return result.sorted { Paths.precedes($0.key, $1.key) }.map(\.value)
  }

  /// The files of each image's channels in their order, or nil where files are images of their own.
  private static func channelFiles(
    _ files: [String], channels: Int
  ) throws -> [(name: String?, files: [String])]? {
    // Frames of a film have such names too, and other numbers of them.
    guard channels > 1, let images = ChannelFiles(files), images.channelCount == channels,
      images.areNumbersThoseOfChannels, try ImageFile.read(files[0]).channels == 1
    else { return nil }
    return try images.complete().map { (name: $0.name, files: $0.files) }
  }
}
