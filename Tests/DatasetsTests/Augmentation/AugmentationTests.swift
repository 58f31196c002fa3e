// Augmented tiles against a reference that turns and flips pixel by pixel.

import Datasets
import Tensors
import Testing

@Suite struct AugmentationTests {
  /// An image whose every value differs, with labels that follow from the position.
  private func picture(width: Int, height: Int, channels: Int) -> DatasetImage {
    DatasetImage(
      id: 3, name: "p", width: width, height: height, channels: channels,
      pixels: (0..<width * height * channels).map { Float($0) },
      labels: (0..<width * height).map { UInt8($0 % 251) })
  }

  /// The tile by the definition: cut mirrored, turn quarter by quarter, then flip.
  private func reference(
    _ placement: Augmentation.Placement, _ image: DatasetImage, _ tile: TileShape
  ) -> (pixels: [[Float]], labels: [[UInt8]]) {
    let side = tile.inputSide
    // Each pixel of the tile as its position in the image.
    var positions = (0..<side).map { row in
      (0..<side).map { column in
        let y = BorderRule.mirrored(placement.row - tile.margin + row, count: image.height)
        let x = BorderRule.mirrored(placement.column - tile.margin + column, count: image.width)
        return y * image.width + x
      }
    }
    for _ in 0..<placement.quarterTurns {
      let before = positions
      for row in 0..<side {
        for column in 0..<side { positions[row][column] = before[column][side - 1 - row] }
      }
    }
    if placement.isFlippedHorizontally { positions = positions.map { $0.reversed() } }
    if placement.isFlippedVertically { positions.reverse() }
    let middle = tile.margin..<tile.margin + tile.outputSide
    return (
      positions.map { row in
        row.flatMap { position in
          (0..<image.channels).map { image.pixels[position * image.channels + $0] }
        }
      },
      positions[middle].map { row in row[middle].map { image.labels[$0] } }
    )
  }

  @Test(arguments: [(20, 15, 1), (9, 31, 3), (3, 2, 1), (1, 1, 3)])
  func tilesEqualTheReference(_ width: Int, _ height: Int, _ channels: Int) {
    let image = picture(width: width, height: height, channels: channels)
    let tile = TileShape(inputSide: 16, outputSide: 8)
    let buffer = SampleBuffer(tile: tile, channels: channels)
    var seen: Set<Int> = []
    for draw in 0..<160 {
      let stream = Augmentation.stream(seed: 4, epoch: 2, draw: draw)
      let placement = Augmentation.copying.placement(
        width: width, height: height, outputSide: 8, stream: stream)
      seen.insert(
        placement.quarterTurns * 4 + (placement.isFlippedHorizontally ? 2 : 0)
          + (placement.isFlippedVertically ? 1 : 0))
      Augmentation.copying.fill(buffer, from: image, stream: stream)
      let expected = reference(placement, image, tile)
      #expect((0..<buffer.imageCount).map { buffer.image[$0] } == expected.pixels.flatMap(\.self))
      #expect((0..<buffer.labelCount).map { buffer.labels[$0] } == expected.labels.flatMap(\.self))
    }
    #expect(seen.count == 16)
    #expect(buffer.sample == 3 && buffer.name == "p")
  }

  @Test func imageAndLabelsStayAligned() {
    // The value of a pixel is its label, so the centre of the tile must repeat the labels.
    let labels = (0..<40 * 30).map { UInt8($0 * 7 % 256) }
    let image = DatasetImage(
      id: 0, name: "", width: 40, height: 30, channels: 1, pixels: labels.map { Float($0) },
      labels: labels)
    let buffer = SampleBuffer(tile: TileShape(inputSide: 24, outputSide: 10), channels: 1)
    for draw in 0..<50 {
      Augmentation.copying.fill(
        buffer, from: image, stream: Augmentation.stream(seed: 1, epoch: 0, draw: draw))
      for row in 0..<10 {
        for column in 0..<10 {
          #expect(
            buffer.image[(row + 7) * 24 + column + 7] == Float(buffer.labels[row * 10 + column]))
        }
      }
    }
  }

  private func placements(_ augmentation: Augmentation, _ side: Int) -> [Augmentation.Placement] {
    (0..<200).map { draw in
      augmentation.placement(
        width: side, height: side, outputSide: 16,
        stream: Augmentation.stream(seed: 8, epoch: 0, draw: draw))
    }
  }

  @Test func withoutStepsOnlyThePositionVaries() {
    let large = placements(.none, 20)
    #expect(Set(large.map(\.row)) == Set(0...4))
    #expect(Set(large.map(\.column)) == Set(0...4))
    #expect(large.allSatisfy { $0 == Augmentation.Placement(row: $0.row, column: $0.column) })
    #expect(placements(.none, 16).allSatisfy { $0.row == 0 && $0.column == 0 })
    #expect(placements(.none, 11).allSatisfy { $0.row == -2 && $0.column == -2 })
  }

  @Test func aShiftReachesBeyondTheImage() {
    #expect(Set(placements(.copying, 16).map(\.row)) == Set(-2...2))
    #expect(Set(placements(.copying, 20).map(\.row)) == Set(-2...6))
  }

  @Test func aStepThatIsOffLeavesTheOthersAlone() {
    for (all, some) in zip(
      placements(.copying, 30), placements(Augmentation([.init(.rotate90)]), 30))
    {
      #expect(all.quarterTurns == some.quarterTurns)
    }
    for (none, some) in zip(placements(.none, 30), placements(Augmentation([.init(.flip)]), 30)) {
      #expect(none.row == some.row && none.column == some.column)
    }
  }

  @Test func drawsAndEpochsDiffer() {
    let image = picture(width: 64, height: 64, channels: 1)
    let buffer = SampleBuffer(tile: TileShape(inputSide: 8, outputSide: 8), channels: 1)
    var tiles: Set<[Float]> = []
    for (epoch, draw) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
      let stream = Augmentation.stream(seed: 1, epoch: epoch, draw: draw)
      Augmentation.copying.fill(buffer, from: image, stream: stream)
      tiles.insert((0..<buffer.imageCount).map { buffer.image[$0] })
    }
    #expect(tiles.count == 4)
  }

  @Test func aLargeTileTakesFarLessThan50Milliseconds() {
    let image = picture(width: 512, height: 512, channels: 3)
    let buffer = SampleBuffer(tile: TileShape(inputSide: 572, outputSide: 388), channels: 3)
    let times = (0..<9).map { draw in
      ContinuousClock().measure {
        Augmentation.copying.fill(
          buffer, from: image, stream: Augmentation.stream(seed: 1, epoch: 0, draw: draw))
      }
    }.sorted()
    // Measured: 1.3 ms. The median, so that a busy machine does not fail the test.
    #expect(times[4] < .milliseconds(50))
  }

  /// A rare class in an image of a common one, and a pixel that nobody has labelled.
  private func rareObjects() -> DatasetImage {
    var labels = [UInt8](repeating: 0, count: 60 * 40)
    labels[5 * 60 + 50] = 1
    for x in 10..<14 { labels[30 * 60 + x] = 2 }
    labels[0] = 255
    return DatasetImage(
      id: 0, name: "p", width: 60, height: 40, channels: 1,
      pixels: (0..<60 * 40).map { Float($0) }, labels: labels)
  }

  @Test func foregroundTilesHoldAPixelOfEveryOtherClassAlike() {
    let image = rareObjects()
    let tile = TileShape(inputSide: 12, outputSide: 8)
    let buffer = SampleBuffer(tile: tile, channels: 1)
    func found(_ share: Double, _ count: Int, background: UInt8 = 0) -> [Set<UInt8>] {
      (0..<count).map { draw in
        Augmentation([], foregroundShare: share, background: background).fill(
          buffer, from: image, stream: Augmentation.stream(seed: 1, epoch: 0, draw: draw))
        return Set((0..<buffer.labelCount).map { buffer.labels[$0] })
      }
    }
    let all = found(1, 200)
    #expect(all.allSatisfy { $0.contains(1) || $0.contains(2) })
    let first = all.count { $0.contains(1) }
    #expect((70...130).contains(first), "\(first) of 200")
    // A third of them, and what chance finds in the rest.
    let third = found(0.33, 300).count { !$0.isDisjoint(with: [1, 2]) }
    let chance = found(0, 300).count { !$0.isDisjoint(with: [1, 2]) }
    #expect(chance < 60 && third > chance + 50 && third < 200, "\(third), \(chance)")
    // Another class may be the background: then half of the tiles are about class 0, which is everywhere.
    let other = found(1, 200, background: 2)
    let (ones, twos) = (other.count { $0.contains(1) }, other.count { $0.contains(2) })
    #expect((70...130).contains(ones) && twos < 40, "\(ones), \(twos)")
  }

  @Test func foregroundMovesTheWindowAndNothingElse() {
    let image = rareObjects()
    let empty = DatasetImage(
      id: 0, name: "e", width: 60, height: 40, channels: 1, pixels: image.pixels,
      labels: [UInt8](repeating: 0, count: 60 * 40))
    let tile = TileShape(inputSide: 12, outputSide: 12)
    func pixels(_ augmentation: Augmentation, _ image: DatasetImage, _ draw: Int) -> [Float] {
      let buffer = SampleBuffer(tile: tile, channels: 1)
      augmentation.fill(
        buffer, from: image, stream: Augmentation.stream(seed: 1, epoch: 0, draw: draw))
      return (0..<buffer.imageCount).map { buffer.image[$0] }
    }
    for draw in 0..<20 {
      // An image without foreground has the tiles that it has without the option.
      #expect(
        pixels(Augmentation([], foregroundShare: 1), empty, draw)
          == pixels(Augmentation([]), empty, draw))
      let plain = Augmentation.copying
      let aimed = Augmentation(plain.steps, foregroundShare: 1)
      let stream = Augmentation.stream(seed: 1, epoch: 0, draw: draw)
      let one = plain.placement(width: 60, height: 40, outputSide: 12, stream: stream)
      let other = aimed.placement(
        width: 60, height: 40, outputSide: 12, about: (5, 50), stream: stream)
      #expect(one.quarterTurns == other.quarterTurns)
      #expect(one.isFlippedHorizontally == other.isFlippedHorizontally)
    }
  }
}
