// The layout of the Data Science Bowl 2018, `stage1_train`: a folder an image, a mask an object.

import Files

/// A folder of folders, each an image: `ID/images/ID.png` and a file for each object in `ID/masks/`.
enum DataScienceBowlLayout: DatasetLayout {
  static let name = "dsb2018"
  static let rule = "ID/images/ID.png and ID/masks/*.png, an object each"

  static func fits(_ contents: FolderContents) -> Bool {
    !contents.folders.isEmpty
      && contents.folders.allSatisfy { id in
        // The name tells it from folders of sets, such as train/images/.
        contents.hasFolders("\(id)/masks")
          && contents.folder("\(id)/images")?.imageNames.contains { Paths.stem($0) == id } == true
      }
  }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    var found = FoundSamples(
      sources: [], classNames: FoundSamples.objectNames, folders: [contents.path])
    for id in contents.folders {
      let (images, masks) = (contents.place("\(id)/images"), contents.place("\(id)/masks"))
      let files = try imageFiles(in: images)
      guard let image = files.first, files.count == 1 else {
        throw FileError(
          .duplicateName, path: images, expected: "one image", found: "\(files.count)",
          hint: "each image has a folder of its own")
      }
      let objects = try imageFiles(in: masks).sorted(by: Paths.precedes)
      found.sources.append(
        SampleSource(
          name: id, image: ImageSource(channels: [FilePage(path: image)]),
          objects: .separate(objects)))
      found.folders += [contents.place(id), images, masks]
    }
    return found
  }
}
