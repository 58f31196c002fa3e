// What training tiles are cut out of: an image of which parts can be had.

/// An image with its labels, of which rectangles can be had.
///
/// A tile needs few pixels of a large picture, so only these are decoded or normalised for it.
package protocol TileSource: Sendable {
  /// What may go wrong when a part is made; `Never` of images in memory.
  associatedtype PartFailure: Error

  /// The sample's id in its data set.
  var id: Int { get }
  /// The sample's name.
  var name: String { get }
  /// Columns.
  var width: Int { get }
  /// Rows.
  var height: Int { get }
  /// Channels.
  var channels: Int { get }
  /// Whether pixels have weights.
  var isWeighted: Bool { get }

  /// A rectangle that holds these rows and columns, which lie in the image; it may be larger.
  func part(rows: Range<Int>, columns: Range<Int>) throws(PartFailure) -> ImagePart

  /// The pixels of each label, 256 numbers.
  func labelCounts() -> [Int]

  /// The place, in rows from the top, of the pixel of `label` before which there are `index` others.
  ///
  /// - Precondition: the image has so many.
  func place(of label: UInt8, index: Int) -> Int
}

/// A rectangle of an image, ready for a network.
package struct ImagePart: Sendable {
  /// Its rows in the image.
  package let rows: Range<Int>
  /// Its columns in the image.
  package let columns: Range<Int>
  /// Normalised pixels, rows x columns x channels.
  package let pixels: [Float]
  /// Class labels, rows x columns.
  package let labels: [UInt8]
  /// The weights of the pixels in the loss, rows x columns; nil for 1 everywhere.
  package let weights: [Float]?

  /// A part of an image.
  ///
  /// - Precondition: the counts fit the size.
  package init(
    rows: Range<Int>, columns: Range<Int>, pixels: [Float], labels: [UInt8], weights: [Float]?
  ) {
    let count = rows.count * columns.count
    precondition(
      count > 0 && labels.count == count && pixels.count.isMultiple(of: count)
        && weights.map { $0.count == count } ?? true,
      "\(pixels.count) values and \(labels.count) labels for \(rows) x \(columns)")
    self.rows = rows
    self.columns = columns
    self.pixels = pixels
    self.labels = labels
    self.weights = weights
  }
}

extension DatasetImage: TileSource {
  /// Whether pixels have weights.
  package var isWeighted: Bool { weights != nil }

  /// All of the image, which is in memory anyway.
  package func part(rows: Range<Int>, columns: Range<Int>) -> ImagePart {
    ImagePart(
      rows: 0..<height, columns: 0..<width, pixels: pixels, labels: labels, weights: weights)
  }

  /// The pixels of each label, 256 numbers.
  package func labelCounts() -> [Int] {
    var counts = [Int](repeating: 0, count: 256)
    for label in labels { counts[Int(label)] += 1 }
    return counts
  }

  /// The place, in rows from the top, of the pixel of `label` before which there are `index` others.
  package func place(of label: UInt8, index: Int) -> Int {
    var left = index
    for (place, other) in labels.enumerated() where other == label {
      if left == 0 { return place }
      left -= 1
    }
    preconditionFailure("no pixel \(index) of the label \(label)")
  }
}
