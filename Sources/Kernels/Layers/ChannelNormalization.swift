// Normalization of channels by a sample's own statistics, with scale, shift and ReLU behind it.

import CVectors
package import Tensors
package import Threading

/// Instance or group normalization of one sample, and a ReLU; with given statistics batch normalization.
///
///     output(y, x, c) = max(0, scale(c) * n(y, x, c) + shift(c)),
///     n(y, x, c) = (input(y, x, c) - mean(g)) / sqrt(variance(g) + 1e-5)
///
/// where g is the group of the channel c: `groupSize` channels side by side, whose mean and variance
/// (divided by the count, not one less) are those of all their pixels. Groups of one channel are
/// instance normalization (Ulyanov et al. 2016, arXiv 1607.08022), larger ones group normalization
/// (Wu and He 2018, arXiv 1803.08494).
///
/// Sums are in Float along a row, of differences from the image's first pixel so that a large mean
/// takes no digits from the variance, and in Double from row to row; so the same bits for every number
/// of threads.
package struct ChannelNormalization: Sendable {
  /// The extents of input and output.
  package let shape: ImageShape
  /// Channels that share their statistics.
  package let groupSize: Int

  /// Added to the variance.
  package static let epsilon = 1e-5

  /// Normalization of images of this shape.
  ///
  /// - Precondition: groups of as many channels make up all channels.
  package init(shape: ImageShape, groupSize: Int) {
    precondition(
      groupSize > 0 && shape.channels.isMultiple(of: groupSize),
      "groups of \(groupSize) of \(shape.channels) channels")
    self.shape = shape
    self.groupSize = groupSize
  }

  /// Floats of statistics that a sample has: the mean of each channel's group, what its differences
  /// from it are multiplied by, 1 / sqrt(variance + 1e-5), and the variance.
  package var statisticsCount: Int { 3 * shape.channels }

  /// Workspace of its functions: two sums in Double for each channel of each row, and three
  /// coefficients a channel.
  package var workspaceSize: WorkspaceSize {
    WorkspaceSize(shared: 4 * shape.channels * shape.height + 3 * shape.channels)
  }

  /// The sums of rows [row, 2, channel].
  private func sums(_ workspace: ConvolutionWorkspace) -> UnsafeMutablePointer<Double> {
    UnsafeMutableRawPointer(workspace.shared).bindMemory(
      to: Double.self, capacity: 2 * shape.channels * shape.height)
  }

  /// Coefficients [3, channel].
  private func coefficients(_ workspace: ConvolutionWorkspace) -> UnsafeMutablePointer<Float> {
    workspace.shared + 4 * shape.channels * shape.height
  }

  /// Adds the sums of all rows to those of the first, in their order.
  private func addRows(_ sums: UnsafeMutablePointer<Double>) {
    let count = 2 * shape.channels
    for row in 1..<max(1, shape.height) {
      for index in 0..<count { sums[index] += sums[row &* count &+ index] }
    }
  }

  // MARK: Forward

  /// statistics := those of `input`; overwritten.
  package func measure(
    _ input: TensorView, into statistics: UnsafeMutablePointer<Float>,
    workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    precondition(input.shape == shape, "statistics of \(input.shape) for \(shape)")
    let channels = shape.channels
    let sums = sums(workspace)
    let origin = input.pixel(0, 0)
    team.forEach(shape.height, (input, origin, sums)) { context, y, _ in
      let (input, origin, sums) = context
      RowSums.deviations(input, row: y, from: origin, into: sums + 2 * input.shape.channels * y)
    }
    addRows(sums)
    let pixels = Double(shape.pixels)
    for group in stride(from: 0, to: channels, by: groupSize) {
      let members = group..<group + groupSize
      var mean = 0.0
      for channel in members { mean += Double(origin[channel]) + sums[channel] / pixels }
      mean /= Double(groupSize)
      var variance = 0.0
      for channel in members {
        let shifted = sums[channel] / pixels
        let own = sums[channels + channel] / pixels - shifted * shifted
        let distance = Double(origin[channel]) + shifted - mean
        variance += max(0, own) + distance * distance
      }
      variance /= Double(groupSize)
      let factor = 1 / (variance + Self.epsilon).squareRoot()
      for channel in members {
        statistics[channel] = Float(mean)
        statistics[channels + channel] = Float(factor)
        statistics[2 * channels + channel] = Float(variance)
      }
    }
  }

  /// statistics := given means and variances of each channel; overwritten.
  package func take(
    means: UnsafePointer<Float>, variances: UnsafePointer<Float>,
    into statistics: UnsafeMutablePointer<Float>
  ) {
    let channels = shape.channels
    for channel in 0..<channels {
      statistics[channel] = means[channel]
      statistics[channels + channel] = Float(
        1 / (Double(variances[channel]) + Self.epsilon).squareRoot())
      statistics[2 * channels + channel] = variances[channel]
    }
  }

  /// means += share * the means, variances += share * the variances, these divided by one less than
  /// the count of values as estimates of those of all samples are; accumulated.
  package func add(
    _ statistics: UnsafePointer<Float>, share: Float, toMeans means: UnsafeMutablePointer<Float>,
    variances: UnsafeMutablePointer<Float>
  ) {
    let channels = shape.channels
    let count = Float(shape.pixels * groupSize)
    let factor = share * count / max(1, count - 1)
    for channel in 0..<channels {
      means[channel] += share * statistics[channel]
      variances[channel] += factor * statistics[2 * channels + channel]
    }
  }

  /// output := the normalized `input`, scaled, shifted and through a ReLU; overwritten.
  ///
  /// Both may be the same memory, or the same part of larger images.
  package func apply(
    _ input: TensorView, statistics: UnsafePointer<Float>, scale: UnsafePointer<Float>,
    shift: UnsafePointer<Float>, into output: TensorView, workspace: ConvolutionWorkspace,
    on team: ThreadTeam
  ) {
    precondition(
      input.shape == output.shape && input.shape.channels == shape.channels,
      "normalization of \(input.shape) into \(output.shape) for \(shape)")
    let channels = shape.channels
    let coefficients = coefficients(workspace)
    for channel in 0..<channels {
      coefficients[channel] = statistics[channel]
      coefficients[channels + channel] = statistics[channels + channel] * scale[channel]
      coefficients[2 * channels + channel] = shift[channel]
    }
    team.forEach(input.shape.height, (input, output, coefficients)) { context, y, _ in
      let (input, output, means) = context
      let channels = input.shape.channels
      let (factors, shifts) = (means + channels, means + 2 * channels)
      for x in 0..<input.shape.width {
        let (source, target) = (input.pixel(y, x), output.pixel(y, x))
        var c = 0
        while c &+ 16 <= channels {
          let value = CVectors_multiplyAdd(
            source.vector(c) - means.vector(c), factors.vector(c), shifts.vector(c))
          target.store(value.replacing(with: 0, where: value .< 0), at: c)
          c &+= 16
        }
        while c < channels {
          let value = shifts[c].addingProduct(source[c] - means[c], factors[c])
          target[c] = value < 0 ? 0 : value
          c &+= 1
        }
      }
    }
  }

  // MARK: Backward

  /// input := the gradient of the input, given `outputGradient` from before the ReLU; overwritten.
  ///
  /// scaleGradient += and shiftGradient += those of scale and shift; accumulated.
  ///
  /// With d = outputGradient, n the normalized input, f = 1 / sqrt(variance + 1e-5), and means over
  /// the pixels and channels of a group,
  ///
  ///     shiftGradient(c) = sum d,  scaleGradient(c) = sum d n,
  ///     inputGradient = f (scale d - mean(scale d) - n mean(scale d n)).
  package func backward(
    _ input: TensorView, outputGradient: TensorView, statistics: UnsafePointer<Float>,
    scale: UnsafePointer<Float>, scaleGradient: UnsafeMutablePointer<Float>,
    shiftGradient: UnsafeMutablePointer<Float>, workspace: ConvolutionWorkspace,
    on team: ThreadTeam
  ) {
    precondition(
      input.shape == shape && outputGradient.shape == shape,
      "a gradient of \(outputGradient.shape) for \(input.shape), planned for \(shape)")
    let channels = shape.channels
    let sums = sums(workspace)
    team.forEach(shape.height, (input, outputGradient, statistics, sums)) { context, y, _ in
      let (input, gradient, means, sums) = context
      RowSums.products(
        gradient, input, row: y, means: means, into: sums + 2 * input.shape.channels * y)
    }
    addRows(sums)
    let coefficients = coefficients(workspace)
    let count = Double(shape.pixels * groupSize)
    for group in stride(from: 0, to: channels, by: groupSize) {
      let factor = Double(statistics[channels + group])
      var (plain, product) = (0.0, 0.0)
      for channel in group..<group + groupSize {
        let sum = sums[channel]
        let normalized = factor * sums[channels + channel]
        shiftGradient[channel] += Float(sum)
        scaleGradient[channel] += Float(normalized)
        plain += Double(scale[channel]) * sum
        product += Double(scale[channel]) * normalized
      }
      for channel in group..<group + groupSize {
        coefficients[channel] = Float(factor * Double(scale[channel]))
        coefficients[channels + channel] = Float(-factor * factor * product / count)
        coefficients[2 * channels + channel] = Float(-factor * plain / count)
      }
    }
    let context = (input, outputGradient, statistics, coefficients)
    team.forEach(shape.height, context) { context, y, _ in
      let (input, outputGradient, means, coefficients) = context
      let channels = input.shape.channels
      let (slopes, constants) = (coefficients + channels, coefficients + 2 * channels)
      for x in 0..<input.shape.width {
        let (values, gradient) = (input.pixel(y, x), outputGradient.pixel(y, x))
        var c = 0
        while c &+ 16 <= channels {
          let line = CVectors_multiplyAdd(
            values.vector(c) - means.vector(c), slopes.vector(c), constants.vector(c))
          values.store(
            CVectors_multiplyAdd(gradient.vector(c), coefficients.vector(c), line), at: c)
          c &+= 16
        }
        while c < channels {
          let line = constants[c].addingProduct(values[c] - means[c], slopes[c])
          values[c] = line.addingProduct(gradient[c], coefficients[c])
          c &+= 1
        }
      }
    }
  }
}
