// Reading image files of all kinds, told apart by their first bytes.

import CImageCodecs
package import Files

/// Image files of any supported kind.
///
/// - PNG: grey, RGB and palette of 1 to 16 bits, interlaced or not.
/// - TIFF: stacks of any number of images of any number of channels; grey, RGB and palette; unsigned
///   integers of 1 to 16, 32 and 64 bits, signed ones of 8 to 64, floating point of 16, 32 and 64 (64
///   bits narrowed to 32); strips and tiles, interleaved or in planes; none, LZW, Deflate, PackBits,
///   JPEG, Zstandard, LZMA, WebP, LERC and CCITT compression; both byte orders; BigTIFF. What stacks
///   of ImageJ, OME-TIFF and tifffile hold is told by ``TIFFStack``.
/// - JPEG: grey and colour of 8 bits. JPEG 2000: up to 31 bits.
/// - BMP: uncompressed. NIfTI: slices along the third axis. NumPy: see ``NumPyFile/image(of:page:)``.
///
/// Samples keep their raw values. Read as an image, palettes are expanded, to grey where all their
/// colours are grey, and white-is-zero is inverted; read as a mask, neither is. Alpha is dropped, which
/// `Image.hasLostAlpha` tells. Orientations that files name are applied, so that an image lies as
/// programs show it, and so does its mask. A file is decoded whole or not at all: what is truncated or
/// damaged is an error. Any thread may call.
package enum ImageFile {
  /// What an image is read for.
  package enum Purpose: Sendable {
    /// To be looked at, as a camera's or a microscope's picture.
    case image
    /// For the values that are stored.
    case mask

    var code: codec_purpose { self == .image ? codec_for_image : codec_for_mask }
  }

  /// The longest side that is decoded, in pixels.
  package static let maximumSide = Int(CODEC_MAXIMUM_SIDE)

  /// The most bytes one decoded image may take: a small file may claim any size.
  package static let maximumDecodedByteCount = Int(CODEC_MAXIMUM_DECODED_BYTES)

  /// The most pages of one file.
  package static let maximumPageCount = Int(CODEC_MAXIMUM_PAGES)

  /// The most channels of one image.
  package static let maximumChannelCount = Int(CODEC_MAXIMUM_CHANNELS)

  /// Whether a path looks like an image file's: by its extension, and not hidden.
  ///
  /// The file is not looked at; reading goes by its first bytes.
  package static func isImage(_ path: String) -> Bool {
    let name = path.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
    guard !name.hasPrefix(".") else { return false }
    let lowered = name.lowercased()
    return ImageKind.extensions.contains { lowered.hasSuffix($0) && lowered.count > $0.count }
  }

  /// The extensions of image files, for messages.
  package static var kinds: String { "PNG, TIFF, JPEG, JPEG 2000, BMP, NIfTI or NumPy" }

  /// Lets go of what is kept for further pages of the files that were read last.
  package static func releaseKept() { UnpackedVolumes.release() }

  /// What a file holds.
  package struct Contents: Sendable, Equatable {
    /// The images in it.
    package let imageCount: Int
    /// Pages that are smaller copies of an image, thumbnails, photographs of a slide's label or transparency masks, and
    /// are passed over.
    package var passedOverCount = 0
    /// Volumes along the axes behind the third, such as times, which are channels of each image.
    package var volumeCount = 1
  }

  /// What a file holds, without decoding it.
  package static func contents(of path: String) throws(FileError) -> Contents {
    let file = try InputFile(path)
    return try contents(of: file, ImageKind(of: file))
  }

  /// The number of images in a file.
  package static func pageCount(_ path: String) throws(FileError) -> Int {
    try contents(of: path).imageCount
  }

  /// Which image of a file is at which place.
  package static func places(in path: String) throws(FileError) -> StackPlaces {
    let file = try InputFile(path)
    let kind = try ImageKind(of: file)
    if kind == .tiff { return try TIFFStack.of(file).places }
    let count = try contents(of: file, kind).imageCount
    return StackPlaces(imageOfPage: Array(0..<count), imageCount: count, axes: [])
  }

  /// Reads one image of a file, counted from 0.
  ///
  /// - Precondition: `page` is not negative.
  package static func read(
    _ path: String, page: Int = 0, as purpose: Purpose = .image
  ) throws(FileError) -> Image {
    precondition(page >= 0, "page \(page) of \(path)")
    let file = try InputFile(path)
    return try image(of: file, ImageKind(of: file), page: page, purpose)
  }

  /// The one image of a file's bytes, which messages call `name`.
  package static func decode(
    _ bytes: [UInt8], name: String, as purpose: Purpose = .image
  ) throws(FileError) -> Image {
    // The decoders read from a descriptor.
    let scratch = try ScratchFile()
    try bytes.span.withUnsafeBytes { (bytes) throws(FileError) in try scratch.write(bytes, at: 0) }
    let file = try scratch.reopened(as: name)
    return try image(of: file, ImageKind(of: file), page: 0, purpose)
  }

  /// Reads all images of a file, in their order.
  ///
  /// All are in memory at once; the limit on decoded bytes holds for each of them alone.
  package static func readAll(
    _ path: String, as purpose: Purpose = .image
  ) throws(FileError) -> [Image] {
    let file = try InputFile(path)
    let kind = try ImageKind(of: file)
    var images: [Image] = []
    for page in 0..<(try contents(of: file, kind).imageCount) {
      images.append(try image(of: file, kind, page: page, purpose))
    }
    return images
  }

  private static func contents(
    of file: borrowing InputFile, _ kind: ImageKind
  ) throws(FileError) -> Contents {
    switch kind {
    case .png, .jpeg, .jpeg2000, .bitmap: return Contents(imageCount: 1)
    case .tiff:
      let stack = try TIFFStack.of(file)
      return Contents(imageCount: stack.samples.count, passedOverCount: stack.passedOverCount)
    case .numPy: return Contents(imageCount: try NumPyFile.pageCount(of: file))
    case .nifti:
      var (count, volumes): (UInt32, UInt32) = (0, 0)
      let descriptor = file.descriptor
      try checked(path: file.path, kind: kind, page: nil) { message in
        codec_nifti_count_pages(descriptor, &count, &volumes, message)
      }
      return Contents(imageCount: Int(count), volumeCount: Int(volumes))
    }
  }

  private static func image(
    of file: borrowing InputFile, _ kind: ImageKind, page: Int, _ purpose: Purpose
  ) throws(FileError) -> Image {
    let (path, descriptor) = (file.path, file.descriptor)
    guard page == 0 || [.tiff, .nifti, .numPy].contains(kind) else {
      throw pageError(path: path, page: page, found: "a \(kind.rawValue) file, which has one page")
    }
    let decode: (UnsafeMutablePointer<codec_image>, UnsafeMutablePointer<CChar>) -> codec_status
    switch kind {
    case .tiff: return try TIFFStack.of(file).read(page, of: file, purpose)
    case .numPy: return try NumPyFile.image(of: file, page: page)
    case .bitmap: return try BitmapFile.image(of: file, purpose)
    case .nifti:
      if let unpacked = try UnpackedVolumes.file(of: file) {
        return try slice(page, of: unpacked, path: path, purpose)
      }
      return try slice(page, of: file, path: path, purpose)
    case .png: decode = { codec_png_read(descriptor, purpose.code, $0, $1) }
    case .jpeg: decode = { codec_jpeg_read(descriptor, purpose.code, $0, $1) }
    case .jpeg2000: decode = { codec_jpeg2000_read(descriptor, purpose.code, $0, $1) }
    }
    return try decodedImage(path: path, kind: kind, page: page, decode: decode)
  }

  /// A slice of an open volume, which is called `path`.
  private static func slice(
    _ page: Int, of file: borrowing InputFile, path: String, _ purpose: Purpose
  ) throws(FileError) -> Image {
    let descriptor = file.descriptor
    return try decodedImage(path: path, kind: .nifti, page: page) {
      codec_nifti_read(descriptor, UInt32(clamping: page), purpose.code, $0, $1)
    }
  }
}
