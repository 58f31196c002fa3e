// The decoded images and labels of a data set.

package import Files
package import Imaging

/// One image ready for a network, with its labels.
package struct DatasetImage: Sendable, Equatable {
  /// The sample's id in its data set.
  package let id: Int
  /// The sample's name.
  package let name: String
  /// Columns.
  package let width: Int
  /// Rows.
  package let height: Int
  /// Channels.
  package let channels: Int
  /// Normalised pixels, height x width x channels.
  package let pixels: [Float]
  /// Class labels, height x width.
  package let labels: [UInt8]
  /// The weights of the pixels in the loss, height x width; nil for 1 everywhere.
  package let weights: [Float]?

  /// An image from its parts.
  ///
  /// - Precondition: the counts fit the size.
  package init(
    id: Int, name: String, width: Int, height: Int, channels: Int, pixels: [Float],
    labels: [UInt8], weights: [Float]? = nil
  ) {
    precondition(weights == nil || weights?.count == labels.count, "weights of other pixels")
    self.weights = weights
    precondition(
      width > 0 && height > 0 && channels > 0 && pixels.count == width * height * channels
        && labels.count == width * height,
      "\(pixels.count) values and \(labels.count) labels for \(width) x \(height) x \(channels)")
    self.id = id
    self.name = name
    self.width = width
    self.height = height
    self.channels = channels
    self.pixels = pixels
    self.labels = labels
  }
}

extension DatasetImage {
  /// The same image with the weights that `map` gives its pixels.
  func weighted(by map: WeightMap) -> DatasetImage {
    DatasetImage(
      id: id, name: name, width: width, height: height, channels: channels, pixels: pixels,
      labels: labels, weights: map.weights(labels: labels, width: width, height: height))
  }
}

/// The images of a data set, decoded and normalised, with their labels.
///
/// Everything is held in memory when it fits a budget; otherwise an image is decoded each time it
/// is asked for. The sizes of the images may differ. Nothing changes after initialisation, so any
/// thread may read at any time.
package struct Dataset: Sendable {
  /// Where the images come from.
  private enum Storage: Sendable {
    case memory([DatasetImage])
    case files(SampleIndex)
  }

  /// The budget for decoded images unless told otherwise: 2 GiB.
  package static let defaultByteBudget = 2 << 30

  /// The samples' names by id.
  package let names: [String]
  /// The channels of every image.
  package let channels: Int
  /// Which mask value is which class.
  package let mapping: ClassMapping
  /// How the intensities were normalised.
  package let normalization: IntensityNormalization
  /// Bytes of the images and labels that are kept in memory.
  package private(set) var keptByteCount: Int
  /// Bytes that the largest image takes while it is decoded: its samples and its mask's, at most four
  /// bytes each, its pixels and its labels.
  package let largestByteCount: Int
  private var storage: Storage
  private var weightMap: WeightMap?

  /// The number of images.
  package var count: Int { names.count }

  /// Whether images have weights of their pixels.
  package var isWeighted: Bool { weightMap != nil }

  /// The same images with the weights that `map` gives them, computed once where they are in memory and
  /// else whenever an image is read.
  package func weighted(by map: WeightMap) -> Dataset {
    var result = self
    result.weightMap = map
    if case .memory(let images) = storage {
      result.storage = .memory(images.map { $0.weighted(by: map) })
      result.keptByteCount =
        keptByteCount + images.reduce(0) { $0 + $1.labels.count * MemoryLayout<Float>.stride }
    }
    return result
  }

  /// True when every image is in memory.
  package var isCached: Bool {
    if case .memory = storage { true } else { false }
  }

  /// The set of an index, decoded at once if it takes at most `byteBudget` bytes.
  ///
  /// - Throws: `FileError` when a sample has no mask, a mask has a value that `mapping` does not
  ///   know, or an image has samples that are not finite; `FileError` for a file that cannot be
  ///   decoded.
  package init(
    _ index: SampleIndex, mapping: ClassMapping,
    normalization: IntensityNormalization = IntensityNormalization(),
    byteBudget: Int = Dataset.defaultByteBudget
  ) throws {
    var byteCount = 0
    for entry in index.entries {
      guard let size = entry.size, entry.maskPath != nil else {
        throw FileError(
          .imageWithoutMask, path: entry.imagePath, expected: "a mask", found: "none",
          hint: "an index made for prediction has no labels to learn or score")
      }
      byteCount += Self.keptByteCount(size)
    }
    guard let channels = index.channels else {
      throw FileError(
        .noImages, path: "the data set", expected: "at least one image", found: "none",
        hint: "check the path")
    }
    self.channels = channels
    self.mapping = mapping
    self.normalization = normalization
    names = index.entries.map(\.name)
    largestByteCount = index.entries.compactMap(\.size).map(Self.decodingByteCount).max() ?? 0
    keptByteCount = byteCount <= byteBudget ? byteCount : 0
    if byteCount <= byteBudget {
      storage = .memory(
        try index.entries.map {
          try Self.decoded($0, mapping: mapping, normalization: normalization)
        })
    } else {
      storage = .files(index)
    }
  }

  /// A set of images and masks in memory; a sample's id is its position.
  ///
  /// - Throws: `FileError` as for files, under the sample's name.
  package init(
    _ samples: [(name: String, image: Image, mask: Image)], mapping: ClassMapping,
    normalization: IntensityNormalization = IntensityNormalization()
  ) throws(FileError) {
    guard let first = samples.first else {
      throw FileError(
        .noImages, path: "the data set", expected: "at least one image", found: "none",
        hint: "ask for at least one")
    }
    var images: [DatasetImage] = []
    for (name, image, mask) in samples {
      guard image.channels == first.image.channels else {
        throw FileError(
          .channelsDiffer, path: name, expected: "\(first.image.channels) channels",
          found: "\(image.channels)", hint: "convert the images of a set to one kind")
      }
      images.append(
        try Self.prepared(
          id: images.count, name: name, image: (image, name), mask: (mask, name),
          mapping: mapping, normalization: normalization))
    }
    channels = first.image.channels
    self.mapping = mapping
    self.normalization = normalization
    names = samples.map(\.name)
    let sizes = images.map {
      SampleIndex.Size(width: $0.width, height: $0.height, channels: $0.channels)
    }
    keptByteCount = sizes.reduce(0) { $0 + Self.keptByteCount($1) }
    largestByteCount = sizes.map(Self.decodingByteCount).max() ?? 0
    storage = .memory(images)
  }

  /// The size of the image with this id, known without decoding it.
  ///
  /// - Precondition: `id` is in 0..<count.
  package func size(_ id: Int) -> SampleIndex.Size {
    precondition(names.indices.contains(id), "sample \(id) of \(count)")
    switch storage {
    case .memory(let images):
      let image = images[id]
      return SampleIndex.Size(width: image.width, height: image.height, channels: image.channels)
    case .files(let index):
      guard let size = index.entries[id].size else {
        preconditionFailure("the set was made from an index without sizes")
      }
      return size
    }
  }

  /// The image with this id.
  ///
  /// - Precondition: `id` is in 0..<count.
  /// - Throws: only for a set that is not in memory, as at initialisation; `FileError` for a file
  ///   that has another size or other channels than when it was indexed.
  package func image(_ id: Int) throws -> DatasetImage {
    precondition(names.indices.contains(id), "sample \(id) of \(count)")
    switch storage {
    case .memory(let images):
      return images[id]
    case .files(let index):
      let image = try Self.decoded(
        index.entries[id], mapping: mapping, normalization: normalization)
      return weightMap.map { image.weighted(by: $0) } ?? image
    }
  }

  /// Bytes of a `DatasetImage`.
  private static func keptByteCount(_ size: SampleIndex.Size) -> Int {
    size.width * size.height * (4 * size.channels + 1)
  }

  private static func decodingByteCount(_ size: SampleIndex.Size) -> Int {
    keptByteCount(size) + size.width * size.height * 4 * (size.channels + 1)
  }

  private static func decoded(
    _ entry: SampleIndex.Entry, mapping: ClassMapping, normalization: IntensityNormalization
  ) throws -> DatasetImage {
    guard let size = entry.size, let maskPath = entry.maskPath else {
      preconditionFailure("the set was made from an index without sizes and masks")
    }
    let image = try ImageFile.read(entry.imagePath, page: entry.imagePage)
    try check(image, has: size, path: entry.imagePath)
    return try prepared(
      id: entry.id, name: entry.name, image: (image, entry.imagePath),
      mask: (ImageFile.read(maskPath, page: entry.maskPage), maskPath),
      mapping: mapping, normalization: normalization)
  }

  /// Refuses an image that was replaced by one of another kind after it was indexed: buffers, tiles
  /// and the shares of the ranks were made for the first one.
  private static func check(
    _ image: Image, has size: SampleIndex.Size, path: String
  ) throws(FileError) {
    let hint = "the file has changed since the run began; leave it alone and start again"
    guard image.channels == size.channels else {
      throw FileError(
        .channelsDiffer, path: path, expected: SampleIndex.kind(size.channels),
        found: SampleIndex.kind(image.channels), hint: hint)
    }
    guard image.width == size.width && image.height == size.height else {
      throw FileError(
        .sizesDiffer, path: path, expected: "\(size.width)x\(size.height)",
        found: "\(image.width)x\(image.height)", hint: hint)
    }
  }

  private static func prepared(
    id: Int, name: String, image: (data: Image, path: String), mask: (data: Image, path: String),
    mapping: ClassMapping, normalization: IntensityNormalization
  ) throws(FileError) -> DatasetImage {
    // The mask's file may have changed since it was indexed.
    guard image.data.width == mask.data.width && image.data.height == mask.data.height else {
      throw FileError(
        .sizesDiffer, path: mask.path, expected: "\(image.data.width)x\(image.data.height)",
        found: "\(mask.data.width)x\(mask.data.height)", hint: "a mask has the size of its image")
    }
    return DatasetImage(
      id: id, name: name, width: image.data.width, height: image.data.height,
      channels: image.data.channels,
      pixels: try normalization.normalized(image.data, path: image.path),
      labels: try mapping.labels(of: mask.data, path: mask.path))
  }
}
