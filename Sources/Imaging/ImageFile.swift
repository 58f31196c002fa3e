// Reading image files: PNG, TIFF and JPEG, told apart by their first bytes.

import CImageCodecs
package import Files

/// Image files of any supported kind.
///
/// - PNG: grey, RGB and palette of 1 to 16 bits, interlaced or not.
/// - TIFF: any number of pages; grey, RGB and palette; unsigned integers of 1 to 16 bits, floating
///   point of 32 and 64 bits (narrowed to 32); strips and tiles, interleaved or in planes; none,
///   LZW, Deflate, PackBits and JPEG compression; both byte orders; BigTIFF.
/// - JPEG: grey and colour of 8 bits.
///
/// Grey samples of fewer than 8 bits keep their raw values, palettes are expanded to 8-bit RGB,
/// white-is-zero samples are inverted, alpha is dropped, and orientation tags are not applied, so
/// that an image and its mask stay in the same frame. A file is decoded whole or not at all: what
/// is truncated or damaged is an error. The functions share no state and may run on any thread.
package enum ImageFile {
  /// The longest side that is decoded, in pixels.
  package static let maximumSide = Int(CODEC_MAXIMUM_SIDE)

  /// The most bytes one decoded image may take: a small file may claim any size.
  package static let maximumDecodedByteCount = Int(CODEC_MAXIMUM_DECODED_BYTES)

  /// The most pages of one TIFF file.
  package static let maximumPageCount = Int(CODEC_MAXIMUM_PAGES)

  /// Whether a path looks like an image file's: by its extension, and not hidden.
  ///
  /// The file is not looked at; reading goes by its first bytes.
  package static func isImage(_ path: String) -> Bool {
    let name = path.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
    guard !name.hasPrefix("."), let dot = name.lastIndex(of: ".") else { return false }
    let fileExtension = name[name.index(after: dot)...].lowercased()
    return ["png", "tif", "tiff", "jpg", "jpeg"].contains(fileExtension)
  }

  /// The number of pages of a file: 1 for PNG and JPEG.
  package static func pageCount(_ path: String) throws(FileError) -> Int {
    let file = try InputFile(path)
    guard try ImageKind(of: file) == .tiff else { return 1 }
    let tiff = try TIFFReader(file: file)
    return try tiff.pageCount()
  }

  /// Reads one page of a file, counted from 0.
  ///
  /// - Precondition: `page` is not negative.
  package static func read(_ path: String, page: Int = 0) throws(FileError) -> Image {
    precondition(page >= 0, "page \(page) of \(path)")
    let file = try InputFile(path)
    let kind = try ImageKind(of: file)
    guard kind != .tiff else {
      let tiff = try TIFFReader(file: file)
      return try tiff.read(page: page)
    }
    guard page == 0 else {
      throw FileError(
        path: path, expected: "a page \(page) (counted from 0)",
        found: "a \(kind.rawValue) file, which has one page", hint: "read page 0")
    }
    return try readOnlyPage(of: file, kind)
  }

  /// Reads all pages of a file, in their order.
  ///
  /// All pages are in memory at once; the limit on decoded bytes holds for each of them alone.
  package static func readAll(_ path: String) throws(FileError) -> [Image] {
    let file = try InputFile(path)
    let kind = try ImageKind(of: file)
    guard kind == .tiff else { return [try readOnlyPage(of: file, kind)] }
    let tiff = try TIFFReader(file: file)
    var images: [Image] = []
    for page in 0..<(try tiff.pageCount()) {
      images.append(try tiff.read(page: page))
    }
    return images
  }

  private static func readOnlyPage(
    of file: borrowing InputFile, _ kind: ImageKind
  ) throws(FileError) -> Image {
    let decode = kind == .png ? codec_png_read : codec_jpeg_read
    let descriptor = file.descriptor
    return try decodedImage(path: file.path, kind: kind, page: nil) { image, message in
      decode(descriptor, image, message)
    }
  }
}

/// A TIFF file that stays open from page to page.
private struct TIFFReader: ~Copyable {
  private let file: InputFile
  private let handle: OpaquePointer

  init(file: consuming InputFile) throws(FileError) {
    var message = emptyMessage()
    var handle: OpaquePointer?
    let status = codec_tiff_open(file.descriptor, &handle, &message)
    guard status == codec_ok, let handle else {
      throw decodingError(status, path: file.path, kind: .tiff, page: nil, text: text(of: message))
    }
    self.file = file
    self.handle = handle
  }

  deinit {
    codec_tiff_close(handle)
  }

  func pageCount() throws(FileError) -> Int {
    var message = emptyMessage()
    var count: UInt32 = 0
    let status = codec_tiff_count_pages(handle, &count, &message)
    guard status == codec_ok else {
      throw decodingError(status, path: file.path, kind: .tiff, page: nil, text: text(of: message))
    }
    return Int(count)
  }

  func read(page: Int) throws(FileError) -> Image {
    let handle = handle
    let index = UInt32(clamping: page)
    return try decodedImage(path: file.path, kind: .tiff, page: page) { image, message in
      codec_tiff_read(handle, index, image, message)
    }
  }
}

// MARK: - The C door

private func emptyMessage() -> [CChar] {
  [CChar](repeating: 0, count: Int(CODEC_MESSAGE_CAPACITY))
}

/// The image one C decoder makes, or its error.
private func decodedImage(
  path: String, kind: ImageKind, page: Int?,
  decode: (UnsafeMutablePointer<codec_image>, UnsafeMutablePointer<CChar>) -> codec_status
) throws(FileError) -> Image {
  var decoded = codec_image()
  var message = emptyMessage()
  let status = decode(&decoded, &message)
  defer { codec_image_free(&decoded) }
  guard status == codec_ok, let bytes = decoded.samples else {
    throw decodingError(status, path: path, kind: kind, page: page, text: text(of: message))
  }
  let raw = UnsafeRawBufferPointer(start: bytes, count: decoded.byte_count)
  let samples: Image.Samples =
    switch decoded.sample_type {
    case codec_uint16: .uint16([UInt16](raw.bindMemory(to: UInt16.self)))
    case codec_float32: .float32([Float](raw.bindMemory(to: Float.self)))
    default: .uint8([UInt8](raw))
    }
  return Image(
    width: Int(decoded.width), height: Int(decoded.height), channels: Int(decoded.channels),
    bitsPerSample: Int(decoded.bits_per_sample), samples: samples)
}

private func decodingError(
  _ status: codec_status, path: String, kind: ImageKind, page: Int?, text: String
) -> FileError {
  let place = page.map { $0 > 0 ? " (page \($0), counted from 0)" : "" } ?? ""
  switch status {
  case codec_unsupported:
    return FileError(
      path: path, expected: supportedLayouts(of: kind), found: text + place,
      hint: "convert it to one of these")
  case codec_too_large:
    let mebibytes = ImageFile.maximumDecodedByteCount >> 20
    return FileError(
      path: path,
      expected: "sides of at most \(ImageFile.maximumSide) pixels, at most \(mebibytes) MiB"
        + " decoded and \(ImageFile.maximumPageCount) pages",
      found: text + place, hint: "cut it into smaller images")
  case codec_no_such_page:
    return FileError(
      path: path, expected: "a page \(page ?? 0) (counted from 0)", found: text,
      hint: "check which pages the file has")
  case codec_out_of_memory:
    return FileError(
      path: path, expected: "memory to decode it", found: text + place,
      hint: "free some memory, or cut it into smaller images")
  case codec_system_error:
    return FileError(
      path: path, expected: "a readable \(kind.rawValue) file", found: "a read error: \(text)",
      hint: "check the file system")
  default:
    return FileError(
      path: path, expected: "a complete \(kind.rawValue) file",
      found: "truncated or damaged data: \(text)\(place)",
      hint: "copy it again from its source, or leave it out")
  }
}

private func supportedLayouts(of kind: ImageKind) -> String {
  switch kind {
  case .png: "grey, RGB or palette"
  case .jpeg: "grey, YCbCr or RGB of 8 bits"
  case .tiff:
    "grey, RGB (with at most one alpha) or palette, of 1, 2, 4 (not RGB), 8 or 16-bit unsigned or"
      + " 32 or 64-bit floating samples, compressed by none, LZW, Deflate, PackBits or JPEG"
  }
}
