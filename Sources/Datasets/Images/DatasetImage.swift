// One decoded image with its labels.

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
  /// The same image with other weights of its pixels.
  func weighted(_ weights: [Float]) -> DatasetImage {
    DatasetImage(
      id: id, name: name, width: width, height: height, channels: channels, pixels: pixels,
      labels: labels, weights: weights)
  }
}
