// Writing TIFF files, page by page and by rows.

import CImageCodecs
package import Files

/// A TIFF file on its way, of pages of grey or RGB samples of 8 or 16 bits.
///
/// Pages are compressed by Deflate, which every program reads, and without loss. The rows of a page
/// come in order and in parts of any size, so that no page is ever held as a whole. The file is put in
/// its place by ``commit()``; without it nothing is left.
package final class TIFFWriter {
  /// How a page is divided.
  package enum Division: Sendable {
    /// Tiles of 512 x 512, of which programs show a part of a large page.
    case tiles
    /// Strips of rows, which also ImageJ reads by itself.
    case strips
  }

  /// Bytes of samples beyond which a file is a BigTIFF.
  ///
  /// Places in the classic form have 32 bits; what cannot be compressed grows a little, and the places of the
  /// tiles take some. Smaller files are of the classic form, since not every program reads the other.
  package static let classicByteLimit = (1 << 32) - (1 << 27)

  private static let tileSide = 512
  private static let stripByteCount = 1 << 18

  private let path: String
  private var file: DurableFileWriter
  private var handle: OpaquePointer?

  /// The page that is being written.
  private struct Page {
    let width: Int
    let height: Int
    let channels: Int
    let sampleByteCount: Int
    let blockWidth: Int
    let blockHeight: Int
    let isTiled: Bool
    /// Rows that came and fill no block yet.
    var pending: [UInt8] = []
    /// Rows in written blocks.
    var writtenRows = 0

    var rowByteCount: Int { width * channels * sampleByteCount }
  }

  private var page: Page?

  /// Begins a file at `path`; `byteCount` bytes of samples are to come in all.
  ///
  /// - Throws: `FileError` when the file cannot be made.
  package init(path: String, byteCount: Int) throws(FileError) {
    self.path = path
    file = try DurableFileWriter(path: path, isFlushed: false)
    let descriptor = file.descriptor
    var opened: OpaquePointer?
    try Self.checked(path: path) {
      codec_tiff_writer_open(descriptor, byteCount > Self.classicByteLimit, &opened, $0)
    }
    handle = opened
  }

  deinit { codec_tiff_writer_close(handle) }

  /// Begins a page.
  ///
  /// - Parameters:
  ///   - sampleByteCount: 1 or 2.
  ///   - description: the text of ImageDescription.
  /// - Precondition: the page before has all its rows; one or three channels.
  package func beginPage(
    width: Int, height: Int, channels: Int, sampleByteCount: Int, division: Division,
    origin: TIFFOrigin = TIFFOrigin(), description: String? = nil
  ) throws(FileError) {
    precondition(page == nil, "a page that has begun has not ended")
    precondition(
      (channels == 1 || channels == 3) && (1...2).contains(sampleByteCount),
      "\(channels) channels of \(sampleByteCount) bytes")
    let isTiled = division == .tiles
    let rowByteCount = width * channels * sampleByteCount
    let page = Page(
      width: width, height: height, channels: channels, sampleByteCount: sampleByteCount,
      blockWidth: isTiled ? Self.tileSide : width,
      blockHeight: isTiled
        ? Self.tileSide : min(height, max(1, Self.stripByteCount / rowByteCount)),
      isTiled: isTiled)
    var form = codec_tiff_form()
    (form.width, form.height) = (UInt32(width), UInt32(height))
    form.channels = UInt32(channels)
    form.sample_type = sampleByteCount == 1 ? codec_uint8 : codec_uint16
    form.tiled = isTiled
    (form.block_width, form.block_height) = (UInt32(page.blockWidth), UInt32(page.blockHeight))
    (form.x_resolution, form.y_resolution) = origin.resolution
    form.resolution_unit = UInt16(origin.resolutionUnit)
    // All values of the tags in one piece, which stays while they are set.
    var starts: [Int] = []
    var values: [UInt8] = []
    for tag in origin.tags {
      // Numbers of any type lie at multiples of 8.
      values += [UInt8](repeating: 0, count: (8 - values.count % 8) % 8)
      starts.append(values.count)
      values += tag.bytes
    }
    let (path, handle) = (self.path, self.handle)
    try values.span.withUnsafeBytes { (values) throws(FileError) in
      let tags = zip(origin.tags, starts).map { tag, start in
        codec_tiff_tag(
          tag: tag.number, type: tag.type, count: UInt32(tag.count),
          values: values.baseAddress.map { $0 + start })
      }
      try tags.span.withUnsafeBufferPointer { (tags) throws(FileError) in
        form.tags = tags.baseAddress
        form.tag_count = UInt32(tags.count)
        try Self.checked(path: path) { message in
          guard let description else { return codec_tiff_writer_begin(handle, &form, message) }
          return description.withCString { text in
            form.description = text
            return codec_tiff_writer_begin(handle, &form, message)
          }
        }
      }
    }
    self.page = page
  }

  /// Writes the next rows of the page, and ends it with its last one.
  ///
  /// - Precondition: the image has the page's width, channels and samples, and no more rows than are left.
  package func append(_ rows: Image) throws(FileError) {
    switch rows.samples {
    case .uint8(let values): try append(values, of: rows)
    case .uint16(let values): try append(values, of: rows)
    default: preconditionFailure("samples that are no unsigned ones of 8 or 16 bits")
    }
  }

  private func append<Sample>(_ values: [Sample], of rows: Image) throws(FileError) {
    guard var page else { preconditionFailure("rows of no page") }
    precondition(
      rows.width == page.width && rows.channels == page.channels
        && rows.samples.sampleByteCount == page.sampleByteCount,
      "rows of another form than their page")
    values.withUnsafeBytes { page.pending.append(contentsOf: $0) }
    // One owner, so that the rows are not copied.
    self.page = nil
    let rowByteCount = page.rowByteCount
    var start = 0
    while page.writtenRows < page.height {
      let count = min(page.blockHeight, page.height - page.writtenRows)
      guard page.pending.count - start >= count * rowByteCount else { break }
      try writeBlocks(of: page, from: start, rows: count)
      start += count * rowByteCount
      page.writtenRows += count
    }
    page.pending.removeFirst(start)
    precondition(
      page.writtenRows < page.height || page.pending.isEmpty, "more rows than the page has")
    guard page.writtenRows == page.height else {
      self.page = page
      return
    }
    let handle = handle
    try Self.checked(path: path) { codec_tiff_writer_end(handle, $0) }
  }

  /// Writes a row of tiles, or a strip.
  private func writeBlocks(of page: Page, from start: Int, rows: Int) throws(FileError) {
    let pixelByteCount = page.channels * page.sampleByteCount
    let handle = handle
    for left in stride(from: 0, to: page.width, by: page.blockWidth) {
      let columns = min(page.blockWidth, page.width - left)
      // Tiles are whole, with zeros beyond the image; a last strip is as long as it is.
      let blockRows = page.isTiled ? page.blockHeight : rows
      var block = [UInt8](repeating: 0, count: blockRows * page.blockWidth * pixelByteCount)
      for y in 0..<rows {
        let from = start + y * page.rowByteCount + left * pixelByteCount
        let to = y * page.blockWidth * pixelByteCount
        block.replaceSubrange(
          to..<to + columns * pixelByteCount,
          with: page.pending[from..<from + columns * pixelByteCount])
      }
      try Self.checked(path: path) { message in
        block.withUnsafeMutableBytes { block in
          codec_tiff_writer_write(
            handle, UInt32(left), UInt32(page.writtenRows), block.baseAddress, block.count, message)
        }
      }
    }
  }

  /// Puts the file in its place.
  ///
  /// - Precondition: every page that has begun has all its rows.
  package func commit() throws(FileError) {
    precondition(page == nil, "a page that has begun has not ended")
    codec_tiff_writer_close(handle)
    handle = nil
    try file.commit()
  }

  private static func checked(
    path: String, _ call: (UnsafeMutablePointer<CChar>) -> codec_status
  ) throws(FileError) {
    var message = [CChar](repeating: 0, count: Int(CODEC_MESSAGE_CAPACITY))
    guard call(&message) != codec_ok else { return }
    throw FileError(
      path: path, expected: "a TIFF file that can be written", found: text(of: message),
      hint: "check its folder and the space left")
  }
}

// MARK: - Whole files

/// TIFF files, for writing; `ImageFile` reads them.
package enum TIFFFile {
  /// Writes an image of 8 or 16 bits as a file of one page, in strips, replacing the file as a whole.
  package static func write(
    _ image: Image, to path: String, origin: TIFFOrigin = TIFFOrigin()
  ) throws(FileError) {
    let writer = try TIFFWriter(
      path: path, byteCount: image.samples.count * image.samples.sampleByteCount)
    try writer.beginPage(
      width: image.width, height: image.height, channels: image.channels,
      sampleByteCount: image.samples.sampleByteCount, division: .strips, origin: origin,
      description: imageJDescription(depths: 1, times: 1, origin: origin))
    try writer.append(image)
    try writer.commit()
  }

  /// The description by which ImageJ, Fiji and napari take the pages of a file for one stack, of all depths of
  /// the first time, then those of the next.
  package static func imageJDescription(
    depths: Int, times: Int, origin: TIFFOrigin
  ) -> String? {
    let pages = depths * times
    guard pages > 1 || !origin.imageJLines.isEmpty else { return nil }
    var lines = ["ImageJ=1.11a", "images=\(pages)"]
    if depths > 1 { lines.append("slices=\(depths)") }
    if times > 1 { lines.append("frames=\(times)") }
    if depths > 1 && times > 1 { lines.append("hyperstack=true") }
    if pages > 1 { lines.append("loop=false") }
    return (lines + origin.imageJLines).joined(separator: "\n") + "\n"
  }
}
