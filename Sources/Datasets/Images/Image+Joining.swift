// Images of one size joined into one of all their channels.

import Imaging

extension Image {
  /// The channels of `images`, one behind the other.
  ///
  /// Samples keep their type where all images have the same, and else are fractions of their types' full
  /// ranges.
  ///
  /// - Precondition: there is an image, and all have one size.
  init(joining images: [Image]) {
    let (width, height) = (images[0].width, images[0].height)
    precondition(
      images.allSatisfy { $0.width == width && $0.height == height }, "images of several sizes")
    let bits = images[0].bitsPerSample
    let bytes = images.compactMap {
      if case .uint8(let values) = $0.samples { values } else { nil }
    }
    let words = images.compactMap {
      if case .uint16(let values) = $0.samples { values } else { nil }
    }
    let areAlike = images.allSatisfy { $0.bitsPerSample == bits }
    let channels = images.map(\.channels)
    let samples: Samples =
      if areAlike && bytes.count == images.count {
        .uint8(interleaved(bytes, channels, pixels: width * height))
      } else if areAlike && words.count == images.count {
        .uint16(interleaved(words, channels, pixels: width * height))
      } else {
        .float32(interleaved(images.map { $0.intensities() }, channels, pixels: width * height))
      }
    var depth = bits
    if case .float32 = samples { depth = 32 }
    self.init(
      width: width, height: height, channels: channels.reduce(0, +), bitsPerSample: depth,
      samples: samples)
  }
}

private func interleaved<Sample>(
  _ parts: [[Sample]], _ channels: [Int], pixels: Int
) -> [Sample] {
  var result: [Sample] = []
  result.reserveCapacity(pixels * channels.reduce(0, +))
  for pixel in 0..<pixels {
    for (part, count) in zip(parts, channels) {
      result += part[pixel * count..<(pixel + 1) * count]
    }
  }
  return result
}
