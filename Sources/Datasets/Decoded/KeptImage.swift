// An image of a decoded set, of which any part becomes inputs and labels when it is asked for.

import Files
import Imaging
import Tensors

/// An image of a decoded set: where its pixels lie, and what makes inputs and labels of them.
struct KeptImage: TileSource {
  let id: Int
  let name: String
  /// Channels as the set has them.
  let channels: Int
  let decoded: DecodedSet
  /// How intensities become inputs.
  let transform: IntensityTransform
  /// The labels of the mask's codes.
  let labels: [UInt8]
  /// What gives pixels their weights; nil for 1 everywhere.
  var weighting: PixelWeighting?

  /// Columns.
  var width: Int { decoded.samples[id].width }
  /// Rows.
  var height: Int { decoded.samples[id].height }
  /// Whether pixels have weights.
  var isWeighted: Bool { weighting != nil }

  /// The image of a decoded index with this id.
  ///
  /// - Throws: `FileError` where the mask has a value that `mapping` does not know, or the set that the
  ///   normalisation is of had other channels.
  init(
    _ entry: SampleIndex.Entry, of set: DecodedSet, channels: Int, mapping: ClassMapping,
    normalization: IntensityNormalization
  ) throws(FileError) {
    let sample = set.samples[entry.id]
    (id, name) = (entry.id, entry.name)
    decoded = set
    self.channels = channels
    transform = try normalization.transform(
      sample.transform.taking(sample.possibleChannels.sources(of: channels)), path: entry.imagePath)
    labels = try mapping.labels(
      of: sample.codes, width: sample.width, path: entry.maskPath ?? entry.imagePath)
  }

  /// The rectangle itself.
  ///
  /// - Throws: `FileError` where weights cannot be computed or kept.
  func part(rows: Range<Int>, columns: Range<Int>) throws(FileError) -> ImagePart {
    let stored = decoded.image(id, rows: rows, columns: columns)
    let image =
      channels == stored.channels
      ? stored : channels == 1 ? stored.firstChannel : stored.greyAsColour
    return ImagePart(
      rows: rows, columns: columns, pixels: transform.inputs(of: image),
      labels: labels(rows: rows, columns: columns),
      weights: try weighting?.weights(of: self, rows: rows, columns: columns))
  }

  /// The labels of a rectangle, rows x columns.
  func labels(rows: Range<Int>, columns: Range<Int>) -> [UInt8] {
    decoded.labels(id, rows: rows, columns: columns, labels)
  }

  /// All of it.
  func whole() throws(FileError) -> DatasetImage {
    let part = try part(rows: 0..<height, columns: 0..<width)
    return DatasetImage(
      id: id, name: name, width: width, height: height, channels: channels, pixels: part.pixels,
      labels: part.labels, weights: part.weights)
  }

  /// The pixels of each label, 256 numbers.
  func labelCounts() -> [Int] {
    var counts = [Int](repeating: 0, count: 256)
    for (code, meaning) in decoded.samples[id].codes.meanings.enumerated() {
      counts[Int(labels[code])] += meaning.pixels
    }
    return counts
  }

  /// The place, in rows from the top, of the pixel of `label` before which there are `index` others.
  func place(of label: UInt8, index: Int) -> Int {
    var left = index
    for block in decoded.codeCounts(id) {
      let count = block.counts.indices.reduce(0) {
        labels[$1] == label ? $0 + block.counts[$1] : $0
      }
      guard left < count else {
        left -= count
        continue
      }
      for row in block.rows {
        let line = labels(rows: row..<row + 1, columns: 0..<width)
        for (column, other) in line.enumerated() where other == label {
          if left == 0 { return row * width + column }
          left -= 1
        }
      }
    }
    preconditionFailure("no pixel \(index) of the label \(label)")
  }
}
