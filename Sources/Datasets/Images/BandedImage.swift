// An image of which bands of rows are to be had, whatever its size.

import Files
import Imaging

/// An image that is gone through by bands of rows: one that is in memory, or one too large for that.
///
/// One thread at a time.
enum BandedImage {
  /// An image in memory.
  case whole(Image)
  /// An image that stays in its file, as it is stored.
  case large(LargeImage)

  /// Bytes of samples that are looked at together.
  static let bandByteCount = 4 << 20

  /// The image of a source, which stays in its file where it can and is large.
  ///
  /// - Throws: `FileError` for a file that cannot be decoded, and for files of channels that differ in size.
  init(
    _ source: ImageSource, as purpose: ImageFile.Purpose, wholeByteLimit: Int,
    missingValue: Double? = nil
  ) throws(FileError) {
    let large = try LargeImage(
      source, channels: nil, as: purpose, wholeByteLimit: wholeByteLimit,
      missingValue: missingValue)
    self =
      if let large { .large(large) } else {
        .whole(try source.read(as: purpose, missingValue: missingValue))
      }
  }

  /// Columns.
  var width: Int {
    switch self {
    case .whole(let image): image.width
    case .large(let image): image.width
    }
  }

  /// Rows.
  var height: Int {
    switch self {
    case .whole(let image): image.height
    case .large(let image): image.height
    }
  }

  /// Bytes of all samples.
  var byteCount: Int {
    switch self {
    case .whole(let image): image.samples.count * image.samples.sampleByteCount
    case .large(let image): image.byteCount
    }
  }

  /// Bands of the image of about so many bytes, from the first row to the last.
  func bands(of bandByteCount: Int = BandedImage.bandByteCount) -> [Range<Int>] {
    let bandHeight = max(1, bandByteCount / max(1, byteCount / height))
    return stride(from: 0, to: height, by: bandHeight).map { $0..<min(height, $0 + bandHeight) }
  }

  /// Rows of the image, as an image of their own.
  ///
  /// - Precondition: they are some, and of the image.
  /// - Throws: `FileError` where the file cannot be decoded there.
  func rows(_ rows: Range<Int>) throws(FileError) -> Image {
    switch self {
    case .whole(let image): image.rows(rows)
    case .large(let image): try image.part(rows: rows, columns: 0..<image.width)
    }
  }
}
