// Predictions as images: class indices for programs, and an overlay for people.

package import Imaging
import Tensors

/// Pictures of a segmentation.
package enum SegmentationPictures {
  /// The class index of each pixel as an 8-bit grey image.
  package static func labels(_ labels: [UInt8], width: Int, height: Int) -> Image {
    Image(width: width, height: height, channels: 1, bitsPerSample: 8, samples: .uint8(labels))
  }

  /// The image with its classes in colour, and their borders drawn in full colour.
  ///
  /// `intensities` are those of the image, NaN where there is none, which is shown black; class 0 and what is ignored keep the image's own grey.
  /// Intensities
  /// are stretched between the image's darkest and brightest value, because microscopes seldom fill
  /// the range of their files.
  package static func overlay(
    intensities: [Float], channels: Int, labels: [UInt8], width: Int, height: Int
  ) -> Image {
    let known = intensities.filter(\.isFinite)
    let darkest = known.min() ?? 0
    let range = max((known.max() ?? 1) - darkest, .leastNormalMagnitude)
    var samples = [UInt8](repeating: 0, count: width * height * 3)
    for y in 0..<height {
      for x in 0..<width {
        let pixel = y * width + x
        func shown(_ pixel: Int) -> UInt8 { labels[pixel] == ignoredLabel ? 0 : labels[pixel] }
        let label = shown(pixel)
        let isBorder =
          (x + 1 < width && shown(pixel + 1) != label)
          || (y + 1 < height && shown(pixel + width) != label)
        let share: Float = isBorder ? 1 : label == 0 ? 0 : 0.35
        let borderLabel =
          label != 0
          ? label
          : max(
            x + 1 < width ? shown(pixel + 1) : 0, y + 1 < height ? shown(pixel + width) : 0)
        let tint = colour(borderLabel)
        for channel in 0..<3 {
          let intensity = intensities[pixel * channels + min(channel, channels - 1)]
          let value = intensity.isFinite ? (intensity - darkest) / range : 0
          let mixed = value * (1 - share) + tint[channel] * share
          samples[pixel * 3 + channel] = UInt8(max(0, min(255, (mixed * 255).rounded())))
        }
      }
    }
    return Image(
      width: width, height: height, channels: 3, bitsPerSample: 8, samples: .uint8(samples))
  }

  /// A grey image of values in 0...limit.
  package static func grey(_ values: [Float], limit: Float, width: Int, height: Int) -> Image {
    Image(
      width: width, height: height, channels: 1, bitsPerSample: 8,
      samples: .uint8(values.map { UInt8(max(0, min(255, ($0 / limit * 255).rounded()))) }))
  }

  /// Where a prediction is right and where not.
  ///
  /// Right pixels are dark, lighter for classes other than the first; orange is a pixel of the first class that
  /// was taken for another one, blue any other pixel that was taken for another class; what is ignored is black.
  package static func differences(
    truth: [UInt8], prediction: [UInt8], width: Int, height: Int
  ) -> Image {
    var samples: [UInt8] = []
    samples.reserveCapacity(3 * truth.count)
    for (truth, prediction) in zip(truth, prediction) {
      let colour: [UInt8] =
        if truth == ignoredLabel {
          [0, 0, 0]
        } else if truth == prediction {
          truth == 0 ? [40, 44, 47] : [96, 102, 106]
        } else {
          truth == 0 ? [230, 134, 20] : [86, 180, 233]
        }
      samples += colour
    }
    return Image(
      width: width, height: height, channels: 3, bitsPerSample: 8, samples: .uint8(samples))
  }

  /// The colour of a class in an overlay, for legends; the first one keeps the image's own grey there.
  package static func classColour(_ label: UInt8) -> (red: Int, green: Int, blue: Int) {
    let parts = colour(label) * 255
    return (Int(parts[0].rounded()), Int(parts[1].rounded()), Int(parts[2].rounded()))
  }

  /// The colour of a class: the palette of Okabe and Ito (2008), told apart by colour-blind readers.
  private static func colour(_ label: UInt8) -> SIMD3<Float> {
    let palette: [SIMD3<Float>] = [
      SIMD3(0.90, 0.62, 0.00), SIMD3(0.34, 0.71, 0.91), SIMD3(0.00, 0.62, 0.45),
      SIMD3(0.94, 0.89, 0.26), SIMD3(0.00, 0.45, 0.70), SIMD3(0.84, 0.37, 0.00),
      SIMD3(0.80, 0.47, 0.65),
    ]
    return palette[(Int(label) + palette.count - 1) % palette.count]
  }
}
