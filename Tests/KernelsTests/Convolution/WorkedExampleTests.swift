// One matrix and one kernel through every option of a convolution, worked out by hand.

import Kernels
import Tensors
import Testing
import Threading

/// The example of an explanation for beginners: a 6x6 matrix and a 3x3 kernel whose first output is
/// -1*1 + 2*2 - 3*3 + 4*0 + 5*1 - 6*0 + 7*1 - 8*2 + 9*3 = 17.
@Suite struct WorkedExampleTests {
  static let matrix: [[Float]] = [
    [-1, 2, -3, 4, -5, 6],
    [4, 5, -6, 1, 0, -2],
    [7, -8, 9, -1, 3, 2],
    [0, 1, -4, 6, -7, 5],
    [3, -2, 8, -9, 1, 4],
    [-6, 7, 2, 0, 5, -3],
  ]
  static let kernel: [[Float]] = [[1, 2, 3], [0, 1, 0], [1, 2, 3]]

  /// The output of one filter with one kernel an image channel, [channel][row][column].
  func convolve(
    _ image: [[[Float]]], filters: [[[[Float]]]], stride: Int = 1,
    border: BorderRule? = nil
  ) -> [[[Float]]] {
    let (channels, side) = (image.count, image[0].count)
    let size = filters[0][0].count
    let convolution = Convolution(
      input: ImageShape(height: side, width: side, channels: channels),
      outputChannels: filters.count, kernel: size, stride: stride, border: border)
    let input = OwnedImage(side, side, channels)
    for y in 0..<side {
      for x in 0..<side {
        for c in 0..<channels { input.view.pixel(y, x)[c] = image[c][y][x] }
      }
    }
    let output = OwnedImage(
      convolution.output.height, convolution.output.width, convolution.output.channels)
    let weights = FloatBuffer(
      kernelOrder(
        filters.flatMap { $0.flatMap { $0.flatMap { $0 } } },
        shape: [filters.count, channels, size, size], .convolution))
    let bias = FloatBuffer(count: filters.count)
    let workspace = makeWorkspace(
      convolution.forwardWorkspaceSize.union(convolution.gradientWorkspaceSize), threads: 1)
    convolution.forward(
      ConvolutionImage(input.view), weights: weights.base, bias: bias.base, appliesReLU: false,
      into: output.view, workspace: workspace, on: ThreadTeam(count: 1))
    return (0..<filters.count).map { o in
      (0..<convolution.output.height).map { y in
        (0..<convolution.output.width).map { x in output.view.pixel(y, x)[o] }
      }
    }
  }

  @Test func strideOne() {
    #expect(
      convolve([Self.matrix], filters: [[Self.kernel]]) == [
        [[17, 9, 7, 23], [-22, 16, -18, 5], [42, -10, 15, 9], [2, 30, -5, 9]]
      ])
  }

  @Test func strideThreeTakesSixToTwo() {
    #expect(convolve([Self.matrix], filters: [[Self.kernel]], stride: 3) == [[[17, 23], [2, 9]]])
  }

  @Test func fiveByFiveTakesSixToTwo() {
    let large: [[Float]] = [
      [1, 0, 2, 0, 1], [0, 1, 0, -1, 0], [2, 0, 3, 0, 2], [0, -1, 0, 1, 0], [1, 0, 2, 0, 1],
    ]
    #expect(convolve([Self.matrix], filters: [[large]]) == [[[64, -24], [-45, 38]]])
  }

  @Test func zeroPaddingKeepsSix() {
    #expect(
      convolve([Self.matrix], filters: [[Self.kernel]], border: .zeros) == [
        [
          [22, -2, -7, 0, -10, 2], [-2, 17, 9, 7, 23, 12], [33, -22, 16, -18, 5, 1],
          [-10, 42, -10, 15, 9, 21], [15, 2, 30, -5, 9, 6], [-6, 30, -11, -7, 10, 6],
        ]
      ])
  }

  @Test func mirrorPaddingKeepsSix() {
    #expect(
      convolve([Self.matrix], filters: [[Self.kernel]], border: .mirror) == [
        [
          [29, -8, 1, -10, 2, 21], [4, 17, 9, 7, 23, 36], [37, -22, 16, -18, 5, 10],
          [0, 42, -10, 15, 9, 39], [9, 2, 30, -5, 9, 12], [0, 44, 0, 10, 11, 8],
        ]
      ])
  }

  @Test func twoChannelsToThreeFilters() {
    let second = Self.matrix.map { $0.map { abs($0) - 4 } }
    let negated = Self.kernel.map { $0.map { -$0 } }
    let turned = (0..<3).map { column in Self.kernel.map { $0[column] } }
    let identity: [[Float]] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    let ones = [[Float]](repeating: [1, 1, 1], count: 3)
    #expect(
      convolve(
        [Self.matrix, second],
        filters: [[Self.kernel, negated], [turned, Self.kernel], [identity, ones]]) == [
          [[0, 6, 12, 30], [-24, 12, -12, 12], [12, -36, 12, 18], [12, 36, -16, 6]],
          [[62, -12, 12, 4], [12, 22, -22, 30], [72, -6, 26, -8], [-6, 8, 30, -4]],
          [[22, -2, -3, -6], [0, 25, -13, 0], [22, -9, 28, -2], [-3, 12, -2, 8]],
        ])
  }
}
