// Where an image of a TIFF file lies and how large its pixels are, for what is made of it.

import CImageCodecs
package import Files

/// What a page of a TIFF says of where it lies and of the size of its pixels.
///
/// These are GeoTIFF's tags (ModelPixelScale, ModelTiepoint, ModelTransformation and the keys), the
/// resolution, from OME-XML where that has the size of a pixel, and ImageJ's unit and spacing. What is
/// said of the samples, such as the value of those without data, is not a matter of place.
package struct TIFFOrigin: Sendable, Equatable {
  /// A tag as it is stored, in the host's byte order.
  struct Tag: Sendable, Equatable {
    let number: UInt16
    let type: UInt16
    let count: Int
    let bytes: [UInt8]
  }

  /// Pixels per unit to the right and down; 0 where they are not known.
  package private(set) var resolution: (x: Double, y: Double) = (0, 0)
  /// 1 for no unit, 2 for inches, 3 for centimetres.
  package private(set) var resolutionUnit = 1
  /// ImageJ's lines of the unit and of the distance of slices and frames.
  private(set) var imageJLines: [String] = []
  private(set) var tags: [Tag] = []

  /// Whether a file says where the image lies, or how large pixels are by its description, rather than by a
  /// resolution alone, which many programs write without knowing it.
  package var isKnown: Bool { !tags.isEmpty || hasPixelSize }
  private var hasPixelSize = false

  /// The numbers of the tags of the place.
  package var tagNumbers: [Int] { tags.map { Int($0.number) } }

  /// Nothing known.
  package init() {}

  /// What the page of the image with this number says, of its first page where it has several; nothing
  /// is known of a file that is no TIFF.
  ///
  /// Of an image that is turned or mirrored, as its file has it, the place is not taken over.
  package init(_ path: String, page: Int) throws(FileError) {
    let file = try InputFile(path)
    guard try ImageKind(of: file) == .tiff else { return }
    let stack = try TIFFStack.of(file)
    guard page < stack.samples.count, let first = stack.samples[page].first else { return }
    var origin = codec_tiff_origin()
    defer { codec_tiff_origin_free(&origin) }
    let descriptor = file.descriptor
    try checked(path: path, kind: .tiff, page: page) { message in
      codec_tiff_read_origin(descriptor, first.offset, &origin, message)
    }
    resolution = (origin.x_resolution, origin.y_resolution)
    resolutionUnit = Int(origin.resolution_unit)
    if origin.orientation <= 1 {
      withUnsafeBytes(of: &origin.tags) { raw in
        for tag in raw.bindMemory(to: codec_tiff_tag.self).prefix(Int(origin.tag_count)) {
          let byteCount = Int(tag.count) * Self.valueByteCount(tag.type)
          tags.append(
            Tag(
              number: tag.tag, type: tag.type, count: Int(tag.count),
              bytes: Array(UnsafeRawBufferPointer(start: tag.values, count: byteCount))))
        }
      }
    }
    switch stack.pixelSize {
    case .micrometres(let x, let y, nil, nil):
      // Pixels per centimetre, which all programs know.
      (resolution, resolutionUnit) = ((1e4 / x, 1e4 / y), 3)
    case .micrometres(let x, let y, let z, let seconds):
      // ImageJ takes the resolution in the unit that its lines name.
      (resolution, resolutionUnit) = ((1 / x, 1 / y), 1)
      imageJLines =
        ["unit=micron"] + (z.map { ["spacing=\($0)"] } ?? [])
        + (seconds.map { ["finterval=\($0)"] } ?? [])
    case .imageJ(let lines): imageJLines = lines
    case nil: break
    }
    hasPixelSize = stack.pixelSize != nil
    if origin.orientation >= 5 { resolution = (resolution.y, resolution.x) }
  }

  /// Bytes of one value of libtiff's types.
  private static func valueByteCount(_ type: UInt16) -> Int {
    switch type {
    case 1, 2: 1
    case 3: 2
    case 4, 11: 4
    default: 8
    }
  }

  /// Whether two say the same.
  package static func == (first: TIFFOrigin, second: TIFFOrigin) -> Bool {
    first.resolution == second.resolution && first.resolutionUnit == second.resolutionUnit
      && first.imageJLines == second.imageJLines && first.tags == second.tags
  }
}

/// The size of a pixel, as the text of a TIFF's description has it.
enum TIFFPixelSize: Sendable {
  /// OME's.
  case micrometres(x: Double, y: Double, z: Double?, seconds: Double?)
  /// ImageJ's lines `unit=`, `spacing=` and the like; the resolution stands in its tags.
  case imageJ([String])
}
