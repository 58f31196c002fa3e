// The door to the C decoders: what they decode as an image, and their failures as errors.

import CImageCodecs
import Files
import Liveness

/// The image one C decoder makes, upright, or its error.
func decodedImage(
  path: String, kind: ImageKind, page: Int?,
  decode: (UnsafeMutablePointer<codec_image>, UnsafeMutablePointer<CChar>) -> codec_status
) throws(FileError) -> Image {
  asksForMemory
  var decoded = codec_image()
  defer { codec_image_free(&decoded) }
  try checked(path: path, kind: kind, page: page) { message in decode(&decoded, message) }
  Progress.beat()
  let raw = UnsafeRawBufferPointer(start: decoded.samples, count: decoded.byte_count)
  let samples: Image.Samples =
    switch decoded.sample_type {
    case codec_uint16: .uint16([UInt16](raw.bindMemory(to: UInt16.self)))
    case codec_uint32: .uint32([UInt32](raw.bindMemory(to: UInt32.self)))
    case codec_int8: .int8([Int8](raw.bindMemory(to: Int8.self)))
    case codec_int16: .int16([Int16](raw.bindMemory(to: Int16.self)))
    case codec_int32: .int32([Int32](raw.bindMemory(to: Int32.self)))
    case codec_float32: .float32([Float](raw.bindMemory(to: Float.self)))
    default: .uint8([UInt8](raw))
    }
  var image = Image(
    width: Int(decoded.width), height: Int(decoded.height), channels: Int(decoded.channels),
    bitsPerSample: Int(decoded.bits_per_sample), samples: samples)
  image.hasLostAlpha = decoded.has_lost_alpha
  image.missing.value = decoded.has_missing_value ? decoded.missing_value : nil
  return image.upright(from: Int(decoded.orientation))
}

/// Lets the C decoders refuse what there is no memory for.
private let asksForMemory: Void = codec_ask_for_memory { UInt64(AvailableMemory.byteCount) }

/// Calls a C decoder with room for its message.
///
/// - Throws: `FileError` for every status but success.
func checked(
  path: String, kind: ImageKind, page: Int?,
  _ call: (UnsafeMutablePointer<CChar>) -> codec_status
) throws(FileError) {
  var message = [CChar](repeating: 0, count: Int(CODEC_MESSAGE_CAPACITY))
  let status = call(&message)
  guard status != codec_ok else { return }
  throw decodingError(status, path: path, kind: kind, page: page, text: text(of: message))
}

/// The error for a file of more than the limits.
func tooLargeError(path: String, found: String) -> FileError {
  let mebibytes = ImageFile.maximumDecodedByteCount >> 20
  return FileError(
    path: path,
    expected: "sides of at most \(ImageFile.maximumSide) pixels, at most \(mebibytes) MiB"
      + " decoded and \(ImageFile.maximumPageCount) pages",
    found: found,
    hint: "cut it into smaller images, or save it as a tiled TIFF, which is read by parts")
}

/// The error for a file that is cut or corrupt.
func damageError(path: String, kind: ImageKind, found: String) -> FileError {
  FileError(
    path: path, expected: "a complete \(kind.rawValue) file",
    found: "truncated or damaged data: \(found)",
    hint: "copy it again from its source, or leave it out")
}

/// The error for a page that a file has not.
func pageError(path: String, page: Int, found: String) -> FileError {
  FileError(
    path: path, expected: "a page \(page) (counted from 0)", found: found,
    hint: "check which pages the file has")
}

/// The error for a file of a sort that is not read.
func unsupportedError(path: String, kind: ImageKind, found: String) -> FileError {
  FileError(
    path: path, expected: kind.supported, found: found, hint: "convert it to one of these")
}

private func decodingError(
  _ status: codec_status, path: String, kind: ImageKind, page: Int?, text: String
) -> FileError {
  let place = page.map { $0 > 0 ? " (page \($0), counted from 0)" : "" } ?? ""
  return switch status {
  case codec_unsupported: unsupportedError(path: path, kind: kind, found: text + place)
  case codec_too_large: tooLargeError(path: path, found: text + place)
  case codec_no_such_page: pageError(path: path, page: page ?? 0, found: text)
  case codec_out_of_memory:
    FileError(
      path: path, expected: "memory to decode it", found: text + place,
      hint: "free some memory, or cut it into smaller images")
  case codec_system_error:
    FileError(
      path: path, expected: "a readable \(kind.rawValue) file", found: "a read error: \(text)",
      hint: "check the file system")
  default: damageError(path: path, kind: kind, found: text + place)
  }
}

/// The text before a C buffer's terminating zero.
func text(of buffer: [CChar]) -> String {
  String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
