// The layout of the Cell Tracking Challenge: frames in `01`, numbered cells in `01_GT/SEG`.

import Files
import Imaging

/// A folder of sequences: frames `01/t000.tif`, and cells numbered in `01_GT/SEG/man_seg000.tif` (gold
/// truth) or `01_ST/SEG/man_seg000.tif` (silver truth).
///
/// `man_seg000_004.tif` numbers the cells of the slice 4, from 0, of a frame of several. A frame or slice
/// without such a file is no sample; one that has both has gold truth. A sequence is a group.
enum CellTrackingLayout: DatasetLayout {
  static let name = "ctc"
  static let rule = "01/t000.tif and 01_GT/SEG/man_seg000.tif (or 01_ST/SEG)"

  static func fits(_ contents: FolderContents) -> Bool { !sequences(contents).isEmpty }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    var found = FoundSamples(
      sources: [], classNames: FoundSamples.objectNames, folders: [contents.path])
    var (gold, silver, frames) = (0, 0, 0)
    for sequence in sequences(contents) {
      found.folders.append(contents.place(sequence))
      let files = try imageFiles(in: contents.place(sequence))
      let frameFiles = NamedImages(files: Dictionary(grouping: files, by: Paths.stem))
      var samples: [String: [SampleSource]] = [:]
      for (truth, isGold) in [("GT", true), ("ST", false)] {
        guard let folder = contents.folderPath("\(sequence)_\(truth)/SEG") else { continue }
        found.folders += [Paths.folder(of: folder), folder]
        for name in try FolderContents(path: folder).imageNames {
          guard let place = Place(mask: name) else { continue }
          guard let frame = frameFiles.name(of: [place.frame]),
            let image = frameFiles.files[frame]?.last
          else {
            throw FileError(
              .maskWithoutImage, path: Paths.join(folder, name),
              expected: "a frame called \(place.frame) in \(contents.place(sequence))",
              found: "none", hint: "add the frame or remove the mask")
          }
          if samples[place.name] != nil {
            // Gold truth is there already.
            found.otherFiles.append(Paths.join(folder, name))
            continue
          }
          samples[place.name] = try place.samples(
            of: image, mask: Paths.join(folder, name), sequence: sequence)
          if isGold { gold += 1 } else { silver += 1 }
        }
      }
      frames += frameFiles.files.count
      // Frames without truth are told of below, and not among what is passed over.
      found.otherFiles += files
      found.sources += samples.values.joined()
    }
    found.notes.append(
      "frames: \(frames); masks of gold truth: \(gold), of silver truth: \(silver)")
    return found
  }

  /// The names of the sequences that have numbered cells.
  private static func sequences(_ contents: FolderContents) -> [String] {
    contents.folders.filter { name in
      name.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        && (contents.hasFolders("\(name)_GT/SEG") || contents.hasFolders("\(name)_ST/SEG"))
    }
  }

  /// The frame that a mask belongs to, and the slice in it, as its name says.
  private struct Place {
    let name: String
    let frame: String
    let slice: Int?

    /// The place of `man_segTTT` or `man_segTTT_ZZZ`; nil for other names.
    init?(mask: String) {
      let stem = Paths.stem(mask)
      guard stem.hasPrefix("man_seg") else { return nil }
      let parts = stem.dropFirst("man_seg".count).drop { $0 == "_" }.split(
        separator: "_", omittingEmptySubsequences: false)
      guard (1...2).contains(parts.count),
        parts.allSatisfy({ $0.allSatisfy(\.isASCII) && UInt32($0) != nil })
      else { return nil }
      frame = "t" + parts[0]
      slice = parts.count == 2 ? Int(parts[1]) : nil
      name = parts.count == 2 ? "\(frame)_\(parts[1])" : frame
    }

    func samples(of image: String, mask: String, sequence: String) throws -> [SampleSource] {
      let name = "\(sequence)-\(name)"
      guard let slice else {
        return try SampleSource.pages(
          named: name, image: [image], mask: mask, numbersObjects: true, group: sequence)
      }
      let count = try ImageFile.pageCount(image)
      guard slice < count else {
        throw FileError(
          .pageCountsDiffer, path: mask, expected: "a slice in 0..<\(count), as \(image) has",
          found: "\(slice)", hint: "slices are counted from 0")
      }
      return [
        SampleSource(
          name: name, image: ImageSource(channels: [FilePage(path: image, page: slice)]),
          objects: .numbered(FilePage(path: mask)), group: sequence)
      ]
    }
  }
}
