// The images and labels of a data set, of which any part becomes inputs when it is asked for.

package import Files
package import Imaging
import Tensors

/// The images of a data set with their labels, normalised as they are asked for.
///
/// Decoded samples lie in files that are mapped into memory (`DecodedSet`); of sets made in memory the
/// images stay there. The sizes of the images may differ. Nothing changes after initialisation, so any
/// thread may read at any time.
package struct Dataset: Sendable {
  /// Where the images come from.
  private enum Storage: Sendable {
    case memory([DatasetImage])
    case decoded([KeptImage])
  }

  /// The samples' names by id.
  package let names: [String]
  /// The channels of every image.
  package let channels: Int
  /// Which mask value is which class.
  package let mapping: ClassMapping
  /// How the intensities were normalised.
  package let normalization: IntensityNormalization
  /// Whether images have weights of their pixels.
  package private(set) var isWeighted = false
  private var storage: Storage
  private let instanceFiles: [InstanceSource?]
  private let drawsInstanceBorders: Bool

  /// The number of images.
  package var count: Int { names.count }

  /// The decoded samples of an index, as its form says.
  ///
  /// - Parameter normalization: that of the form, with the statistics of the set where it needs them; nil
  ///   for that of the form itself.
  /// - Throws: `FileError` for a mask with a value that `mapping` does not know, and for other channels
  ///   than the normalisation's.
  package init(
    _ index: SampleIndex, mapping: ClassMapping, normalization: IntensityNormalization? = nil
  ) throws(FileError) {
    guard let set = index.decoded, let channels = index.channels else {
      throw FileError(
        .imageWithoutMask, path: index.entries.first?.imagePath ?? "the data set",
        expected: "masks", found: "none",
        hint: "an index made for prediction has no labels to learn or score")
    }
    let form = index.form
    let normalization = normalization ?? form.normalization
    precondition(
      normalization.rule == form.normalization.rule
        && normalization.missingValue == form.normalization.missingValue,
      "normalised by \(normalization) what was decoded for \(form.normalization)")
    self.channels = channels
    self.mapping = mapping
    self.normalization = normalization
    names = index.entries.map(\.name)
    instanceFiles = index.entries.map(\.instances)
    drawsInstanceBorders = form.instanceBorders
    var images: [KeptImage] = []
    images.reserveCapacity(index.entries.count)
    for entry in index.entries {
      images.append(
        try KeptImage(
          entry, of: set, channels: channels, mapping: mapping, normalization: normalization))
    }
    storage = .decoded(images)
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
      guard image.width == mask.width && image.height == mask.height else {
        throw FileError(
          .sizesDiffer, path: name, expected: "\(image.width)x\(image.height)",
          found: "\(mask.width)x\(mask.height)", hint: "a mask has the size of its image")
      }
      var labels = try mapping.labels(of: mask, path: name)
      // What was not measured is neither learnt nor scored.
      if let missing = image.missingPixels(normalization.missingValue) {
        for place in labels.indices where missing[place] { labels[place] = ignoredLabel }
      }
      images.append(
        DatasetImage(
          id: images.count, name: name, width: image.width, height: image.height,
          channels: image.channels, pixels: try normalization.normalized(image, path: name),
          labels: labels))
    }
    channels = first.image.channels
    self.mapping = mapping
    self.normalization = normalization
    names = samples.map(\.name)
    instanceFiles = [InstanceSource?](repeating: nil, count: samples.count)
    drawsInstanceBorders = false
    storage = .memory(images)
  }

  // MARK: - Images

  /// The size of the image with this id.
  ///
  /// - Precondition: `id` is in 0..<count.
  package func size(_ id: Int) -> SampleIndex.Size {
    let source = source(id)
    return SampleIndex.Size(width: source.width, height: source.height, channels: channels)
  }

  /// The image with this id, to cut tiles from.
  ///
  /// - Precondition: `id` is in 0..<count.
  package func source(_ id: Int) -> any TileSource {
    precondition(names.indices.contains(id), "sample \(id) of \(count)")
    return switch storage {
    case .memory(let images): images[id]
    case .decoded(let images): images[id]
    }
  }

  /// All of the image with this id.
  ///
  /// - Precondition: `id` is in 0..<count.
  /// - Throws: `FileError` where weights cannot be computed or kept.
  package func image(_ id: Int) throws -> DatasetImage {
    precondition(names.indices.contains(id), "sample \(id) of \(count)")
    return switch storage {
    case .memory(let images): images[id]
    case .decoded(let images): try images[id].whole()
    }
  }

  /// Bytes of the images that are kept in this process's own memory.
  package var ownByteCount: Int {
    guard case .memory(let images) = storage else { return 0 }
    return images.reduce(0) { $0 + $1.labels.count * Self.pixelByteCount(channels) }
  }

  /// Bytes of the largest part of an image, of at most so many rows and columns, when it is asked for: its
  /// stored samples, its pixels and labels.
  package func largestByteCount(rows: Int = .max, columns: Int = .max) -> Int {
    let pixels =
      (0..<count).map { min(rows, size($0).height) * min(columns, size($0).width) }.max() ?? 0
    return pixels * (Self.pixelByteCount(channels) + 4 * channels)
  }

  /// Bytes of a pixel of a `DatasetImage`.
  private static func pixelByteCount(_ channels: Int) -> Int {
    MemoryLayout<Float>.stride * channels + 1
  }

  // MARK: - Labels

  /// Refuses images of which every pixel is ignored.
  ///
  /// - Parameter purpose: what they are for, as in "validated on".
  /// - Throws: `FileError`.
  package func requireLabels(of ids: [Int], purpose: String) throws(FileError) {
    for id in ids {
      let counts = source(id).labelCounts()
      if counts.indices.contains(where: { $0 != Int(ignoredLabel) && counts[$0] > 0 }) { return }
    }
    throw FileError(
      path: ids.first.map { names[$0] } ?? "the data set",
      expected: "a labelled pixel in the \(ids.count) images that are \(purpose)",
      found: "only ignored ones", hint: "label some of them, or divide the set otherwise")
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

  /// The numbers of the objects in a rectangle of the image with this id, rows x columns.
  ///
  /// - Throws: as `instances(of:)`.
  func instances(
    _ id: Int, rows: Range<Int>, columns: Range<Int>
  ) throws(FileError) -> [Int32]? {
    let size = size(id)
    return try instanceFiles[id]?.numbers(
      rows: rows, columns: columns, width: size.width, height: size.height)
  }

  /// The same images with the weights that `map` gives them, from their instances where they have some.
  ///
  /// Each map is computed once: at once where the images are in memory, else when it is first needed, and
  /// then kept in a temporary file.
  ///
  /// - Throws: `FileError` for instances that cannot be read, or where there is no temporary file.
  package func weighted(by map: WeightMap) throws(FileError) -> Dataset {
    var result = self
    result.isWeighted = true
    switch storage {
    case .memory(let images):
      result.storage = .memory(
        images.map {
          $0.weighted(
            map.weights(labels: $0.labels, instances: nil, width: $0.width, height: $0.height))
        })
    case .decoded(let images):
      let weighting = try PixelWeighting(
        map, pixelCounts: images.map { $0.width * $0.height }, instances: instanceFiles,
        drawsInstanceBorders: drawsInstanceBorders)
      result.storage = .decoded(
        images.map {
          var image = $0
          image.weighting = weighting
          return image
        })
    }
    return result
  }
}
