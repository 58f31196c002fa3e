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
  /// The value of samples that are no measurement, where the file names one.
  let missingValue: Double?
  let isGreyInColour: Bool
  let hasLostAlpha: Bool
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
      transform.channels.count == channels, sums.count == channels, overlapCount >= 0
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

extension SampleSource {
  /// Decodes the sample.
  ///
  /// - Returns: what is known of it, its image, and the code of each pixel of its mask.
  /// - Throws: `FileError` for files that cannot be decoded or do not fit together, and for samples that
  ///   are not finite.
  /// - Precondition: it has a mask.
  func decoded(
    as form: DecodedForm
  ) throws(FileError) -> (sample: DecodedSample, image: Image, codes: Image.Samples) {
    guard let mask else { preconditionFailure("a sample without a mask is decoded for learning") }
    try refuseOwnFile(mask)
    let image = try image.read()
    let (width, height) = (image.width, image.height)
    let (maskImage, overlapCount) = try mask.read()
    guard maskImage.width == width && maskImage.height == height else {
      throw FileError(
        .sizesDiffer, path: mask.first.description,
        expected: "\(width)x\(height), as \(self.image.first.path)",
        found: "\(maskImage.width)x\(maskImage.height)", hint: "a mask has the size of its image")
    }
    let values = try MaskValue.packedValues(of: maskImage, path: mask.first.path)
    let numbers = try numbers(of: mask, form, width: width, height: height)
    let normalization = form.ownNormalization
    let (codes, pixels) = MaskCodes.coded(
      values, borders: numbers.map { borderPixels($0, width: width, height: height) },
      missing: image.missingPixels(normalization.missingValue))
    let fit = try normalization.fit(of: image, path: self.image.first.path)
    let sample = DecodedSample(
      width: width, height: height, channels: image.channels, type: image.samples.type,
      bitsPerSample: image.bitsPerSample, missingValue: image.missingValue,
      isGreyInColour: ImageChannels(image).isGreyInColour, hasLostAlpha: image.hasLostAlpha,
      transform: fit.transform, sums: fit.sums, codes: codes,
      summary: MaskSummary(values, width: width, height: height), overlapCount: overlapCount)
    return (sample, image, pixels)
  }

  /// The numbers of the sample's objects where borders between them are drawn.
  ///
  /// They are read in any case: what is wrong with them is to be said before a run needs them.
  private func numbers(
    of mask: MaskSource, _ form: DecodedForm, width: Int, height: Int
  ) throws(FileError) -> [Int32]? {
    if case .objects = mask, !form.instanceBorders { return nil }
    let numbers = try instances?.numbers(width: width, height: height)
    return form.instanceBorders ? numbers : nil
  }

  /// Refuses an image that would be its own mask.
  private func refuseOwnFile(_ mask: MaskSource) throws(FileError) {
    for file in mask.paths where image.channels.contains(where: { Paths.areSame($0.path, file) }) {
      throw FileError(
        .mixedSources, path: file, expected: "a mask for \(name)", found: "the image itself",
        hint: "where masks lie beside their images, give --data FOLDER")
    }
  }
}
