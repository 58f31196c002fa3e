// What is known of a decoded sample beside its pixels.

import Files
import Imaging

/// How a set is decoded: the options that decide what is kept of its samples.
package struct DecodedForm: Sendable {
  /// How intensities become inputs.
  package let normalization: IntensityNormalization
  /// Whether pixels between numbered objects that touch are labelled as the first class.
  package let instanceBorders: Bool

  package init(
    normalization: IntensityNormalization = IntensityNormalization(), instanceBorders: Bool = false
  ) {
    self.normalization = normalization
    self.instanceBorders = instanceBorders
  }

  /// The rule by which a sample is fitted by itself.
  ///
  /// What a set is normalised by follows from the sums of all its samples, whichever are trained on.
  var ownNormalization: IntensityNormalization {
    normalization.rule == .set
      ? IntensityNormalization(rule: .unchanged, missingValue: normalization.missingValue)
      : normalization
  }
}

/// What is known of a decoded sample, and where its pixels lie.
struct DecodedSample: Codable, Sendable {
  /// Where bytes lie in the files of a decoded set.
  struct Place: Codable, Sendable {
    var part = 0
    var offset = 0
  }

  /// Columns.
  let width: Int
  /// Rows.
  let height: Int
  /// Samples a pixel, as stored.
  let channels: Int
  let type: SampleType
  let bitsPerSample: Int
  /// Which samples are no measurement, as files say.
  let missing: MissingSamples
  let isGreyInColour: Bool
  let hasLostAlpha: Bool
  let hasLostMaskAlpha: Bool
  /// That of its first bytes, where it is kept.
  var digest: UInt64?
  /// How its intensities become inputs, by themselves.
  let transform: IntensityTransform
  /// The sums of its channels, for statistics of the set.
  let sums: [IntensityFit.Sums]
  let codes: MaskCodes
  let summary: MaskSummary
  /// The pixels that several of its objects have, where each has a file of its own.
  let overlapCount: Int
  /// Where its samples lie, height x width x channels.
  var pixels = Place()
  /// Where the codes of its mask lie, height x width.
  var mask = Place()

  var pixelCount: Int { width * height }
  var pixelByteCount: Int { pixelCount * channels * type.byteCount }
  var maskByteCount: Int { pixelCount * codes.byteCount }

  /// Whether this can be what a file says: it was found in a file that anybody may have changed.
  var isPlausible: Bool {
    let bits = type.byteCount * 8
    guard (1...1 << 31).contains(width), (1...1 << 31).contains(height),
      (1...ImageFile.maximumChannelCount).contains(channels), (1...bits).contains(bitsPerSample),
      missing.isPlausible(channels: channels), transform.channels.count == channels,
      sums.count == channels, overlapCount >= 0
    else { return false }
    // The sizes are in range, so that the products of two are.
    let (count, overflows) = pixelCount.multipliedReportingOverflow(by: channels * type.byteCount)
    return !overflows && count < 1 << 60
  }

  /// The channels that the image may have.
  var possibleChannels: ImageChannels {
    ImageChannels(stored: channels, isGreyInColour: isGreyInColour)
  }
}
