// Monte-Carlo dropout: the mean of many random networks, and how unsure they are.

import Datasets
import Glibc
import Network
import Randomness
package import Tensors
import Threading

/// The mean of several predictions with dropout, and its entropy.
package struct MonteCarloPrediction: Sendable, Equatable {
  /// The mean probabilities.
  package let mean: ProbabilityMap

  /// The predictive entropy of each pixel, height x width, in natural units.
  ///
  /// H = - sum over k of p(k) ln p(k), p being the mean probabilities and 0 ln 0 = 0: from 0, where
  /// the class is certain, to ln K, where all K are equally probable.
  package let entropy: [Float]
}

extension TiledPredictor {
  /// The mean probabilities over `samples` passes with dropout, and their entropy.
  ///
  /// The masks depend on the seed, the pass, `image` (a number below 65,536 that tells images
  /// apart) and the window, so a result can be had again, alone or among others. After Gal and
  /// Ghahramani 2016, "Dropout as a Bayesian approximation".
  ///
  /// - Precondition: the counts fit the size, the image has the network's channels, and `samples` is
  ///   positive.
  package func monteCarlo(
    height: Int, width: Int, channels: Int, pixels: [Float], image: Int, samples: Int, seed: UInt64
  ) throws(AllocationError) -> MonteCarloPrediction {
    check(channels: channels)
    precondition(samples > 0, "a mean of \(samples) samples")
    let classes = network.configuration.classes
    let tiling = tiling(height: height, width: width)
    let softmax = PixelSoftmax(classes: classes, threads: team.count)
    let (rows, columns) = (tiling.tileRows.outputSide, tiling.tileColumns.outputSide)
    var sums = [Double](repeating: 0, count: rows * columns * classes)
    var values = [Float](repeating: 0, count: height * width * classes)
    var entropy = [Float](repeating: 0, count: height * width)

    for (index, window) in tiling.windows.enumerated() {
      for place in sums.indices { sums[place] = 0 }
      for sample in 0..<samples {
        let key = Self.dropoutKey(seed: seed, pass: sample, image: image, window: index)
        // Every pass sees the same tile.
        let logits =
          sample == 0
          ? try logits(window, of: tiling, pixels: pixels, dropout: key)
          : try logitsOfTile(of: tiling, dropout: key)
        sums.withUnsafeMutableBufferPointer { sums in
          forEachOwnPixel(of: window, in: logits) { y, x, scores, thread in
            let probabilities = softmax(scores, thread: thread).probabilities
            let target = ((y - window.row) * columns + x - window.column) * classes
            for k in 0..<classes { sums[target + k] += probabilities[k] }
          }
        }
      }
      for y in window.ownRows {
        for x in window.ownColumns {
          let source = ((y - window.row) * columns + x - window.column) * classes
          var sum = 0.0
          for k in 0..<classes {
            let mean = sums[source + k] / Double(samples)
            values[(y * width + x) * classes + k] = Float(mean)
            // Not "above 0": a NaN is to be seen in the entropy, not taken for certainty.
            if mean != 0 { sum -= mean * log(mean) }
          }
          // Rounding may carry a sum past either end.
          entropy[y * width + x] = Float(min(max(sum, 0), log(Double(classes))))
        }
      }
    }
    return MonteCarloPrediction(
      mean: ProbabilityMap(height: height, width: width, classes: classes, values: values),
      entropy: entropy)
  }

  /// The key of one window's masks in one pass; images and windows are told apart up to 65,536 each.
  private static func dropoutKey(seed: UInt64, pass: Int, image: Int, window: Int) -> DropoutKey {
    let sample = UInt32(truncatingIfNeeded: image &* 65_536 &+ window)
    return DropoutKey(
      RandomStream(seed: seed, purpose: .dropout, epoch: pass, sample: Int(sample)))
  }
}
