// Gzipped volumes, unpacked once for all of their slices.

import CImageCodecs
import Files
import Synchronization

/// The gzipped NIfTI volumes that were read last, as temporary files.
///
/// What is gzipped can only be read from its beginning, so that the slices of a volume, one by one, would take
/// the square of their number.
enum UnpackedVolumes {
  private struct Volume: Sendable {
    let identity: FileIdentity
    /// Nil where it is not unpacked.
    let file: ScratchFile?
  }

  /// The last ones used come last.
  private static let known = Mutex<[Volume]>([])
  /// Channels and masks of a volume are read in turn with it.
  private static let mostVolumes = 8
  /// Bytes of a volume beyond which each slice is unpacked by itself: room for temporary files may be memory.
  private static let byteLimit = 1 << 30

  /// The unpacked form of an open volume; nil where it is not gzipped, has one slice only, or there is no room.
  ///
  /// Other threads wait while one of them unpacks.
  ///
  /// - Throws: `FileError` for a damaged volume.
  static func file(of file: borrowing InputFile) throws(FileError) -> InputFile? {
    guard try file.signature(2) == [0x1F, 0x8B], let identity = FileIdentity(file.descriptor) else {
      return nil
    }
    let (path, descriptor) = (file.path, file.descriptor)
    return try known.withLock { known throws(FileError) in
      if let place = known.firstIndex(where: { $0.identity == identity }) {
        known.append(known.remove(at: place))
      } else {
        guard let target = try? ScratchFile() else { return nil }
        var isWhole = false
        try checked(path: path, kind: .nifti, page: nil) { message in
          codec_nifti_unpack(
            descriptor, target.descriptor, UInt64(Self.byteLimit), &isWhole, message)
        }
        known.append(Volume(identity: identity, file: isWhole ? target : nil))
        if known.count > Self.mostVolumes { known.removeFirst() }
      }
      guard let file = known.last?.file else { return nil }
      return try? file.reopened()
    }
  }

  /// Lets go of all of them.
  static func release() { known.withLock { $0.removeAll() } }
}
