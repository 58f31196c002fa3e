// An image of a TIFF file that is decoded by rectangles.

import CImageCodecs
package import Files

/// An image too large to be held, of which rectangles are decoded: any image of a TIFF file, of one page
/// or of several that are its channels.
///
/// A rectangle has the samples that ``ImageFile/read(_:page:as:)`` has there, for the same purpose. Decoded parts of the file
/// stay as far as ``keptByteLimit`` allows, so that whoever goes through the image by rows of windows
/// decodes each about once. What is damaged is an error when it is reached. One thread at a time.
package final class WindowedImage {
  /// Columns.
  package let width: Int
  /// Rows.
  package let height: Int
  /// Samples a pixel.
  package let channels: Int
  /// Bytes of one sample.
  package let sampleByteCount: Int
  /// Whether the file has alpha, which is dropped at decoding.
  package let hasLostAlpha: Bool
  /// How the file says that its rows and columns lie, 1...8; rectangles are upright.
  package let orientation: Int

  /// The longest side.
  package static let maximumSide = Int(CODEC_MAXIMUM_WINDOWED_SIDE)
  /// Bytes of decoded strips and tiles that stay in memory.
  ///
  /// That is a row of windows across 40,000 pixels of one byte, with what their tiles show around them.
  /// Of wider pictures tiles are decoded up to twice.
  package static let keptByteLimit = 128 << 20

  /// The most bytes of a strip or tile, without compression, that is decoded.
  package static let maximumBlockByteCount = Int(CODEC_MAXIMUM_BLOCK_BYTES)

  private let file: InputFile
  private let pages: [TIFFPage]

  /// Bytes of the largest strip or tile, without compression; uncompressed strips count by the rows that are
  /// read at once.
  package var largestBlockByteCount: Int { pages.map(\.storedBlockByteCount).max() ?? 0 }

  /// Bytes of the whole image, if it were decoded.
  package var byteCount: Int { width * height * channels * sampleByteCount }

  /// The image with this number in the file at `path`, or nil where that is no TIFF.
  ///
  /// Nothing of the samples is read before a rectangle is asked for.
  ///
  /// - Precondition: `page` is not negative.
  /// - Throws: `FileError` for a file that cannot be opened, and for a page that cannot be decoded.
  package convenience init?(
    _ path: String, page: Int, as purpose: ImageFile.Purpose = .image
  ) throws(FileError) {
    precondition(page >= 0, "page \(page) of \(path)")
    let file = try InputFile(path)
    guard try ImageKind(of: file) == .tiff else { return nil }
    try self.init(consume file, page: page, purpose)
  }

  private init(
    _ file: consuming InputFile, page: Int, _ purpose: ImageFile.Purpose
  ) throws(FileError) {
    let stack = try TIFFStack.of(file)
    guard page < stack.samples.count else {
      throw pageError(path: file.path, page: page, found: "\(stack.samples.count) pages")
    }
    var pages: [TIFFPage] = []
    for part in stack.samples[page] {
      let opened = try TIFFPage(part, number: page, of: file, purpose)
      if let first = pages.first {
        guard opened.hasTheForm(of: first) else {
          throw unsupportedError(
            path: file.path, kind: .tiff,
            found: "channels of different sizes or types in image \(page)")
        }
      }
      pages.append(opened)
    }
    let channels = pages.reduce(0) { $0 + $1.channels }
    guard channels <= ImageFile.maximumChannelCount else {
      throw unsupportedError(
        path: file.path, kind: .tiff, found: "\(channels) channels in image \(page)")
    }
    let first = pages[0]
    orientation = first.orientation
    (width, height) =
      first.orientation >= 5 ? (first.height, first.width) : (first.width, first.height)
    self.channels = channels
    sampleByteCount = first.sampleByteCount
    hasLostAlpha = pages.contains { $0.hasLostAlpha }
    for page in pages { page.keptByteLimit = Self.keptByteLimit / pages.count }
    self.pages = pages
    self.file = file
  }

  /// A rectangle of the image, as an image of its own.
  ///
  /// - Precondition: it is not empty and lies in the image.
  /// - Throws: `FileError` where the file cannot be decoded there, as where strips or tiles are too large.
  package func part(rows: Range<Int>, columns: Range<Int>) throws(FileError) -> Image {
    let stored = storedPlace(rows, columns)
    var parts: [Image] = []
    for page in pages {
      parts.append(
        try page.part(rows: stored.rows, columns: stored.columns).upright(from: orientation))
    }
    guard let image = Image.joined(parts) else {
      preconditionFailure("pages of one form have parts of several")
    }
    return image
  }

  /// Where a rectangle of the upright image lies in the stored one.
  private func storedPlace(
    _ rows: Range<Int>, _ columns: Range<Int>
  ) -> (rows: Range<Int>, columns: Range<Int>) {
    let isTurned = orientation >= 5
    let (storedHeight, storedWidth) = isTurned ? (width, height) : (height, width)
    let (down, across) = isTurned ? (columns, rows) : (rows, columns)
    func reversed(_ range: Range<Int>, _ length: Int) -> Range<Int> {
      length - range.upperBound..<length - range.lowerBound
    }
    // As `Image.upright(from:)` has it.
    return (
      [3, 4, 6, 7].contains(orientation) ? reversed(down, storedHeight) : down,
      [2, 3, 7, 8].contains(orientation) ? reversed(across, storedWidth) : across
    )
  }
}
