// Where one sample lies: what every layout of folders comes down to.

import Files
import Imaging

/// One sample before it has an id and a size: the files and the page it is read from.
package struct SampleSource: Sendable, Equatable {
  /// The name of the sample, hence of what is predicted for it.
  package let name: String
  /// The image's file.
  package let imagePath: String
  /// The mask's file; nil in a set made for prediction.
  package let maskPath: String?
  /// The file that numbers its objects, where there is one.
  package let instancesPath: String?
  /// The page of all in their files, from 0.
  package let page: Int

  /// The samples of one image file, one a page: its stem, or `STEM-0001`, `STEM-0002`, ...
  ///
  /// - Throws: `FileError` for a file that cannot be opened, and where image, mask and instances have
  ///   different numbers of pages.
  static func pages(
    image: String, mask: String?, instances: String? = nil
  ) throws -> [SampleSource] {
    let count = try ImageFile.pageCount(image)
    for partner in [mask, instances].compactMap(\.self) {
      let partnerCount = try ImageFile.pageCount(partner)
      guard partnerCount == count else {
        throw FileError(
          .pageCountsDiffer, path: partner, expected: "\(count) pages, as in \(image)",
          found: "\(partnerCount)",
          hint: "give each page of the image one page of the mask, and of the instances")
      }
    }
    return (0..<count).map { page in
      let digits = String(page + 1)
      let padding = String(repeating: "0", count: max(0, 4 - digits.count))
      let stem = Paths.stem(image)
      let name = count == 1 ? stem : "\(stem)-\(padding)\(digits)"
      return SampleSource(
        name: name, imagePath: image, maskPath: mask, instancesPath: instances, page: page)
    }
  }
}

/// The image files of a folder, in no particular order; hidden files and folders do not count.
///
/// - Throws: `FileError` where there is none.
func imageFiles(in folder: String) throws -> [String] {
  let files = try Folder.names(in: folder).map { Paths.join(folder, $0) }
    .filter { ImageFile.isImage($0) && !Folder.isFolder($0) }
  guard !files.isEmpty else {
    throw FileError(
      .noImages, path: folder, expected: "\(ImageFile.kinds) files", found: "none",
      hint: "hidden files and folders below it do not count")
  }
  return files
}
