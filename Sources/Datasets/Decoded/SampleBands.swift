// A sample that is decoded by bands of rows: its image, what its mask holds, and what is found out of them.

import Files
import Imaging

/// The files of a sample, opened: bands of rows of its image, its mask and its numbered objects.
///
/// Small ones are one band. What is found does not depend on the bands. One thread at a time.
struct SampleBands {
  private let source: SampleSource
  private let form: DecodedForm
  private let image: BandedImage
  private let mask: MaskBands
  /// Where objects are numbered, of files that are to be looked at.
  private let objects: ObjectBands?
  private let bands: [Range<Int>]

  /// Columns.
  private var width: Int { image.width }
  /// Rows.
  private var height: Int { image.height }

  /// Whether the sample is gone through by several bands.
  var isLarge: Bool { bands.count > 1 }

  /// Opens the files of a sample; those that are small or cannot be read by parts are decoded.
  ///
  /// - Parameter wholeByteLimit: bytes of samples beyond which an image is gone through by bands.
  /// - Throws: `FileError` for files that cannot be decoded or do not fit together.
  /// - Precondition: the sample has a mask.
  init(
    _ source: SampleSource, _ form: DecodedForm, wholeByteLimit: Int
  ) throws(FileError) {
    guard let mask = source.mask else {
      preconditionFailure("a sample without a mask is decoded for learning")
    }
    try Self.refuseOwnFile(of: source, mask)
    self.source = source
    self.form = form
    image = try BandedImage(
      source.image, as: .image, wholeByteLimit: wholeByteLimit,
      missingValue: form.ownNormalization.missingValue)
    self.mask = try MaskBands(mask, wholeByteLimit: wholeByteLimit)
    guard self.mask.width == image.width && self.mask.height == image.height else {
      throw FileError(
        .sizesDiffer, path: mask.first.description,
        expected: "\(image.width)x\(image.height), as \(source.image.first.path)",
        found: "\(self.mask.width)x\(self.mask.height)", hint: "a mask has the size of its image")
    }
    // They are looked at in any case: what is wrong with them is to be said before a run needs them.
    var isMaskOfObjects = false
    if case .objects = mask { isMaskOfObjects = true }
    if let instances = source.instances, form.instanceBorders || !isMaskOfObjects {
      let objects = try ObjectBands(instances, wholeByteLimit: wholeByteLimit)
      try objects.check(width: image.width, height: image.height)
      self.objects = objects
    } else {
      objects = nil
    }
    bands =
      image.byteCount > wholeByteLimit
      ? image.bands(of: min(wholeByteLimit, BandedImage.bandByteCount)) : [0..<image.height]
  }

  /// Refuses an image that would be its own mask.
  private static func refuseOwnFile(
    of source: SampleSource, _ mask: MaskSource
  ) throws(FileError) {
    for file in mask.paths
    where source.image.channels.contains(where: { Paths.areSame($0.path, file) }) {
      throw FileError(
        .mixedSources, path: file, expected: "a mask for \(source.name)", found: "the image itself",
        hint: "where masks lie beside their images, give --data FOLDER")
    }
  }

  /// What is known of the sample, with its image and the code of each pixel of its mask.
  ///
  /// - Throws: `FileError` for files that cannot be decoded, and for samples that are not finite.
  /// - Precondition: it is not large.
  func decoded() throws(FileError) -> (sample: DecodedSample, image: Image, codes: Image.Samples) {
    precondition(!isLarge, "\(source.name) is large")
    var pixels: (image: Image, codes: [UInt16])?
    let sample = try scanned { image, codes in
      pixels = (image, codes)
    } progress: { _ in
    }
    guard let pixels else { preconditionFailure("an image without a band") }
    return (sample, pixels.image, sample.codes.kept(pixels.codes))
  }

  /// Goes through the sample, writes its pixels to `writer`, and returns what is known of it; `progress` is
  /// told the part of the work that is done.
  ///
  /// - Throws: `FileError` as `decoded()`, and where the pixels cannot be written.
  func write(
    to writer: inout DecodedSet.PartWriter, progress: (Double) -> Void
  ) throws(FileError) -> DecodedSample {
    let start = try writer.start()
    // The codes take about as long as a pass.
    let passCount = try emptyFit(channels: 1).passCount
    let scanning = Double(passCount) / Double(passCount + 1)
    var sample = try scanned { image, _ throws(FileError) in
      try writer.append(image.samples)
    } progress: {
      progress(scanning * $0)
    }
    sample.pixels = start
    sample.mask = try writer.start()
    guard sample.codes.byteCount > 0 else { return sample }
    // How many bytes a code takes is known only now.
    var encoder = MaskEncoder()
    for rows in bands {
      let band = try band(rows)
      let codes = encoder.add(
        band.mask.values, noData: band.mask.noData, borders: band.borders, missing: band.missing)
      try writer.append(sample.codes.kept(codes))
      progress(scanning + (1 - scanning) * Double(rows.upperBound) / Double(height))
    }
    return sample
  }

  // MARK: - Bands

  private struct Band {
    let image: Image
    let mask: MaskBands.Band
    /// The pixels between objects that touch, where they are drawn.
    let borders: [Bool]?
    /// The pixels that hold no measurement, where there are some.
    let missing: [Bool]?
  }

  private func band(_ rows: Range<Int>) throws(FileError) -> Band {
    let image = try image.rows(rows)
    return Band(
      image: image, mask: try mask.band(rows),
      borders: form.instanceBorders ? try objects?.borders(rows) : nil,
      missing: image.missingPixels(form.ownNormalization.missingValue))
  }

  /// Goes through the sample as often as it takes; `take` gets each band of the image once, with the
  /// codes of its pixels.
  private func scanned(
    take: (Image, [UInt16]) throws(FileError) -> Void, progress: (Double) -> Void
  ) throws(FileError) -> DecodedSample {
    var count = MaskSummary.Count(width: width, height: height)
    var fit: IntensityFit?
    var (first, isGreyInColour, hasLostMaskAlpha) = (Image?.none, true, false)
    var (pass, passCount) = (0, 1)
    func tell(_ rows: Range<Int>) {
      progress((Double(pass) + Double(rows.upperBound) / Double(height)) / Double(passCount))
    }
    for rows in bands {
      let band = try band(rows)
      let codes = count.add(
        band.mask.values, noData: band.mask.noData, borders: band.borders, missing: band.missing)
      hasLostMaskAlpha = band.mask.hasLostAlpha
      if objects != nil, !form.instanceBorders { _ = try objects?.numbers(rows) }
      isGreyInColour = isGreyInColour && ImageChannels(band.image).isGreyInColour
      if fit == nil { fit = try emptyFit(channels: band.image.channels) }
      try fit?.add(band.image)
      passCount = fit?.passCount ?? 1
      try take(band.image, codes)
      first = first ?? band.image
      tell(rows)
    }
    guard let first, var fit else { preconditionFailure("an image without a band") }
    fit.endPass()
    while fit.needsPass {
      pass += 1
      for rows in bands {
        try fit.add(isLarge ? try image.rows(rows) : first)
        tell(rows)
      }
      fit.endPass()
    }
    return DecodedSample(
      width: width, height: height, channels: first.channels, type: first.samples.type,
      bitsPerSample: first.bitsPerSample, missing: first.missing,
      isGreyInColour: isGreyInColour, hasLostAlpha: first.hasLostAlpha,
      hasLostMaskAlpha: hasLostMaskAlpha, transform: fit.transform,
      sums: fit.sums, codes: count.codes, summary: MaskSummary(count),
      overlapCount: mask.overlapCount)
  }

  private func emptyFit(channels: Int) throws(FileError) -> IntensityFit {
    try IntensityFit(form.ownNormalization, channels: channels, path: source.image.first.path)
  }
}

/// The mask of a sample, by bands of rows.
private struct MaskBands {
  private enum Content {
    /// A value for each class.
    case values(BandedImage)
    /// Numbered objects: their pixels are of the class 1, all others of the class 0.
    case objects(ObjectBands)
  }

  private let content: Content
  private let path: String

  init(_ source: MaskSource, wholeByteLimit: Int) throws(FileError) {
    path = source.first.path
    switch source {
    case .values(let file):
      content = .values(
        try BandedImage(
          ImageSource(channels: [file]), as: .mask, wholeByteLimit: wholeByteLimit))
    case .objects(let objects):
      content = .objects(try ObjectBands(objects, wholeByteLimit: wholeByteLimit))
    }
  }

  private var image: BandedImage {
    switch content {
    case .values(let image): image
    case .objects(let objects): objects.image
    }
  }

  var width: Int { image.width }
  var height: Int { image.height }

  /// How many pixels several objects have.
  var overlapCount: Int {
    if case .objects(let objects) = content { objects.overlapCount } else { 0 }
  }

  /// Rows of a mask.
  struct Band {
    /// The packed values.
    let values: [Int64]
    /// The one of them that is no data by the file.
    var noData: Int64?
    /// Whether the file has an alpha channel, which is no value.
    var hasLostAlpha = false
  }

  func band(_ rows: Range<Int>) throws(FileError) -> Band {
    switch content {
    case .values(let image):
      let mask = try image.rows(rows)
      return Band(
        values: try MaskValue.packedValues(of: mask, path: path, top: rows.lowerBound),
        noData: MaskValue.noData(of: mask), hasLostAlpha: mask.hasLostAlpha)
    case .objects(let objects):
      let object = MaskValue(grey: 1).packed
      return Band(values: try objects.numbers(rows).map { $0 == 0 ? 0 : object })
    }
  }
}

/// The numbered objects of a sample, by bands of rows.
private struct ObjectBands {
  let image: BandedImage
  /// How many pixels several objects have.
  let overlapCount: Int
  private let path: String

  init(_ source: InstanceSource, wholeByteLimit: Int) throws(FileError) {
    path = source.first.path
    switch source {
    case .numbered(let file):
      image = try BandedImage(
        ImageSource(channels: [file]), as: .mask, wholeByteLimit: wholeByteLimit)
      overlapCount = 0
    case .separate, .nothing:
      let objects = try source.read()
      image = .whole(
        Image(
          width: objects.width, height: objects.height, channels: 1, bitsPerSample: 32,
          samples: .int32(objects.numbers)))
      overlapCount = objects.overlapCount
    }
  }

  /// Refuses objects of another size than their image.
  func check(width: Int, height: Int) throws(FileError) {
    try InstanceSource.check(
      width: image.width, height: image.height, path: path, areOf: (width, height))
  }

  /// The numbers of some rows.
  func numbers(_ rows: Range<Int>) throws(FileError) -> [Int32] {
    try ObjectNumbers(try image.rows(rows), path: path, top: rows.lowerBound).numbers
  }

  /// The pixels of some rows at which objects touch.
  func borders(_ rows: Range<Int>) throws(FileError) -> [Bool] {
    // The rows above and below decide too.
    let seen = max(0, rows.lowerBound - 1)..<min(image.height, rows.upperBound + 1)
    let borders = borderPixels(try numbers(seen), width: image.width, height: seen.count)
    let start = (rows.lowerBound - seen.lowerBound) * image.width
    return Array(borders[start..<start + rows.count * image.width])
  }
}
