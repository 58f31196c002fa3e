// The XML of an OME-TIFF: the axes of its images, and which page is where on them.

import Files
import Foundation
import FoundationXML

/// The images that an OME-XML document describes.
///
/// Source: the OME model and the specification of OME-TIFF (docs.openmicroscopy.org).
struct OMEDocument {
  /// The `Pixels` of one image.
  fileprivate struct Pixels {
    /// The axes behind X and Y, fastest first: an arrangement of Z, C and T.
    var order: String
    var sizes: [Character: Int]
    /// Micrometres of a pixel across and down, between planes, and seconds between times.
    var pixelSize: (x: Double, y: Double, z: Double?, seconds: Double?)?
    var data: [TIFFData] = []
  }

  /// Planes in their order, as pages from one on.
  fileprivate struct TIFFData {
    var page: Int?
    var first: [Character: Int]
    var count: Int?
    var fileName: String?
  }

  private let images: [Pixels]

  /// How large pixels of the first image are.
  var pixelSize: TIFFPixelSize? {
    images.first?.pixelSize.map {
      .micrometres(x: $0.x, y: $0.y, z: $0.z, seconds: $0.seconds)
    }
  }

  /// - Throws: `FileError` for text that is no such XML.
  init(_ text: String, path: String) throws(FileError) {
    let reader = OMEReader()
    let parser = XMLParser(data: Data(text.utf8))
    parser.delegate = reader
    guard parser.parse(), reader.isSound, reader.isComplete else {
      throw FileError(
        path: path, expected: "OME-XML in its description", found: "XML that is damaged",
        hint: "save it again, or without the description")
    }
    images = reader.images
  }

  /// The axes of the only image's planes, the slowest first; nil of several images.
  var axes: [(name: Character, size: Int)]? {
    guard images.count == 1 else { return nil }
    return images[0].order.reversed().map { ($0, images[0].sizes[$0] ?? 1) }
  }

  /// The pages of each image: those of its channels together, in the order of time and depth.
  ///
  /// A set of several files names the file of each page; pages of others are passed over.
  ///
  /// - Throws: `FileError` where channels of one image are not all in this file.
  func groups<Page>(
    of pages: [Page], channels: Int, path: String
  ) throws(FileError) -> [[Page]] {
    let names = Set(images.flatMap { $0.data.compactMap(\.fileName) })
    let own = (path as NSString).lastPathComponent
    var groups: [[Page]] = []
    var start = 0
    var isSplit = false
    for image in images {
      var sizes = image.sizes
      // Channels that are samples of one page have no page of their own.
      let parts = max(1, (sizes["C"] ?? 1) / channels)
      sizes["C"] = parts
      let order = Array(image.order)
      let counts = order.map { sizes[$0] ?? 1 }
      guard let total = product(counts), total <= ImageFile.maximumPageCount else {
        throw unsupportedError(path: path, kind: .tiff, found: "too many planes of OME-XML")
      }
      var places = [Int?](repeating: nil, count: total)
      if image.data.isEmpty {
        for plane in 0..<total { places[plane] = start + plane }
        start += total
      }
      for data in image.data where names.count < 2 || data.fileName == own {
        var plane = 0
        for (axis, count) in zip(order, counts).reversed() {
          var first = data.first[axis] ?? 0
          if axis == "C" { first /= max(1, channels) }
          plane = plane * count + min(first, count - 1)
        }
        let count = data.count ?? (data.page == nil ? total - plane : 1)
        for step in 0..<max(0, min(count, total - plane)) {
          places[plane + step] = (data.page ?? 0) + step
        }
      }
      // Slowest first, for `grouped`.
      let axes = zip(order, counts).reversed().map { (name: $0, size: $1) }
      for group in grouped(axes, places) {
        let found = group.compactMap { $0.flatMap { pages.indices.contains($0) ? pages[$0] : nil } }
        if found.count == parts {
          groups.append(found)
        } else if !found.isEmpty || (names.count < 2 && parts > 1) {
          isSplit = true
        }
      }
    }
    // Where pages are not channels of each other, all of them are images, whatever is said of them.
    let hasChannels = images.contains { ($0.sizes["C"] ?? 1) > channels }
    guard hasChannels else { return pages.map { [$0] } }
    guard !isSplit, !groups.isEmpty else {
      throw FileError(
        path: path, expected: "all channels of an image in this file, as its OME-XML says",
        found: "\(pages.count) pages, which are fewer",
        hint: "save the channels of an image in one file")
    }
    return groups
  }
}

/// Reads what matters of the XML.
private final class OMEReader: NSObject, XMLParserDelegate {
  var images: [OMEDocument.Pixels] = []
  var isSound = true
  /// Whether the root has ended: the parser says nothing of text that is cut.
  private(set) var isComplete = false

  func parser(
    _ parser: XMLParser, didEndElement element: String, namespaceURI: String?,
    qualifiedName: String?
  ) {
    if element.split(separator: ":").last == "OME" { isComplete = true }
  }

  func parser(
    _ parser: XMLParser, didStartElement element: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    func number(_ name: String) -> Int? { attributes[name].flatMap { Int($0) } }
    // Writers give elements a prefix or not.
    switch element.split(separator: ":").last ?? "" {
    case "Pixels":
      let order = String((attributes["DimensionOrder"] ?? "XYZCT").dropFirst(2))
      let sizes = ["Z", "C", "T"].map { number("Size\($0)") ?? 1 }
      isSound = isSound && order.sorted() == ["C", "T", "Z"] && sizes.allSatisfy { $0 > 0 }
      images.append(
        OMEDocument.Pixels(order: order, sizes: ["Z": sizes[0], "C": sizes[1], "T": sizes[2]]))
      if let x = micrometres("X", attributes), let y = micrometres("Y", attributes) {
        images[images.count - 1].pixelSize = (
          x, y, micrometres("Z", attributes), seconds(attributes)
        )
      }
    case "TiffData":
      guard !images.isEmpty else { return }
      let first = ["Z", "C", "T"].map { number("First\($0)") ?? 0 }
      let data = OMEDocument.TIFFData(
        page: number("IFD"), first: ["Z": first[0], "C": first[1], "T": first[2]],
        count: number("PlaneCount"))
      isSound =
        isSound && first.allSatisfy { $0 >= 0 } && (data.page ?? 0) >= 0
        && (0...ImageFile.maximumPageCount).contains(data.count ?? 0)
      images[images.count - 1].data.append(data)
    case "UUID":
      guard let image = images.indices.last, let data = images[image].data.indices.last else {
        return
      }
      images[image].data[data].fileName = attributes["FileName"]
    default: break
    }
  }

  /// The time between two frames; nil where it is not said in a unit of time.
  private func seconds(_ attributes: [String: String]) -> Double? {
    let units = ["ms": 1e-3, "s": 1, "min": 60, "h": 3600]
    guard let time = attributes["TimeIncrement"].flatMap(Double.init), time.isFinite, time > 0,
      let unit = units[attributes["TimeIncrementUnit"] ?? "s"]
    else { return nil }
    return time * unit
  }

  /// The size of a pixel along an axis; nil where it has none in a unit of length.
  private func micrometres(_ axis: String, _ attributes: [String: String]) -> Double? {
    let units = ["nm": 1e-3, "\u{B5}m": 1, "\u{3BC}m": 1, "mm": 1e3, "cm": 1e4, "m": 1e6]
    guard let size = attributes["PhysicalSize\(axis)"].flatMap(Double.init), size.isFinite,
      size > 0,
      let unit = units[attributes["PhysicalSize\(axis)Unit"] ?? "\u{B5}m"]
    else { return nil }
    return size * unit
  }
}
