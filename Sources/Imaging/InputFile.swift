// An open image file: opened without blocking, checked to be a regular file, closed at its end.

import CImageCodecs
import Glibc

/// What a file holds, by its first bytes.
enum ImageKind: String {
  case png = "PNG"
  case tiff = "TIFF"
  case jpeg = "JPEG"

  /// The kind whose signature `bytes` begin with.
  init?(signature bytes: [UInt8]) {
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self = .png
    } else if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      self = .jpeg
    } else if Self.tiffSignatures.contains(where: { bytes.starts(with: $0) }) {
      self = .tiff
    } else {
      return nil
    }
  }

  /// Little-endian and big-endian, 42 for the classic format and 43 for BigTIFF.
  private static let tiffSignatures: [[UInt8]] = [
    [0x49, 0x49, 42, 0], [0x4D, 0x4D, 0, 42], [0x49, 0x49, 43, 0], [0x4D, 0x4D, 0, 43],
  ]
}

/// A regular file open for reading, with its kind.
struct InputFile: ~Copyable {
  let path: String
  let descriptor: CInt
  let kind: ImageKind

  init(path: String) throws(ImagingError) {
    // A path with a zero byte would name another file to the operating system.
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ImagingError(
        path: path, expected: "the path of an image file", found: "an empty or broken path",
        hint: "name a PNG, TIFF or JPEG file")
    }
    // Without O_NONBLOCK, opening a FIFO would wait for its writer.
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw ImagingError(
        path: path, expected: "a readable image file", found: systemErrorText(errno),
        hint: "check the path and its permissions")
    }
    do throws(ImagingError) {
      let kind = try Self.kind(of: descriptor, path: path)
      self.path = path
      self.descriptor = descriptor
      self.kind = kind
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit {
    close(descriptor)
  }

  private static func kind(
    of descriptor: CInt, path: String
  ) throws(ImagingError) -> ImageKind {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw ImagingError(
        path: path, expected: "a readable image file", found: systemErrorText(errno),
        hint: "check the file system")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw ImagingError(
        path: path, expected: "a regular file", found: fileTypeName(status.st_mode),
        hint: "name a PNG, TIFF or JPEG file")
    }
    var bytes = [UInt8](repeating: 0, count: 8)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    guard count >= 0 else {
      throw ImagingError(
        path: path, expected: "a readable image file", found: systemErrorText(errno),
        hint: "check the file system")
    }
    bytes.removeSubrange(count...)
    guard let kind = ImageKind(signature: bytes) else {
      throw ImagingError(
        path: path, expected: "a PNG, TIFF or JPEG file",
        found: bytes.isEmpty ? "an empty file" : "a file that begins with \(hexadecimal(bytes))",
        hint: "convert it to PNG or TIFF, or leave it out")
    }
    return kind
  }
}

/// The operating system's words for an error number.
func systemErrorText(_ code: CInt) -> String {
  var buffer = [CChar](repeating: 0, count: 128)
  // The variant that fills the buffer: `strerror` is not safe on several threads.
  guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
  return text(of: buffer)
}

/// The text before a C buffer's terminating zero.
func text(of buffer: [CChar]) -> String {
  String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

private func fileTypeName(_ mode: mode_t) -> String {
  switch mode & S_IFMT {
  case S_IFDIR: "a directory"
  case S_IFIFO: "a FIFO"
  case S_IFSOCK: "a socket"
  case S_IFCHR, S_IFBLK: "a device"
  default: "something else"
  }
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
  bytes.map { byte in
    let digits = String(byte, radix: 16, uppercase: true)
    return digits.count < 2 ? "0" + digits : digits
  }.joined(separator: " ")
}
