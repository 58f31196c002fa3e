// The layout of the ISBI challenges: stacks `train-volume.tif` and `train-labels.tif`.

import Files

/// A folder of stacks, each `NAME-volume` with its `NAME-labels`; every page is a sample.
///
/// A volume without labels, such as `test-volume.tif`, is passed over.
enum VolumeLayout: DatasetLayout {
  static let name = "volumes"
  static let rule = "NAME-volume.tif beside NAME-labels.tif"

  static func fits(_ contents: FolderContents) -> Bool { !pairs(contents).isEmpty }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    try FoundSamples(
      sources: pairs(contents).flatMap { volume, labels in
        try SampleSource.pages(image: [contents.place(volume)], mask: contents.place(labels))
      },
      classNames: ClassNameSource(in: contents.path), folders: [contents.path])
  }

  /// The names of volumes with those of their labels.
  private static func pairs(_ contents: FolderContents) -> [(volume: String, labels: String)] {
    let names = contents.imageNames
    return names.compactMap { volume in
      let stem = Paths.stem(volume)
      guard stem.hasSuffix("-volume") else { return nil }
      let wanted = stem.dropLast("volume".count) + "labels"
      return names.first { Paths.stem($0) == wanted }.map { (volume, $0) }
    }
  }
}
