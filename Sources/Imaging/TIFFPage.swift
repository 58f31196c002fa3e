// A page of a TIFF that is decoded by rectangles.

import CImageCodecs
import Files

/// An open page of which rectangles are decoded, with the blocks that were decoded last.
///
/// A block is a tile of the file, or some rows of a strip. Blocks that were used last stay, as far as
/// a limit of bytes allows: so whoever goes through a picture by rows of windows decodes each block
/// about once. One thread at a time.
final class TIFFPage {
  /// Columns as stored.
  let width: Int
  /// Rows as stored.
  let height: Int
  let channels: Int
  let bitsPerSample: Int
  /// How the page lies, 1...8.
  let orientation: Int
  let hasLostAlpha: Bool
  let missingValue: Double?
  let sampleByteCount: Int
  /// Bytes of the largest block as it is stored, without compression.
  let storedBlockByteCount: Int
  fileprivate let sampleType: codec_sample_type

  /// Bytes of decoded blocks that may stay; the blocks of one rectangle stay in any case.
  var keptByteLimit = 0

  private let path: String
  private let number: Int
  private let handle: OpaquePointer
  private let blockWidth: Int
  private let blockHeight: Int

  private var blocks: [Int: Block] = [:]
  private var keptByteCount = 0
  private var clock = 0

  private struct Block {
    let samples: Image.Samples
    let byteCount: Int
    var lastUse: Int
  }

  /// Opens a page; `number` is that of its image in the file, for messages.
  ///
  /// - Throws: `FileError` for a page that cannot be decoded.
  init(
    _ page: TIFFStack.Page, number: Int, of file: borrowing InputFile,
    _ purpose: ImageFile.Purpose
  ) throws(FileError) {
    var (opened, image) = (OpaquePointer?.none, codec_image())
    var blocks = codec_tiff_blocks()
    let descriptor = file.descriptor
    try checked(path: file.path, kind: .tiff, page: number) { message in
      codec_tiff_page_open(
        descriptor, page.offset, UInt32(page.frame), purpose.code, &opened, &image, &blocks,
        message)
    }
    guard let opened else { preconditionFailure("a page was opened") }
    handle = opened
    path = file.path
    self.number = number
    (width, height) = (Int(image.width), Int(image.height))
    channels = Int(image.channels)
    bitsPerSample = Int(image.bits_per_sample)
    orientation = Int(image.orientation)
    hasLostAlpha = image.has_lost_alpha
    missingValue = image.has_missing_value ? image.missing_value : nil
    sampleType = image.sample_type
    sampleByteCount =
      switch image.sample_type {
      case codec_uint8, codec_int8: 1
      case codec_uint16, codec_int16: 2
      default: 4
      }
    (blockWidth, blockHeight) = (Int(blocks.width), Int(blocks.height))
    storedBlockByteCount = Int(clamping: blocks.stored_byte_count)
  }

  deinit { codec_tiff_page_close(handle) }

  /// A rectangle of the page as it is stored.
  ///
  /// - Precondition: it is not empty and lies in the page.
  func part(rows: Range<Int>, columns: Range<Int>) throws(FileError) -> Image {
    precondition(
      !rows.isEmpty && !columns.isEmpty && rows.lowerBound >= 0 && rows.upperBound <= height
        && columns.lowerBound >= 0 && columns.upperBound <= width,
      "rows \(rows) and columns \(columns) of \(width) x \(height)")
    let samples: Image.Samples =
      switch sampleType {
      case codec_uint16: .uint16(try samples(rows, columns, of: 0) { $0.uint16 })
      case codec_uint32: .uint32(try samples(rows, columns, of: 0) { $0.uint32 })
      case codec_int8: .int8(try samples(rows, columns, of: 0) { $0.int8 })
      case codec_int16: .int16(try samples(rows, columns, of: 0) { $0.int16 })
      case codec_int32: .int32(try samples(rows, columns, of: 0) { $0.int32 })
      case codec_float32: .float32(try samples(rows, columns, of: 0) { $0.float32 })
      default: .uint8(try samples(rows, columns, of: 0) { $0.uint8 })
      }
    var image = Image(
      width: columns.count, height: rows.count, channels: channels, bitsPerSample: bitsPerSample,
      samples: samples)
    image.hasLostAlpha = hasLostAlpha
    image.missing.value = missingValue
    return image
  }

  /// The samples of a rectangle, copied out of the blocks on which it lies.
  private func samples<Sample>(
    _ rows: Range<Int>, _ columns: Range<Int>, of zero: Sample,
    _ values: (Image.Samples) -> [Sample]?
  ) throws(FileError) -> [Sample] {
    var result = [Sample](repeating: zero, count: rows.count * columns.count * channels)
    clock += 1
    for top in stride(
      from: rows.lowerBound / blockHeight * blockHeight, to: rows.upperBound, by: blockHeight)
    {
      for left in stride(
        from: columns.lowerBound / blockWidth * blockWidth, to: columns.upperBound, by: blockWidth)
      {
        guard let source = values(try block(left: left, top: top)) else {
          preconditionFailure("a block of other samples than its page")
        }
        let sourceWidth = min(blockWidth, width - left)
        let common = (
          rows: max(top, rows.lowerBound)..<min(top + blockHeight, rows.upperBound),
          columns: max(left, columns.lowerBound)..<min(left + blockWidth, columns.upperBound)
        )
        let count = common.columns.count * channels
        for y in common.rows {
          let from = ((y - top) * sourceWidth + common.columns.lowerBound - left) * channels
          let to =
            ((y - rows.lowerBound) * columns.count + common.columns.lowerBound
              - columns.lowerBound) * channels
          result.withUnsafeMutableBufferPointer { result in
            source.withUnsafeBufferPointer { source in
              for index in 0..<count { result[to + index] = source[from + index] }
            }
          }
        }
      }
    }
    return result
  }

  // MARK: - Blocks

  /// The decoded block with this first pixel.
  private func block(left: Int, top: Int) throws(FileError) -> Image.Samples {
    let key = top / blockHeight * ((width + blockWidth - 1) / blockWidth) + left / blockWidth
    if let known = blocks[key] {
      blocks[key]?.lastUse = clock
      return known.samples
    }
    let image = try decodedImage(path: path, kind: .tiff, page: number) { block, message in
      codec_tiff_page_read(handle, UInt32(left), UInt32(top), block, message)
    }
    let byteCount = image.samples.count * sampleByteCount
    makeRoom(for: byteCount)
    blocks[key] = Block(samples: image.samples, byteCount: byteCount, lastUse: clock)
    keptByteCount += byteCount
    return image.samples
  }

  /// Lets go of the blocks that were not used for the longest time.
  private func makeRoom(for byteCount: Int) {
    guard keptByteCount + byteCount > keptByteLimit else { return }
    // Some at once, so that they are not sorted for each.
    let goal = keptByteLimit / 8 * 7 - byteCount
    for (key, block) in blocks.sorted(by: { $0.value.lastUse < $1.value.lastUse })
    where keptByteCount > goal && block.lastUse < clock {
      blocks[key] = nil
      keptByteCount -= block.byteCount
    }
  }
}

extension TIFFPage {
  /// Whether two pages can be channels of one image.
  func hasTheForm(of other: TIFFPage) -> Bool {
    width == other.width && height == other.height && orientation == other.orientation
      && sampleType == other.sampleType && bitsPerSample == other.bitsPerSample
  }
}

extension Image.Samples {
  fileprivate var uint8: [UInt8]? { if case .uint8(let values) = self { values } else { nil } }
  fileprivate var uint16: [UInt16]? { if case .uint16(let values) = self { values } else { nil } }
  fileprivate var uint32: [UInt32]? { if case .uint32(let values) = self { values } else { nil } }
  fileprivate var int8: [Int8]? { if case .int8(let values) = self { values } else { nil } }
  fileprivate var int16: [Int16]? { if case .int16(let values) = self { values } else { nil } }
  fileprivate var int32: [Int32]? { if case .int32(let values) = self { values } else { nil } }
  fileprivate var float32: [Float]? { if case .float32(let values) = self { values } else { nil } }
}
