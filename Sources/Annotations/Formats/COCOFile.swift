// Reading COCO's instance annotations.

import Files
import Foundation

/// The JSON of COCO: images, categories, and annotations with a segmentation.
///
/// A segmentation is a list of polygons, or run lengths as numbers or as compressed text (see `RunLengths`).
/// Categories are classes in the order of their ids, but for one called background, which is what is left. A region
/// of a crowd is one object.
struct COCOFile: Decodable {
  /// A number, which some writers put between quotes, or another text.
  struct Identifier: Decodable, Hashable, Comparable {
    private let number: Int?
    private let text: String

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      if let text = try? value.decode(String.self) {
        number = Int(text)
        self.text = number == nil ? text : ""
      } else {
        number = try value.decode(Int.self)
        text = ""
      }
    }

    /// Numbers first, then texts by their bytes.
    static func < (first: Identifier, second: Identifier) -> Bool {
      switch (first.number, second.number) {
      case (let one?, let other?): one < other
      case (_?, nil): true
      case (nil, _?): false
      case (nil, nil): first.text.utf8.lexicographicallyPrecedes(second.text.utf8)
      }
    }
  }

  struct Image: Decodable {
    let id: Identifier
    let fileName: String
    private let width: Int?
    private let height: Int?

    private enum CodingKeys: String, CodingKey {
      case id
      case width
      case height
      case fileName = "file_name"
    }

    /// The size, where it is said.
    var size: ImageSize? {
      if let width, let height { ImageSize(width: width, height: height) } else { nil }
    }

    /// Its file's path from `folder` on; Windows writes its own separators.
    func path(from folder: String) -> String {
      let isThere = FileManager.default.fileExists(
        atPath: AnnotationSource.join(folder, fileName))
      return isThere ? fileName : fileName.replacingOccurrences(of: "\\", with: "/")
    }
  }

  struct Category: Decodable {
    let id: Identifier
    let name: String

    var isBackground: Bool { ["background", "_background_"].contains(name.lowercased()) }
  }

  struct Annotation: Decodable {
    let image: Identifier
    let category: Identifier
    let segmentation: Segmentation?
    /// 1 of a region of many objects that nobody told apart.
    let crowd: Int?

    private enum CodingKeys: String, CodingKey {
      case segmentation
      case crowd = "iscrowd"
      case image = "image_id"
      case category = "category_id"
    }
  }

  enum Segmentation: Decodable {
    case polygons([[Double]])
    case runs(RunLengths)
    case unknown

    private enum CodingKeys: CodingKey {
      case counts
      case size
    }

    init(from decoder: any Decoder) throws {
      if let polygons = try? decoder.singleValueContainer().decode([[Double]].self) {
        self = .polygons(polygons)
        return
      }
      self = .unknown
      guard let values = try? decoder.container(keyedBy: CodingKeys.self),
        let sides = try? values.decode([Int].self, forKey: .size), sides.count == 2
      else { return }
      let size = ImageSize(width: sides[1], height: sides[0])
      let runs: RunLengths? =
        if let text = try? values.decode(String.self, forKey: .counts) {
          RunLengths(size: size, text: text)
        } else if let counts = try? values.decode([Int].self, forKey: .counts) {
          RunLengths(size: size, counts: counts)
        } else {
          nil
        }
      if let runs { self = .runs(runs) }
    }

    /// The shapes; counts polygons that are none beside others.
    func shapes(_ dropped: inout DroppedCounts) -> [Shape] {
      switch self {
      case .unknown: return []
      case .runs(let runs): return [.runs(runs)]
      case .polygons(let polygons):
        let shapes = polygons.compactMap { numbers -> Shape? in
          guard numbers.count >= 6, numbers.count % 2 == 0 else { return nil }
          let points = stride(from: 0, to: numbers.count, by: 2).compactMap {
            Point(x: numbers[$0], y: numbers[$0 + 1])
          }
          return points.count == numbers.count / 2 ? .polygon(points) : nil
        }
        if !shapes.isEmpty {
          dropped.add(
            "polygons that are none, of objects with others", polygons.count - shapes.count)
        }
        return shapes
      }
    }
  }

  let images: [Image]
  let annotations: [Annotation]
  let categories: [Category]

  /// The greatest accepted size in bytes.
  static let sizeLimit = 1 << 30

  /// The set that a file at `path` describes, of images in the folder `images`.
  ///
  /// - Throws: `FileError` for a file that is none of COCO's, has an id twice, or more than 254 categories.
  static func read(_ path: String, images folder: String) throws(FileError) -> AnnotationSet {
    let bytes = try InputFile.contents(of: path, limit: sizeLimit)
    let file: COCOFile
    do {
      file = try JSONDecoder().decode(COCOFile.self, from: Data(bytes))
    } catch {
      throw FileError(
        path: path, expected: "COCO's images, annotations and categories, each with its ids",
        found: JSONFault.found(error), hint: "export the instances again")
    }
    try checkIDs(file.categories.map(\.id), of: "categories", path)
    let categories = file.categories.filter { !$0.isBackground }.sorted { $0.id < $1.id }
    let backgrounds = Set(file.categories.filter(\.isBackground).map(\.id))
    try checkIDs(file.images.map(\.id), of: "images", path)
    try AnnotationSource.checkClassCount(categories.count, path)
    let values = Dictionary(
      uniqueKeysWithValues: categories.enumerated().map { ($1.id, UInt8($0 + 1)) })
    var dropped = DroppedCounts()
    var crowdCount = 0
    var objectsOf: [Identifier: [AnnotatedObject]] = [:]
    let known = Set(file.images.map(\.id))
    for annotation in file.annotations {
      guard known.contains(annotation.image) else {
        dropped.add("annotations of images that are not listed")
        continue
      }
      if backgrounds.contains(annotation.category) {
        dropped.add("annotations of the category background, which is what no object has")
        continue
      }
      guard let value = values[annotation.category] else {
        dropped.add("annotations of categories that are not listed")
        continue
      }
      guard let shapes = annotation.segmentation?.shapes(&dropped), !shapes.isEmpty else {
        dropped.add("annotations without a segmentation that can be read")
        continue
      }
      if annotation.crowd == 1 { crowdCount += 1 }
      objectsOf[annotation.image, default: []].append(AnnotatedObject(value: value, shapes: shapes))
    }
    let paths = file.images.map { $0.path(from: folder) }
    let images = zip(file.images, zip(paths, AnnotationSource.names(paths))).map { image, file in
      AnnotatedImage(
        path: AnnotationSource.join(folder, file.0), name: file.1, size: image.size,
        objects: objectsOf[image.id] ?? [])
    }
    return AnnotationSet(
      classes: categories.map(\.name), images: images, dropped: dropped,
      remarks: crowdCount > 0 ? ["regions of crowds, each taken for one object: \(crowdCount)"] : []
    )
  }

  private static func checkIDs(_ ids: [Identifier], of what: String, _ path: String)
    throws(FileError)
  {
    guard Set(ids).count == ids.count else {
      throw FileError(
        path: path, expected: "\(what) of different ids", found: "an id twice",
        hint: "correct the file")
    }
  }
}
