// The decoded images and labels of a data set.

package import Files
package import Imaging
import Tensors

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
  private var weightMap: (map: WeightMap, cache: WeightCache?)?
  private let instanceFiles: [InstanceSource?]
  private let drawsInstanceBorders: Bool

  /// The number of images.
  package var count: Int { names.count }

  /// Whether images have weights of their pixels.
  package var isWeighted: Bool { weightMap != nil }

  /// The same images with the weights that `map` gives them, from their instances where they have some.
  ///
  /// Each map is computed once: at once where the images are in memory, else when its image is first
  /// read, and then kept in a temporary file.
  ///
  /// - Throws: `FileError` for instances that cannot be read, or where there is no temporary file.
  package func weighted(by map: WeightMap) throws -> Dataset {
    var result = self
    switch storage {
    case .memory(let images):
      result.weightMap = (map, nil)
      result.storage = .memory(try images.map { try $0.weighted(weights(of: $0, by: map)) })
      result.keptByteCount =
        keptByteCount + images.reduce(0) { $0 + $1.labels.count * MemoryLayout<Float>.stride }
    case .files:
      let pixelCounts = (0..<count).map { size($0).width * size($0).height }
      result.weightMap = (map, try WeightCache(pixelCounts: pixelCounts))
    }
    return result
  }

  private func weights(of image: DatasetImage, by map: WeightMap) throws(FileError) -> [Float] {
    var instances = try instances(of: image)
    if drawsInstanceBorders, let numbers = instances {
      let borders = borderPixels(numbers, width: image.width, height: image.height)
      instances = numbers.indices.map { borders[$0] ? 0 : numbers[$0] }
    }
    return map.weights(
      labels: image.labels, instances: instances, width: image.width, height: image.height)
  }

  /// Whether the objects of the images are numbered.
  package var hasInstances: Bool { instanceFiles.contains { $0 != nil } }

  /// The numbers of an image's objects as they are in its file, height x width, 0 for background.
  ///
  /// They are nil where they are not numbered, and read anew at each call.
  ///
  /// - Throws: `FileError` for a file that cannot be decoded or is no numbering of this image.
  package func instances(of image: DatasetImage) throws(FileError) -> [Int32]? {
    try instanceFiles[image.id]?.numbers(width: image.width, height: image.height)
  }

  /// True when every image is in memory.
  package var isCached: Bool {
    if case .memory = storage { true } else { false }
  }

  /// The set of an index, decoded at once if it takes at most `byteBudget` bytes.
  ///
  /// With `instanceBorders` the pixels of numbered objects that touch another object are labelled as
  /// the first class.
  ///
  /// - Throws: `FileError` when a sample has no mask, a mask has a value that `mapping` does not
  ///   know, or an image has samples that are not finite; `FileError` for a file that cannot be
  ///   decoded.
  package init(
    _ index: SampleIndex, mapping: ClassMapping,
    normalization: IntensityNormalization = IntensityNormalization(),
    instanceBorders: Bool = false, byteBudget: Int = Dataset.defaultByteBudget
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
    instanceFiles = index.entries.map(\.instances)
    drawsInstanceBorders = instanceBorders
    largestByteCount = index.entries.compactMap(\.size).map(Self.decodingByteCount).max() ?? 0
    keptByteCount = byteCount <= byteBudget ? byteCount : 0
    if byteCount <= byteBudget {
      storage = .memory(
        try index.entries.map {
          try Self.decoded(
            $0, mapping: mapping, normalization: normalization, instanceBorders: instanceBorders)
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
    instanceFiles = [InstanceSource?](repeating: nil, count: samples.count)
    drawsInstanceBorders = false
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
        index.entries[id], mapping: mapping, normalization: normalization,
        instanceBorders: drawsInstanceBorders)
      guard let (map, cache) = weightMap, let cache else { return image }
      return image.weighted(
        try cache.weights(of: id, count: image.labels.count) { try weights(of: image, by: map) })
    }
  }

  /// Refuses images of which every pixel is ignored.
  ///
  /// - Parameter purpose: what they are for, as in "validated on".
  /// - Throws: `FileError`; else as `image`.
  package func requireLabels(of ids: [Int], purpose: String) throws {
    // Mostly the first image has labels.
    for id in ids where try image(id).labels.contains(where: { $0 != ignoredLabel }) { return }
    throw FileError(
      path: ids.first.map { names[$0] } ?? "the data set",
      expected: "a labelled pixel in the \(ids.count) images that are \(purpose)",
      found: "only ignored ones", hint: "label some of them, or divide the set otherwise")
  }

  /// Bytes of a `DatasetImage`.
  private static func keptByteCount(_ size: SampleIndex.Size) -> Int {
    size.width * size.height * (4 * size.channels + 1)
  }

  private static func decodingByteCount(_ size: SampleIndex.Size) -> Int {
    keptByteCount(size) + size.width * size.height * 4 * (size.channels + 1)
  }

  private static func decoded(
    _ entry: SampleIndex.Entry, mapping: ClassMapping, normalization: IntensityNormalization,
    instanceBorders: Bool
  ) throws -> DatasetImage {
    guard let size = entry.size, let mask = entry.source.mask else {
      preconditionFailure("the set was made from an index without sizes and masks")
    }
    let image = try entry.image()
    try check(image, has: size, path: entry.imagePath)
    return try prepared(
      id: entry.id, name: entry.name, image: (image, entry.imagePath),
      mask: (mask.read().image, mask.first.path),
      bordersOf: instanceBorders ? entry.instances : nil, mapping: mapping,
      normalization: normalization)
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
    bordersOf instances: InstanceSource? = nil, mapping: ClassMapping,
    normalization: IntensityNormalization
  ) throws(FileError) -> DatasetImage {
    // The mask's file may have changed since it was indexed.
    guard image.data.width == mask.data.width && image.data.height == mask.data.height else {
      throw FileError(
        .sizesDiffer, path: mask.path, expected: "\(image.data.width)x\(image.data.height)",
        found: "\(mask.data.width)x\(mask.data.height)", hint: "a mask has the size of its image")
    }
    let (width, height) = (image.data.width, image.data.height)
    var labels = try mapping.labels(of: mask.data, path: mask.path)
    // What was not measured is neither learnt nor scored.
    if let missing = image.data.missingPixels(normalization.missingValue) {
      for place in labels.indices where missing[place] { labels[place] = ignoredLabel }
    }
    if let numbers = try instances?.numbers(width: width, height: height) {
      let borders = borderPixels(numbers, width: width, height: height)
      for place in labels.indices where borders[place] && labels[place] != ignoredLabel {
        labels[place] = 0
      }
    }
    return DatasetImage(
      id: id, name: name, width: width, height: height, channels: image.data.channels,
      pixels: try normalization.normalized(image.data, path: image.path), labels: labels)
  }
}
