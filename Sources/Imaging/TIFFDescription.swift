// What the text of a TIFF's ImageDescription says of its pages: ImageJ's, tifffile's and OME's.

import Files
import Foundation

/// What a description says of the pages of a file.
///
/// - ImageJ: lines `images=`, `channels=`, `slices=`, `frames=`; channels change fastest, then slices.
///   Beyond 4 GB all pages follow one directory.
/// - tifffile: a JSON object with the `shape` of an array, and of which axis each is where `axes` says
///   so; `truncated` where pages follow one directory.
/// - OME: an XML document (``OMEDocument``).
/// - Aperio: `Aperio Image Library` or the like, then lines of what a scanner did. The first page is the slide; the
///   others are a thumbnail, copies of other sizes, and photographs of the label and the whole glass.
///
/// Any other text says nothing.
struct TIFFDescription {
  private enum Form {
    case imageJ([String: Int])
    case shaped(shape: [Int], axes: String?, isTruncated: Bool)
    case ome(OMEDocument)
    case aperio
    case other
  }

  private let form: Form
  /// Channels of a page.
  private let channels: Int
  /// How large pixels are, where it says so.
  let pixelSize: TIFFPixelSize?

  /// What `text` says, in a file whose first page has so many channels.
  ///
  /// - Throws: `FileError` for OME's XML that cannot be parsed.
  init(_ text: String, channels: Int, path: String) throws(FileError) {
    self.channels = max(1, channels)
    if text.hasPrefix("ImageJ=") {
      var numbers: [String: Int] = [:]
      for line in text.split(whereSeparator: \.isNewline) {
        let parts = line.split(separator: "=", maxSplits: 1)
        if parts.count == 2, let number = Int(parts[1]) { numbers[String(parts[0])] = number }
      }
      form = .imageJ(numbers)
      let lines = text.split(whereSeparator: \.isNewline).map(String.init)
        .filter { line in Self.sizeKeys.contains { line.hasPrefix($0 + "=") } }
      pixelSize = lines.isEmpty ? nil : .imageJ(lines)
    } else if text.hasPrefix("{"),
      let shaped = try? JSONDecoder().decode(
        Shaped.self, from: Data(text.utf8)), shaped.shape.allSatisfy({ $0 > 0 })
    {
      form = .shaped(
        shape: shaped.shape, axes: shaped.axes, isTruncated: shaped.truncated ?? false)
      pixelSize = nil
    } else if text.contains("<OME") && text.contains("<Pixels") {
      let document = try OMEDocument(text, path: path)
      form = .ome(document)
      pixelSize = document.pixelSize
    } else if text.hasPrefix("Aperio") {
      form = .aperio
      pixelSize = nil
    } else {
      form = .other
      pixelSize = nil
    }
  }

  /// Whether the first page is a slide and all others are copies of it or photographs.
  var isOfSlide: Bool { if case .aperio = form { true } else { false } }

  /// The keys of ImageJ's lines that say how far pixels, slices and frames are apart.
  private static let sizeKeys = ["unit", "yunit", "zunit", "spacing", "finterval", "fps", "tunit"]

  private struct Shaped: Decodable {
    let shape: [Int]
    let axes: String?
    let truncated: Bool?
  }

  /// The pages that follow the only directory of `count`, each of `sampleCount` samples, or nil where
  /// every page has a directory.
  func pagesBehindOne(of count: Int, sampleCount: Int) -> Int? {
    guard count == 1 else { return nil }
    switch form {
    case .imageJ(let numbers):
      return numbers["images"].flatMap { $0 > 1 ? $0 : nil }
    case .shaped(let shape, _, _):
      guard sampleCount > 0, let total = product(shape), total % sampleCount == 0,
        total > sampleCount
      else { return nil }
      return total / sampleCount
    case .ome, .aperio, .other: return nil
    }
  }

  /// The axes that images of so many pages lie along, the slowest first: T and Z; none where it does not say.
  func imageAxes(pageCount: Int) -> [(name: Character, size: Int)] {
    let axes: [(name: Character, size: Int)]
    switch form {
    case .imageJ(let numbers):
      let parts = ["channels", "slices", "frames"].map { max(1, numbers[$0] ?? 1) }
      guard product(parts) == pageCount else { return [] }
      axes = [("T", parts[2]), ("Z", parts[1])]
    case .ome(let document):
      guard let found = document.axes else { return [] }
      axes = found.filter { $0.name != "C" }
    case .shaped(let shape, let names?, _):
      guard let leading = Self.leadingAxes(names, shape, pageCount: pageCount) else { return [] }
      axes = leading.filter { $0.name != "C" }
    case .shaped, .aperio, .other: return []
    }
    return axes
  }

  /// The first axes of a shape, along which its pages lie; the last ones are those of a page.
  private static func leadingAxes(
    _ axes: String, _ shape: [Int], pageCount: Int
  ) -> [(name: Character, size: Int)]? {
    guard axes.count == shape.count else { return nil }
    var leading: [(name: Character, size: Int)] = []
    for axis in zip(axes, shape) where product(leading.map(\.size)) != pageCount {
      leading.append((axis.0, axis.1))
    }
    return product(leading.map(\.size)) == pageCount ? leading : nil
  }

  /// The pages of each image: those along the channel axis together.
  ///
  /// - Throws: `FileError` where there are other pages than the axes have.
  func groups<Page>(of pages: [Page], path: String) throws(FileError) -> [[Page]] {
    func mismatch(_ axes: String) -> FileError {
      FileError(
        path: path, expected: "\(axes), as its description says", found: "\(pages.count) pages",
        hint: "save the stack anew, with the description that it has now or with none")
    }
    switch form {
    case .imageJ(let numbers):
      let parts = ["channels", "slices", "frames"].map { max(1, numbers[$0] ?? 1) }
      guard parts[0] > 1, pages.count > 1 else { return pages.map { [$0] } }
      guard let total = product(parts), total == pages.count else {
        throw mismatch("\(parts[0]) channels, \(parts[1]) slices and \(parts[2]) frames")
      }
      return grouped(
        [("T", parts[2]), ("Z", parts[1]), ("C", parts[0])], pages.map { $0 })
    case .shaped(let shape, let axes?, _):
      guard let leading = Self.leadingAxes(axes, shape, pageCount: pages.count) else {
        return pages.map { [$0] }
      }
      return grouped(leading, pages)
    case .ome(let document):
      return try document.groups(of: pages, channels: channels, path: path)
    case .shaped, .aperio, .other:
      return pages.map { [$0] }
    }
  }
}

/// The product of sizes, or nil where it is too large to be one of pages.
func product(_ sizes: [Int]) -> Int? {
  sizes.reduce(1 as Int?) { product, size in
    product.flatMap { value in
      let (result, overflow) = value.multipliedReportingOverflow(by: size)
      return overflow ? nil : result
    }
  }
}

/// Items that lie along axes, the last of them fastest, with those along the axis C together.
func grouped<Item>(_ axes: [(name: Character, size: Int)], _ items: [Item]) -> [[Item]] {
  var groups: [Int: [Item]] = [:]
  for (index, item) in items.enumerated() {
    var (rest, key, weight) = (index, 0, 1)
    for axis in axes.reversed() {
      let place = rest % axis.size
      rest /= axis.size
      guard axis.name != "C" else { continue }
      key += place * weight
      weight *= axis.size
    }
    groups[key, default: []].append(item)
  }
  return groups.keys.sorted().map { groups[$0] ?? [] }
}
