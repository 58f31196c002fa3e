// Which channels an image may have: grey and colour side by side in one set.

package import Imaging

/// The channels of a stored image, and those that it can have without loss.
///
/// A grey image is the same with its channel three times, and an RGB image of nothing but grey is the
/// same with one of them. Nothing else can have other channels than it has.
package struct ImageChannels: Sendable, Equatable {
  /// The stored channels.
  package let stored: Int
  /// Whether all pixels of an image of three channels are grey.
  let isGreyInColour: Bool

  init(stored: Int, isGreyInColour: Bool) {
    self.stored = stored
    self.isGreyInColour = isGreyInColour
  }

  /// The channels of an image.
  package init(_ image: Image) {
    stored = image.channels
    isGreyInColour = image.isGreyInColour
  }

  /// Whether the image can have so many channels.
  package func canBe(_ channels: Int) -> Bool {
    channels == stored || (stored == 1 && channels == 3) || (channels == 1 && isGreyInColour)
  }

  /// The stored channel that is taken for each of `channels`.
  ///
  /// - Precondition: it can have so many.
  func sources(of channels: Int) -> [Int] {
    precondition(canBe(channels), "\(channels) of \(stored) channels")
    return channels == stored ? Array(0..<stored) : [Int](repeating: 0, count: channels)
  }

  /// Whether both images can be in one set.
  func goes(with other: ImageChannels) -> Bool { canBe(other.stored) || other.canBe(stored) }

  /// The channels that all images of a set have, and a line on what becomes of some for that.
  ///
  /// Grey where all can be, if one of them is stored so; else as many as the most have.
  ///
  /// - Precondition: all go with the first.
  static func reconciled(_ all: [ImageChannels]) -> (channels: Int, remark: String?) {
    let stored = Set(all.map(\.stored))
    guard stored.count > 1 else { return (stored.first ?? 1, nil) }
    let greyCount = all.count { $0.stored == 1 }
    if all.allSatisfy({ $0.canBe(1) }) {
      return (
        1,
        "\(all.count - greyCount) of the \(all.count) images are grey in three equal channels, and are "
          + "used as grey ones like the others"
      )
    }
    return (
      3,
      "\(greyCount) of the \(all.count) images are grey, the others RGB: their channel is used three times"
    )
  }
}

extension Image {
  /// The image in `channels`, or nil where it cannot have them (``ImageChannels``).
  package func adapted(to channels: Int) -> Image? {
    guard channels != self.channels else { return self }
    guard ImageChannels(self).canBe(channels) else { return nil }
    return channels == 1 ? firstChannel : greyAsColour
  }
}
