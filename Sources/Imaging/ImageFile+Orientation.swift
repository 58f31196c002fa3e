// Whether a file says that its picture lies on its side.

import CImageCodecs
package import Files

extension ImageFile {
  /// Whether the first image of a file is turned by a quarter when it is read, so that its sides change places.
  ///
  /// - Throws: `FileError` for a file that cannot be decoded.
  package static func isTurned(_ path: String) throws(FileError) -> Bool {
    if let image = try WindowedImage(path, page: 0) { return image.orientation >= 5 }
    let file = try InputFile(path)
    let (kind, descriptor) = (try ImageKind(of: file), file.descriptor)
    guard kind == .jpeg || kind == .png else { return false }
    var decoded = codec_image()
    defer { codec_image_free(&decoded) }
    try checked(path: path, kind: kind, page: 0) { message in
      kind == .jpeg
        ? codec_jpeg_read(descriptor, codec_for_image, &decoded, message)
        : codec_png_read(descriptor, codec_for_image, &decoded, message)
    }
    return decoded.orientation >= 5
  }
}
