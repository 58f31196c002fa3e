// Where one sample lies: what every layout of folders comes down to.

import Files
import Imaging

/// One sample before it has an id and a size: the files that it is read from.
package struct SampleSource: Sendable, Equatable {
  /// The name of the sample, hence of what is predicted for it.
  package let name: String
  /// Where its image is read from.
  let image: ImageSource
  /// Where its classes are read from; nil in a set made for prediction.
  let mask: MaskSource?
  /// Where its objects are numbered, if they are.
  let instances: InstanceSource?
  /// What it is never parted from in a division: by default the other pages of its file.
  package var group: String
  /// What the set itself says that it is for.
  package var part: SamplePart?
  /// What the first file of its image holds, where that was looked at.
  var contents: ImageFile.Contents?

  init(
    name: String, image: ImageSource, mask: MaskSource?, instances: InstanceSource? = nil,
    group: String? = nil, part: SamplePart? = nil
  ) {
    self.name = name
    self.image = image
    self.mask = mask
    self.instances = instances
    self.group = group ?? name
    self.part = part
  }

  /// A sample whose objects are numbered and are all that it tells.
  init(name: String, image: ImageSource, objects: InstanceSource, group: String? = nil) {
    self.init(name: name, image: image, mask: .objects(objects), instances: objects, group: group)
  }

  /// The same sample in a part, with `prefix` before its name and its group's.
  func marked(_ prefix: String?, as part: SamplePart) -> SampleSource {
    let prefix = prefix ?? ""
    var sample = SampleSource(
      name: prefix + name, image: image, mask: mask, instances: instances, group: prefix + group,
      part: part)
    sample.contents = contents
    return sample
  }

  /// The files that its image is read from.
  package var imagePaths: [String] { image.channels.map(\.path) }

  /// The files that it is read from.
  var paths: [String] {
    imagePaths + (mask?.paths ?? []) + (instances?.paths ?? [])
  }

  /// The samples of one image, one a page: `NAME`, or `NAME-0001`, `NAME-0002`, ...
  ///
  /// - Parameters:
  ///   - name: what they are called; the stem of the file where it is nil.
  ///   - files: the image's file, or a file for each of its channels.
  ///   - mask: the file of the mask, which numbers objects where `numbersObjects` is set.
  /// - Throws: `FileError` for a file that cannot be opened, and where image, mask and instances have
  ///   different numbers of pages.
  static func pages(
    named name: String? = nil, image files: [String], mask: String?, instances: String? = nil,
    numbersObjects: Bool = false, group: String? = nil
  ) throws -> [SampleSource] {
    guard let image = files.first else { preconditionFailure("an image without a file") }
    let stem = name ?? Paths.stem(image)
    let contents = try ImageFile.contents(of: image)
    let count = contents.imageCount
    for partner in files.dropFirst() + [mask, instances].compactMap(\.self) {
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
      let name = count == 1 ? stem : "\(stem)-\(padding)\(digits)"
      let source = ImageSource(channels: files.map { FilePage(path: $0, page: page) })
      let maskPage = mask.map { FilePage(path: $0, page: page) }
      var sample =
        if numbersObjects, let maskPage {
          SampleSource(
            name: name, image: source, objects: .numbered(maskPage), group: group ?? stem)
        } else {
          SampleSource(
            name: name, image: source, mask: maskPage.map { .values($0) },
            instances: instances.map { .numbered(FilePage(path: $0, page: page)) },
            group: group ?? stem)
        }
      sample.contents = contents
      return sample
    }
  }
}

/// What the set itself says that a sample is for.
package enum SamplePart: String, CaseIterable, Sendable {
  /// To be trained on.
  case training = "train"
  /// To be validated on.
  case validation = "val"
  /// To be scored at the end, once.
  case test
}

/// A page of an image file, from 0.
struct FilePage: Sendable, Equatable {
  let path: String
  var page = 0

  /// - Throws: `FileError` for what cannot be decoded.
  func read(as purpose: ImageFile.Purpose = .image) throws(FileError) -> Image {
    try ImageFile.read(path, page: page, as: purpose)
  }

  /// The path, and the page where it is not the first.
  var description: String { page == 0 ? path : "\(path) page \(page + 1)" }
}

/// Where an image is read from.
struct ImageSource: Sendable, Equatable {
  /// The page of its file, or one for each of its channels; at least one.
  let channels: [FilePage]

  /// The first file, which stands for the image in messages.
  var first: FilePage { channels[0] }

  /// The image, its files' channels one behind the other.
  ///
  /// - Parameter missingValue: the value of samples that are no measurement, in addition to what files name.
  /// - Throws: `FileError` for a file that cannot be decoded, or is of another size than the first.
  func read(
    as purpose: ImageFile.Purpose = .image, missingValue: Double? = nil
  ) throws(FileError) -> Image {
    let image = try first.read(as: purpose)
    guard channels.count > 1 else { return image }
    var images = [image]
    for file in channels.dropFirst() {
      let channel = try file.read(as: purpose)
      guard channel.width == image.width && channel.height == image.height else {
        throw FileError(
          .sizesDiffer, path: file.description,
          expected: "\(image.width)x\(image.height), as \(first.path)",
          found: "\(channel.width)x\(channel.height)",
          hint: "the channels of an image have one size")
      }
      images.append(channel)
    }
    return Self.joined(images, missingValue: missingValue)
  }

  /// Channels of one size, one behind the other; of several types they become fractions of their types'
  /// full ranges.
  static func joined(_ images: [Image], missingValue: Double?) -> Image {
    let joined =
      Image.joined(images)
      ?? Image.joined(images.map { $0.asFractions(missing: missingValue) })
    guard let joined else { preconditionFailure("images of several sizes") }
    return joined
  }
}

/// Where the classes of a sample are read from.
enum MaskSource: Sendable, Equatable {
  /// A mask with a value for each class.
  case values(FilePage)
  /// Numbered objects: their pixels are of the class 1, all others of the class 0.
  case objects(InstanceSource)

  /// The file, or the first one, which stands for the mask in messages.
  var first: FilePage {
    switch self {
    case .values(let file): file
    case .objects(let objects): objects.first
    }
  }

  /// The files.
  var paths: [String] {
    switch self {
    case .values(let file): [file.path]
    case .objects(let objects): objects.paths
    }
  }
}
