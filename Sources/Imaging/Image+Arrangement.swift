// Images turned upright, and with their channels joined, repeated or taken apart.

extension Image {
  /// The image turned as its file says, by the numbers of Exif and of TIFF's tag 274.
  ///
  /// 1 is upright; 2, 3 and 4 are mirrored across, turned by 180 degrees and mirrored down; 5...8 have
  /// their first row at the side, so that width and height change places.
  func upright(from orientation: Int) -> Image {
    guard (2...8).contains(orientation) else { return self }
    let isTurned = orientation >= 5
    let (newWidth, newHeight) = isTurned ? (height, width) : (width, height)
    // Where the first stored row and column are not at the left or the top, they count from behind.
    let (isRowReversed, isColumnReversed) = (
      [3, 4, 6, 7].contains(orientation), [2, 3, 7, 8].contains(orientation)
    )
    func place(_ index: Int) -> Int {
      let (pixel, channel) = index.quotientAndRemainder(dividingBy: channels)
      let (y, x) = pixel.quotientAndRemainder(dividingBy: newWidth)
      let row = isTurned ? x : y
      let column = isTurned ? y : x
      let storedRow = isRowReversed ? height - 1 - row : row
      let storedColumn = isColumnReversed ? width - 1 - column : column
      return (storedRow * width + storedColumn) * channels + channel
    }
    return rearranged(
      width: newWidth, height: newHeight, channels: channels,
      samples.gathered(count: samples.count, from: place))
  }

  /// The image whose channels are those of all `images`, in their order, or nil where these differ in
  /// size or in the type of their samples.
  package static func joined(_ images: [Image]) -> Image? {
    guard let first = images.first, images.count > 1 else { return images.first }
    var all = first.samples
    // Of each channel of the result: where its image begins, its channels, and which of them it is.
    var places: [(start: Int, channels: Int, channel: Int)] = []
    var total = 0
    for (number, image) in images.enumerated() {
      guard image.width == first.width, image.height == first.height,
        image.bitsPerSample == first.bitsPerSample
      else { return nil }
      for channel in 0..<image.channels { places.append((total, image.channels, channel)) }
      total += image.samples.count
      guard number > 0 else { continue }
      guard let longer = all.appending(image.samples) else { return nil }
      all = longer
    }
    func place(_ index: Int) -> Int {
      let (pixel, channel) = index.quotientAndRemainder(dividingBy: places.count)
      let place = places[channel]
      return place.start + pixel * place.channels + place.channel
    }
    var result = first.rearranged(
      width: first.width, height: first.height, channels: places.count,
      all.gathered(count: total, from: place))
    result.hasLostAlpha = images.contains { $0.hasLostAlpha }
    result.missing = MissingSamples.joined(images.map(\.missing)) ?? result.missing
    return result
  }

  /// Rows of the image, as an image of their own.
  ///
  /// - Precondition: they are some, and of the image.
  package func rows(_ rows: Range<Int>) -> Image {
    guard rows != 0..<height else { return self }
    let start = rows.lowerBound * width * channels
    let count = rows.count * width * channels
    func part<Sample>(_ values: [Sample]) -> [Sample] { Array(values[start..<start + count]) }
    let samples: Samples =
      switch samples {
      case .uint8(let values): .uint8(part(values))
      case .uint16(let values): .uint16(part(values))
      case .uint32(let values): .uint32(part(values))
      case .int8(let values): .int8(part(values))
      case .int16(let values): .int16(part(values))
      case .int32(let values): .int32(part(values))
      case .float32(let values): .float32(part(values))
      }
    return rearranged(width: width, height: rows.count, channels: channels, samples)
  }

  /// True for an image of three channels that are equal in every pixel.
  package var isGreyInColour: Bool {
    func isGrey<Sample: Equatable>(_ values: [Sample]) -> Bool {
      for start in stride(from: 0, to: values.count, by: 3) {
        let red = values[start]
        guard values[start + 1] == red, values[start + 2] == red else { return false }
      }
      return true
    }
    guard channels == 3 else { return false }
    return switch samples {
    case .uint8(let values): isGrey(values)
    case .uint16(let values): isGrey(values)
    case .uint32(let values): isGrey(values)
    case .int8(let values): isGrey(values)
    case .int16(let values): isGrey(values)
    case .int32(let values): isGrey(values)
    case .float32(let values): isGrey(values)
    }
  }

  /// The first of all channels alone.
  package var firstChannel: Image {
    var image = rearranged(
      width: width, height: height, channels: 1,
      samples.gathered(count: width * height) { $0 * channels })
    image.missing = missing.repeatingFirst(1)
    return image
  }

  /// A grey image with its channel three times.
  ///
  /// - Precondition: it has one channel.
  package var greyAsColour: Image {
    precondition(channels == 1, "\(channels) channels are no grey image")
    var image = rearranged(
      width: width, height: height, channels: 3,
      samples.gathered(count: 3 * width * height) { $0 / 3 })
    image.missing = missing.repeatingFirst(3)
    return image
  }

  /// The image of these rows and columns, each as often as it is named.
  ///
  /// - Precondition: they are the image's, and there is one of each.
  package func part(rows: [Int], columns: [Int]) -> Image {
    func place(_ index: Int) -> Int {
      let (pixel, channel) = index.quotientAndRemainder(dividingBy: channels)
      let (y, x) = pixel.quotientAndRemainder(dividingBy: columns.count)
      return (rows[y] * width + columns[x]) * channels + channel
    }
    return rearranged(
      width: columns.count, height: rows.count, channels: channels,
      samples.gathered(count: rows.count * columns.count * channels, from: place))
  }

  private func rearranged(
    width: Int, height: Int, channels: Int, _ samples: Samples
  ) -> Image {
    var image = Image(
      width: width, height: height, channels: channels, bitsPerSample: bitsPerSample,
      samples: samples)
    (image.hasLostAlpha, image.missing) = (hasLostAlpha, missing)
    return image
  }
}
