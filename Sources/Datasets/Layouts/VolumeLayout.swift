// The layout of the ISBI challenges: stacks `train-volume.tif` and `train-labels.tif`.

import Files

/// A folder of stacks, each `NAME-volume` (or `NAME_volume`) with its `NAME-labels`; every page is a sample.
///
/// A volume without labels, such as `test-volume.tif`, is passed over.
enum VolumeLayout: DatasetLayout {
  static let name = "volumes"
  static let rule = "NAME-volume.tif beside NAME-labels.tif (or NAME_volume.tif, NAME_labels.tif)"

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
    let labels = NamedImages(files: Dictionary(grouping: names, by: Paths.stem))
    return names.compactMap { volume in
      let stem = Paths.stem(volume)
      guard ["-volume", "_volume"].contains(stem.suffix(7).lowercased()) else { return nil }
      return labels.name(of: [stem.dropLast("volume".count) + "labels"])
        .flatMap { labels.files[$0]?.first }.map { (volume, $0) }
    }
  }
}
