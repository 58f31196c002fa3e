// An image of which parts are decoded, because it is too large to be held.

package import Files
package import Imaging

/// An image of which rectangles are decoded, as it is stored or in the channels that a network has.
///
/// Whether an image is large is decided by its file alone, so that every machine and any number of ranks
/// treat it alike. One thread at a time.
package final class LargeImage {
  /// An image whose samples take more bytes is large: 64 MiB, 8,192 x 8,192 pixels of one byte.
  ///
  /// What is made of a whole image takes some twenty times as much. An image of which single strips are so
  /// large is held as a whole as long as it can be.
  package static let wholeByteLimit = 64 << 20

  /// Columns.
  package let width: Int
  /// Rows.
  package let height: Int
  /// Channels as they are asked for.
  package let channels: Int
  /// Bytes of all samples.
  package let byteCount: Int
  /// Whether a file has alpha, which is left out.
  package var hasLostAlpha: Bool { files.contains { $0.hasLostAlpha } }
  /// Channels as they are stored.
  package let storedChannels: Int

  private let files: [WindowedImage]
  private let missingValue: Double?
  private let path: String

  /// A sample's image in the channels of a network, or nil where it is not large, or not stored as TIFF.
  ///
  /// - Throws: as of a source.
  package convenience init?(
    _ entry: SampleIndex.Entry, channels: Int, missingValue: Double? = nil,
    wholeByteLimit: Int = LargeImage.wholeByteLimit
  ) throws(FileError) {
    try self.init(
      entry.source.image, channels: channels, as: .image, wholeByteLimit: wholeByteLimit,
      missingValue: missingValue)
  }

  /// The image of a source, or nil where it is not large, or not stored as TIFF.
  ///
  /// - Parameters:
  ///   - channels: those of the network; nil for the stored ones.
  ///   - wholeByteLimit: bytes beyond which an image is large.
  ///   - missingValue: the value of samples that are no measurement, in addition to what files name.
  /// - Throws: `FileError` for a file that cannot be opened, for other channels than it can have, and for
  ///   files of channels that differ in size.
  init?(
    _ source: ImageSource, channels: Int?, as purpose: ImageFile.Purpose, wholeByteLimit: Int,
    missingValue: Double? = nil
  ) throws(FileError) {
    var files: [WindowedImage] = []
    for part in source.channels {
      guard let file = try WindowedImage(part.path, page: part.page, as: purpose) else {
        return nil
      }
      if let first = files.first, first.width != file.width || first.height != file.height {
        throw FileError(
          .sizesDiffer, path: part.description, expected: "\(first.width)x\(first.height)",
          found: "\(file.width)x\(file.height)", hint: "the channels of an image have one size")
      }
      files.append(file)
    }
    byteCount = files.reduce(0) { $0 + $1.byteCount }
    guard byteCount > wholeByteLimit, let first = files.first else { return nil }
    let blockByteCount = files.map(\.largestBlockByteCount).max() ?? 0
    if blockByteCount > WindowedImage.maximumBlockByteCount {
      if byteCount <= ImageFile.maximumDecodedByteCount,
        max(first.width, first.height) <= ImageFile.maximumSide
      {
        return nil
      }
      throw FileError(
        path: source.first.path,
        expected: "strips or tiles of at most \(WindowedImage.maximumBlockByteCount >> 20) MiB,"
          + " by which so large an image is read",
        found: "some of \(blockByteCount >> 20) MiB",
        hint: "save it as a tiled TIFF, of tiles of 512 x 512 pixels for instance")
    }
    (width, height) = (first.width, first.height)
    storedChannels = files.reduce(0) { $0 + $1.channels }
    self.channels = channels ?? storedChannels
    self.files = files
    self.missingValue = missingValue
    path = source.first.path
    guard let channels else { return }
    guard storedChannels == channels || [storedChannels, channels].sorted() == [1, 3] else {
      throw channelError
    }
  }

  private var channelError: FileError {
    FileError(
      .channelsDiffer, path: path,
      expected: "\(channels) \(channels == 1 ? "channel" : "channels"), as the network has",
      found: "\(storedChannels)", hint: "convert the image")
  }

  /// A rectangle of the image, in the channels asked for.
  ///
  /// - Throws: `FileError` where a file cannot be decoded there, or a pixel that has to be grey is not.
  package func part(rows: Range<Int>, columns: Range<Int>) throws(FileError) -> Image {
    var parts: [Image] = []
    for file in files { parts.append(try file.part(rows: rows, columns: columns)) }
    let image = ImageSource.joined(parts, missingValue: missingValue)
    guard channels != storedChannels else { return image }
    guard let adapted = image.adapted(to: channels) else { throw channelError }
    return adapted
  }

  /// What turns the image's intensities into inputs, from as many passes over it as the rule needs.
  package func transform(
    _ normalization: IntensityNormalization
  ) throws(FileError) -> IntensityTransform {
    var fit = try IntensityFit(normalization, channels: channels, path: path)
    let bands = BandedImage.large(self)
    while fit.needsPass {
      for rows in bands.bands() { try fit.add(try bands.rows(rows)) }
      fit.endPass()
    }
    return fit.transform
  }
}
