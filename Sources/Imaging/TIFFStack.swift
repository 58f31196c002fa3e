// Which images a TIFF file holds, and where each of their channels lies.

import CImageCodecs
import Files
import Glibc
import Synchronization

/// The images of a TIFF file.
///
/// Each directory of the chain is a page, but for overviews, thumbnails and transparency masks. A
/// description of ImageJ, OME-TIFF or tifffile (``TIFFDescription``), or a tag of MetaMorph, may say that pages
/// follow without a directory; a description may say along which axes pages lie: those of the channel axis are
/// channels of one image, those of all other axes images. Aperio's says that all pages but the first are copies
/// and photographs of the slide.
struct TIFFStack: Sendable {
  /// A page: the directory it is stored like, and how many pages it lies behind that one's.
  struct Page: Sendable, Hashable {
    let offset: UInt64
    let frame: Int
  }

  /// The pages of each image, one for each part of its channels.
  let samples: [[Page]]
  /// Which image a page or a place in depth and time is.
  let places: StackPlaces
  /// Pages that are copies or masks of others.
  let passedOverCount: Int
  /// How large pixels are, where the description says so.
  let pixelSize: TIFFPixelSize?

  /// The images of an open file, found once for each file that stays as it is.
  static func of(_ file: borrowing InputFile) throws(FileError) -> TIFFStack {
    let identity = FileIdentity(file.descriptor)
    if let identity, let known = known.withLock({ $0[identity] }) { return known }
    let stack = try TIFFStack(file)
    // One page is found as fast as a known one.
    if let identity, stack.samples.count > 1 {
      known.withLock { known in
        let count = known.values.reduce(stack.samples.count) { $0 + $1.samples.count }
        if count > knownLimit { known.removeAll() }
        known[identity] = stack
      }
    }
    return stack
  }

  /// The stacks found so far: a set is read page by page, and a walk along the chain for each page
  /// would take the square of their number.
  private static let known = Mutex<[FileIdentity: TIFFStack]>([:])
  private static let knownLimit = 1 << 19

  private init(_ file: borrowing InputFile) throws(FileError) {
    let (path, descriptor) = (file.path, file.descriptor)
    var list: UnsafeMutablePointer<codec_tiff_directory>?
    var count: UInt32 = 0
    defer { free(list) }
    try checked(path: path, kind: .tiff, page: nil) { message in
      codec_tiff_list(descriptor, &list, &count, message)
    }
    let directories = UnsafeBufferPointer(start: list, count: Int(count))
    let images = directories.filter(\.is_image)
    var directoriesOfImages = images.isEmpty ? Array(directories) : images
    let offset = directoriesOfImages[0].offset
    let first = try Self.summary(of: offset, path: path, descriptor: descriptor)
    let description = try first.text.map { text throws(FileError) in
      try TIFFDescription(text, channels: first.channels, path: path)
    }
    if description?.isOfSlide == true {
      directoriesOfImages.removeAll { $0.offset != offset && !$0.is_as_large }
    }
    let offsets = directoriesOfImages.map(\.offset)
    passedOverCount = directories.count - offsets.count
    var pages = offsets.map { Page(offset: $0, frame: 0) }
    // Its places of pages have 32 bits, and go on from 0 beyond them.
    if first.isLSM, file.byteCount > Int(UInt32.max) {
      throw unsupportedError(path: path, kind: .tiff, found: "an LSM file beyond 4 GiB")
    }
    if directories.count == 1, first.planeCount > 1, first.channels > 0,
      first.pagesInOnePiece == 0
    {
      throw unsupportedError(
        path: path, kind: .tiff,
        found:
          "\(first.planeCount) planes of MetaMorph that are compressed, cut or not in one piece")
    }
    let behindOne =
      description?.pagesBehindOne(of: offsets.count, sampleCount: first.sampleCount)
      ?? (directories.count == 1 && first.planeCount > 1 ? first.planeCount : nil)
    if let behind = behindOne, first.pagesInOnePiece > 0 {
      guard behind <= first.pagesInOnePiece else {
        throw damageError(
          path: path, kind: .tiff,
          found: "\(behind) pages by its tags, and room for \(first.pagesInOnePiece)")
      }
      guard behind <= ImageFile.maximumPageCount else {
        throw tooLargeError(path: path, found: "\(behind) pages")
      }
      pages = (0..<behind).map { Page(offset: offsets[0], frame: $0) }
    }
    pixelSize = description?.pixelSize
    let samples = try description?.groups(of: pages, path: path) ?? pages.map { [$0] }
    var imageOf: [Page: Int] = [:]
    for (image, pages) in samples.enumerated() { for page in pages { imageOf[page] = image } }
    self.samples = samples
    places = StackPlaces(
      imageOfPage: pages.map { imageOf[$0] }, imageCount: samples.count,
      axes: description?.imageAxes(pageCount: pages.count) ?? [])
  }

  /// What the first directory says.
  private struct Summary {
    let text: String?
    let channels: Int
    let sampleCount: Int
    let pagesInOnePiece: Int
    let planeCount: Int
    let isLSM: Bool
  }

  private static func summary(
    of offset: UInt64, path: String, descriptor: CInt
  ) throws(FileError) -> Summary {
    var summary = codec_tiff_summary()
    defer { free(summary.description) }
    try checked(path: path, kind: .tiff, page: nil) { message in
      codec_tiff_summarize(descriptor, offset, &summary, message)
    }
    return Summary(
      text: summary.description.map { String(cString: $0) }, channels: Int(summary.channels),
      sampleCount: Int(clamping: summary.sample_count),
      pagesInOnePiece: Int(clamping: summary.pages_in_one_piece),
      planeCount: Int(summary.plane_count), isLSM: summary.is_lsm)
  }

  /// Reads an image, the channels of all its pages together.
  func read(
    _ number: Int, of file: borrowing InputFile, _ purpose: ImageFile.Purpose
  ) throws(FileError) -> Image {
    let (path, descriptor) = (file.path, file.descriptor)
    guard number < samples.count else {
      throw pageError(path: path, page: number, found: "\(samples.count) pages")
    }
    var images: [Image] = []
    for page in samples[number] {
      images.append(
        try decodedImage(path: path, kind: .tiff, page: number) { image, message in
          codec_tiff_read(
            descriptor, page.offset, UInt32(page.frame), purpose.code, image, message)
        })
      let byteCount = images.reduce(0) { $0 + $1.samples.count * $1.samples.sampleByteCount }
      guard byteCount <= ImageFile.maximumDecodedByteCount else {
        throw tooLargeError(path: path, found: "\(samples[number].count) pages of one image")
      }
    }
    guard let image = Image.joined(images) else {
      throw unsupportedError(
        path: path, kind: .tiff, found: "channels of different sizes or types in image \(number)")
    }
    return image
  }
}
