// One large image predicted window by window, the windows dealt to the ranks.

package import Communication
package import Datasets
import Files
import Threading

/// What is wanted of each window.
package struct WindowContents: Sendable, Equatable {
  /// The probabilities of all classes.
  package var probabilities: Bool
  /// The predictive entropy.
  package var entropy: Bool

  /// What is wanted beside the labels.
  package init(probabilities: Bool = false, entropy: Bool = false) {
    self.probabilities = probabilities
    self.entropy = entropy
  }
}

/// What is said of a window of an image.
package struct PredictedWindow: Sendable, Equatable {
  /// Its number in the tiling, from 0.
  package let index: Int
  /// The rows that it decides.
  package let rows: Range<Int>
  /// The columns that it decides.
  package let columns: Range<Int>
  /// The label of each pixel, rows x columns.
  package let labels: [UInt8]
  /// The probabilities, rows x columns x classes; empty where they are not wanted.
  package let probabilities: [Float]
  /// The entropy of each pixel, rows x columns; empty where it is not wanted.
  package let entropy: [Float]
}

/// The prediction of an image of which no rank holds more than rectangles.
///
/// Every pixel is of the same bits as in ``TiledPredictor/probabilities(of:)``: a window needs the pixels
/// around it and nothing else.
package struct WindowedPrediction {
  private let predictor: TiledPredictor
  private let tiling: MirroredTiling
  private let image: Int
  private let contents: WindowContents

  /// Bytes that the windows of one round may take on the rank that gathers them; each rank has one
  /// window at least in every round.
  private static let roundByteLimit = 64 << 20
  /// Ranks that have so many windows in each round seldom wait for each other.
  private static let mostWindowsInRound = 4

  /// The prediction of an image of this size.
  ///
  /// - Parameter image: a number that tells images apart, for the masks of dropout.
  package init(
    _ predictor: TiledPredictor, height: Int, width: Int, image: Int, contents: WindowContents
  ) {
    self.predictor = predictor
    tiling = predictor.tiling(height: height, width: width)
    self.image = image
    self.contents = contents
  }

  /// The windows of the image.
  package var windowCount: Int { tiling.windows.count }

  /// Bytes that are said of each pixel.
  private var pixelByteCount: Int {
    let float = MemoryLayout<Float>.stride
    return 1 + (contents.probabilities ? predictor.classes * float : 0)
      + (contents.entropy ? float : 0)
  }

  /// The windows of each rank in a round.
  private func share(of size: Int) -> Int {
    let window = tiling.windows[0]
    let byteCount = window.rows.count * window.columns.count * pixelByteCount
    return max(1, min(Self.mostWindowsInRound, Self.roundByteLimit / (byteCount * size)))
  }

  /// Bytes that this rank takes for what it says at once, and for what rank 0 gathers.
  package func byteCount(ranks size: Int) -> Int {
    let window = tiling.windows[0]
    let pixelCount = window.rows.count * window.columns.count
    // As numbers, as bytes, and gathered; the probabilities once more.
    let own = predictor.classes * MemoryLayout<Float>.stride
    return pixelCount * (own + pixelByteCount * share(of: size) * (2 + size))
  }

  /// Predicts all windows, each on one rank, and hands them to `take` on rank 0, in their order;
  /// collective.
  ///
  /// The windows go to the ranks in rounds. Which rank has which changes nothing in what is said.
  ///
  /// - Parameters:
  ///   - pixels: the normalised pixels of these rows and columns of the image, on every rank.
  ///   - take: not called on other ranks than 0.
  /// - Throws: `RankFailure`, on all ranks, where `pixels`, the network or `take` fails on one;
  ///   `MPIError`.
  package func run(
    on communicator: any Communicator,
    pixels: (_ rows: Range<Int>, _ columns: Range<Int>) throws -> PixelRectangle,
    take: (PredictedWindow) throws -> Void
  ) throws {
    if communicator.size == 1 {
      // At once, and not by rounds.
      return try communicator.together {
        for index in tiling.windows.indices { try take(predicted(index, pixels)) }
      }
    }
    let share = share(of: communicator.size)
    for start in stride(from: 0, to: windowCount, by: share * communicator.size) {
      func windows(of rank: Int) -> Range<Int> {
        let first = min(windowCount, start + rank * share)
        return first..<min(windowCount, first + share)
      }
      let own = try communicator.together {
        try windows(of: communicator.rank).reduce(into: [UInt8]()) { bytes, index in
          append(try predicted(index, pixels), to: &bytes)
        }
      }
      let gathered = try communicator.gatherv(own, to: 0)
      try communicator.together {
        for (rank, bytes) in gathered.enumerated() {
          var offset = 0
          for index in windows(of: rank) { try take(decoded(index, bytes, &offset)) }
        }
      }
    }
  }

  private func predicted(
    _ index: Int, _ pixels: (_ rows: Range<Int>, _ columns: Range<Int>) throws -> PixelRectangle
  ) throws -> PredictedWindow {
    let window = tiling.windows[index]
    let place = predictor.rectangle(of: index, in: tiling)
    let map = try predictor.probabilities(
      window: index, of: tiling, pixels: try pixels(place.rows, place.columns), image: image)
    return PredictedWindow(
      index: index, rows: window.rows, columns: window.columns,
      labels: map.labels(above: predictor.threshold),
      probabilities: contents.probabilities ? map.values : [],
      entropy: contents.entropy ? map.entropy : [])
  }

  // MARK: - Windows as bytes

  private func append(_ window: PredictedWindow, to bytes: inout [UInt8]) {
    bytes += window.labels
    for values in [window.probabilities, window.entropy] {
      values.withUnsafeBytes { bytes.append(contentsOf: $0) }
    }
  }

  private func decoded(_ index: Int, _ bytes: [UInt8], _ offset: inout Int) -> PredictedWindow {
    let window = tiling.windows[index]
    let count = window.rows.count * window.columns.count
    func floats(_ count: Int, _ offset: inout Int) -> [Float] {
      let end = offset + count * MemoryLayout<Float>.stride
      defer { offset = end }
      return [Float](unsafeUninitializedCapacity: count) { values, initializedCount in
        UnsafeMutableRawBufferPointer(values).copyBytes(from: bytes[offset..<end])
        initializedCount = count
      }
    }
    let labels = Array(bytes[offset..<offset + count])
    offset += count
    let probabilities = floats(contents.probabilities ? count * predictor.classes : 0, &offset)
    let entropy = floats(contents.entropy ? count : 0, &offset)
    return PredictedWindow(
      index: index, rows: window.rows, columns: window.columns, labels: labels,
      probabilities: probabilities, entropy: entropy)
  }
}
