// The kinds of image files, told by their first bytes.

import Files

/// The kind of an image file, by its first bytes.
enum ImageKind: String {
  case png = "PNG"
  case tiff = "TIFF"
  case jpeg = "JPEG"
  case jpeg2000 = "JPEG 2000"
  case bitmap = "BMP"
  case nifti = "NIfTI"
  case numPy = "NumPy"

  /// The extensions of all kinds; Zeiss's `.lsm`, MetaMorph's `.stk` and Aperio's `.svs` are TIFF files.
  static let extensions = [
    ".png", ".tif", ".tiff", ".btf", ".lsm", ".stk", ".svs", ".jpg", ".jpeg", ".jp2", ".j2k",
    ".bmp", ".nii", ".nii.gz", ".npy",
  ]

  /// How files of each kind begin.
  private static let signatures: [(ImageKind, [UInt8])] = [
    (.png, [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]),
    (.jpeg, [0xFF, 0xD8, 0xFF]),
    // Little-endian and big-endian, 42 for the classic format and 43 for BigTIFF.
    (.tiff, [0x49, 0x49, 42, 0]), (.tiff, [0x4D, 0x4D, 0, 42]),
    (.tiff, [0x49, 0x49, 43, 0]), (.tiff, [0x4D, 0x4D, 0, 43]),
    (.jpeg2000, [0, 0, 0, 12, 0x6A, 0x50, 0x20, 0x20]), (.jpeg2000, [0xFF, 0x4F, 0xFF, 0x51]),
    (.bitmap, Array("BM".utf8)),
    (.numPy, [0x93] + Array("NUMPY".utf8)),
    // The sizes of the headers of versions 1 and 2, in both byte orders, and of what gzip packs.
    (.nifti, [0x5C, 1, 0, 0]), (.nifti, [0, 0, 1, 0x5C]), (.nifti, [0x1C, 2, 0, 0]),
    (.nifti, [0, 0, 2, 0x1C]), (.nifti, [0x1F, 0x8B]),
  ]

  /// The kind whose signature `bytes` begin with.
  init?(signature bytes: [UInt8]) {
    guard let kind = Self.signatures.first(where: { bytes.starts(with: $0.1) })?.0 else {
      return nil
    }
    self = kind
  }

  /// The kind of an open file.
  init(of file: borrowing InputFile) throws(FileError) {
    let bytes = try file.signature(8)
    guard let kind = ImageKind(signature: bytes) else {
      throw FileError(
        path: file.path, expected: "a \(ImageFile.kinds) file",
        found: bytes.isEmpty ? "an empty file" : "a file that begins with \(Self.text(of: bytes))",
        hint: "convert it to PNG or TIFF, or leave it out")
    }
    self = kind
  }

  /// What is read of this kind, for messages.
  var supported: String {
    switch self {
    case .png: "grey, RGB or palette"
    case .jpeg: "grey, YCbCr or RGB of 8 bits"
    case .jpeg2000: "grey, RGB or other components of one size and depth, of up to 31 bits"
    case .bitmap: "an uncompressed bitmap of 1, 4, 8, 24 or 32 bits a pixel"
    case .nifti: "a volume in one file (n+1 or n+2) of integers, floating point or RGB"
    case .numPy:
      "an array of 2 to 4 axes of booleans, integers or floating point, saved without pickling"
    case .tiff:
      "grey, RGB, palette or other channels, of 1 to 16, 32 or 64-bit integers or 16, 32 or 64-bit"
        + " floating samples, compressed by none, LZW, Deflate, PackBits, JPEG, Zstandard, LZMA,"
        + " WebP, LERC or CCITT"
    }
  }

  private static func text(of bytes: [UInt8]) -> String {
    bytes.map { [$0].hexadecimal.uppercased() }.joined(separator: " ")
  }
}
