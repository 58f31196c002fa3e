// Reading LabelMe's annotations.

import Files
import Foundation
import Imaging

/// The JSON that LabelMe writes for an image: polygons, rectangles, circles and masks with labels, and the image
/// itself, where it was told to.
///
/// Shapes of one label and one `group_id` are one object. Labels are classes, in the order of their bytes, but for
/// `_background_`, which is 0, and `__ignore__`, which is of no class. Later shapes are drawn over earlier ones.
struct LabelMeFile: Decodable {
  struct Outline: Decodable {
    let label: String
    let points: [[Double]]
    let type: String?
    let group: Int?
    /// A PNG in base 64, of the pixels between two corners.
    let mask: String?

    private enum CodingKeys: String, CodingKey {
      case label
      case points
      case type = "shape_type"
      case group = "group_id"
      case mask
    }

    /// The shape, or nil where it is of another kind or malformed.
    func shape(of path: String) -> Shape? {
      guard points.allSatisfy({ $0.count == 2 }) else { return nil }
      let places = points.compactMap { Point(x: $0[0], y: $0[1]) }
      guard places.count == points.count else { return nil }
      switch type ?? "polygon" {
      case "polygon" where places.count >= 3: return .polygon(places)
      case "rectangle" where places.count == 2:
        return .rectangle(places[0].x, places[0].y, places[1].x, places[1].y)
      case "circle" where places.count == 2:
        // The centre, and a point of the line around it.
        let (x, y) = (places[1].x - places[0].x, places[1].y - places[0].y)
        let radius = (x * x + y * y).squareRoot()
        return .ellipse(centre: places[0], horizontal: radius, vertical: radius)
      case "mask" where places.count == 2: return bitmap(at: places[0], of: path)
      default: return nil
      }
    }

    /// The pixels of `mask` that are not 0, from `corner` on.
    private func bitmap(at corner: Point, of path: String) -> Shape? {
      guard let mask, let bytes = Data(base64Encoded: mask),
        let image = try? ImageFile.decode([UInt8](bytes), name: path, as: .mask),
        image.channels == 1, abs(corner.x) < 1e9, abs(corner.y) < 1e9
      else { return nil }
      let inside: [Bool]
      switch image.samples {
      case .uint8(let values): inside = values.map { $0 != 0 }
      case .uint16(let values): inside = values.map { $0 != 0 }
      default: return nil
      }
      return .bitmap(
        left: Int(corner.x.rounded()), top: Int(corner.y.rounded()),
        size: ImageSize(width: image.width, height: image.height), inside: inside)
    }
  }

  /// The image, of which only is read whether it is there.
  private struct Embedded: Decodable { init(from _: any Decoder) {} }

  /// The labels that LabelMe's own converters take for no classes, with their values in masks.
  private static let specialLabels = [
    "_background_": UInt8(0), "__ignore__": AnnotatedObject.ignoredValue,
  ]

  let imagePath: String
  let imageWidth: Int?
  let imageHeight: Int?
  let shapes: [Outline]
  private let imageData: Embedded?

  /// Whether the file holds the image.
  var hasImage: Bool { imageData != nil }

  /// The greatest accepted size in bytes; a file may hold its image as text.
  static let sizeLimit = 1 << 29

  init(path: String) throws(FileError) {
    let bytes = try InputFile.contents(of: path, limit: Self.sizeLimit)
    do {
      self = try JSONDecoder().decode(LabelMeFile.self, from: Data(bytes))
    } catch {
      throw FileError(
        path: path, expected: "LabelMe's imagePath and shapes", found: JSONFault.found(error),
        hint: "save it again, or leave it out")
    }
  }

  /// The image that a file of LabelMe's holds.
  ///
  /// - Throws: `FileError` where there is none, or it is no text of base 64.
  static func embeddedImage(in path: String) throws(FileError) -> [UInt8] {
    struct Holder: Decodable { let imageData: Data }
    let bytes = try InputFile.contents(of: path, limit: sizeLimit)
    guard let holder = try? JSONDecoder().decode(Holder.self, from: Data(bytes)) else {
      throw FileError(
        path: path, expected: "an image in base 64 as imageData", found: "something else",
        hint: "put the image beside it")
    }
    return [UInt8](holder.imageData)
  }

  /// The set of these files, of images beside them or in the folder `images`.
  ///
  /// - Throws: `FileError` for a file that is none of LabelMe's, and for more than 254 labels.
  static func read(_ paths: [String], images folder: String?) throws(FileError) -> AnnotationSet {
    var files: [(path: String, file: LabelMeFile)] = []
    for path in paths { files.append((path, try LabelMeFile(path: path))) }
    let labels = Set(files.flatMap { $0.file.shapes.map(\.label) })
      .subtracting(specialLabels.keys)
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    try AnnotationSource.checkClassCount(labels.count, paths.first ?? "the files")
    let values = Dictionary(
      uniqueKeysWithValues: labels.enumerated().map { ($1, UInt8($0 + 1)) }
    ).merging(specialLabels) { own, _ in own }
    var dropped = DroppedCounts()
    // Windows writes its own separators.
    let imagePaths = files.map { $0.file.imagePath.replacingOccurrences(of: "\\", with: "/") }
    var images: [AnnotatedImage] = []
    for ((path, file), (imagePath, name)) in zip(
      files, zip(imagePaths, AnnotationSource.names(imagePaths)))
    {
      var size: ImageSize?
      if let width = file.imageWidth, let height = file.imageHeight {
        size = ImageSize(width: width, height: height)
      }
      images.append(
        AnnotatedImage(
          path: AnnotationSource.join(folder ?? AnnotationSource.folder(of: path), imagePath),
          embeddedIn: file.hasImage ? path : nil, name: name, size: size,
          objects: file.objects(values, path: path, &dropped)))
    }
    return AnnotationSet(classes: labels, images: images, dropped: dropped)
  }

  private func objects(
    _ values: [String: UInt8], path: String, _ dropped: inout DroppedCounts
  ) -> [AnnotatedObject] {
    struct Group: Hashable {
      let label: String
      let number: Int
    }
    var objects: [AnnotatedObject] = []
    var placeOf: [Group: Int] = [:]
    for (time, outline) in shapes.enumerated() {
      guard let shape = outline.shape(of: path), let value = values[outline.label] else {
        dropped.add("shapes that are no polygon, rectangle, circle or mask")
        continue
      }
      let group = outline.group.map { Group(label: outline.label, number: $0) }
      if let group, let place = placeOf[group] {
        objects[place].shapes.append(shape)
        objects[place].order.append(time)
        continue
      }
      if let group { placeOf[group] = objects.count }
      objects.append(AnnotatedObject(value: value, shapes: [shape], order: [time]))
    }
    return objects
  }
}
