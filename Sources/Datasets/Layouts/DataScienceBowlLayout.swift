// The layout of the Data Science Bowl 2018, `stage1_train`: a folder an image, a mask an object.

import Files

/// A folder of folders, each an image: `ID/images/ID.png` and a file for each object in `ID/masks/`, which is
/// empty where the image has none.
///
/// Folders without `images/` and `masks/`, such as those that archivers add, are passed over.
enum DataScienceBowlLayout: DatasetLayout {
  static let name = "dsb2018"
  static let rule = "ID/images/ID.png and ID/masks/*.png, an object each"

  static func fits(_ contents: FolderContents) -> Bool {
    // Sets have such folders too, in train/ or beside their own; the name of an image tells it from theirs.
    guard !contents.hasFolders("images", "masks"),
      !contents.folders.contains(where: DatasetLayouts.isPart)
    else { return false }
    return contents.folders.contains { id in
      contents.hasFolders("\(id)/masks")
        && contents.folder("\(id)/images")?.imageNames.contains { Paths.stem($0) == id } == true
    }
  }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    var found = FoundSamples(
      sources: [], classNames: FoundSamples.objectNames, folders: [contents.path])
    var emptyCount = 0
    for id in contents.folders {
      let (images, masks) = (
        contents.folderPath("\(id)/images"), contents.folderPath("\(id)/masks")
      )
      if images == nil && masks == nil { continue }
      guard let images, let masks else {
        throw FileError(
          images == nil ? .maskWithoutImage : .imageWithoutMask, path: contents.place(id),
          expected: "images/ with the image and masks/ with a file for each object in it",
          found: images == nil ? "masks/ alone" : "images/ alone",
          hint: "add the other (an empty masks/ says that there is no object), or remove the folder"
        )
      }
      let files = try imageFiles(in: images)
      guard let image = files.first, files.count == 1 else {
        throw FileError(
          .duplicateName, path: images, expected: "one image", found: "\(files.count)",
          hint: "each image has a folder of its own")
      }
      let page = FilePage(path: image)
      let inside = try FolderContents(path: masks)
      let isEmpty = inside.files.isEmpty && inside.folders.isEmpty
      if isEmpty { emptyCount += 1 }
      let objects =
        isEmpty
        ? InstanceSource.nothing(in: page)
        : .separate(try imageFiles(in: masks).sorted(by: Paths.precedes))
      found.sources.append(
        SampleSource(name: id, image: ImageSource(channels: [page]), objects: objects))
      found.folders += [contents.place(id), images, masks]
    }
    if emptyCount > 0 {
      found.notes.append(
        "images whose masks/ is empty, all background: \(emptyCount) of \(found.sources.count)")
    }
    return found
  }
}
