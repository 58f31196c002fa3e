// The built-in images: deterministic, of two classes, and too hard for a threshold.

import Datasets
import Files
import Foundation
import Imaging
import Testing
import Threading

@Suite struct SyntheticCellsTests {
  @Test func theSeedDecidesEveryImage() throws {
    let three = try SyntheticCells.images(count: 3, side: 48, seed: 7)
    let two = try SyntheticCells.images(count: 2, side: 48, seed: 7)
    let others = try SyntheticCells.images(count: 2, side: 48, seed: 8)
    for (first, second) in zip(three, two) {
      #expect(first.image == second.image && first.mask == second.mask)
    }
    #expect(three[0].image != three[1].image && three[0].mask != three[1].mask)
    #expect(three[0].image != others[0].image)
    #expect(three.map(\.name) == ["cells-0001", "cells-0002", "cells-0003"])
  }

  @Test(arguments: 1...3) func aTeamDrawsTheSameImages(_ threads: Int) throws {
    let alone = try SyntheticCells.images(count: 5, side: 40, seed: 2)
    let team = ThreadTeam(count: threads)
    let together = try SyntheticCells.images(count: 5, side: 40, seed: 2, on: team)
    #expect(together.count == 5)
    for (first, second) in zip(alone, together) {
      #expect(first.name == second.name)
      #expect(first.image == second.image && first.mask == second.mask)
    }
  }

  @Test func writtenAndReadItIsTheSameSet() throws {
    let folder = try TemporaryFolder()
    try SyntheticCells.write(to: folder.path + "/set", count: 2, side: 40, seed: 3)
    let index = try SampleIndex.folder(folder.path + "/set")
    let read = try Dataset(index, mapping: ClassMapping(scanning: index))
    let made = try SyntheticCells.dataset(count: 2, side: 40, seed: 3)
    #expect(read.mapping == made.mapping)
    for id in 0..<2 { #expect(try read.image(id) == made.image(id)) }
  }

  @Test func aFolderThatCannotBeMadeIsNamed() throws {
    let folder = try TemporaryFolder()
    let file = try folder.text("file", "")
    let error = #expect(throws: FileError.self) {
      try SyntheticCells.write(to: file, count: 1, side: 32, seed: 1)
    }
    #expect(error?.code == ENOTDIR && error?.path.hasPrefix(file) == true)
  }

  @Test(arguments: [16, 17, 64, 256])
  func bothClassesAreInEveryImage(_ side: Int) throws {
    let dataset = try SyntheticCells.dataset(count: 4, side: side, seed: 1)
    #expect(dataset.mapping.count == SyntheticCells.classCount)
    #expect(dataset.mapping.names == ["background and borders", "cell"])
    for id in 0..<4 { #expect(Set(try dataset.image(id).labels) == [0, 1]) }
    #expect(dataset.mapping.shares.allSatisfy { $0 > 0.2 })
  }

  @Test func noThresholdFindsTheCells() throws {
    for (name, image, mask) in try SyntheticCells.images(count: 4, side: 256, seed: 2) {
      guard case .uint8(let pixels) = image.samples, case .uint8(let labels) = mask.samples else {
        Issue.record("\(name) is not of 8 bits")
        continue
      }
      // How many pixels of each class have each brightness.
      var counts = [[Int]](repeating: [0, 0], count: 256)
      for (pixel, label) in zip(pixels, labels) { counts[Int(pixel)][label == 0 ? 0 : 1] += 1 }
      let cells = counts.reduce(0) { $0 + $1[1] }
      var right = cells
      var best = max(right, pixels.count - right)
      for count in counts {
        right += count[0] - count[1]
        best = max(best, right, pixels.count - right)
      }
      #expect(Double(best) / Double(pixels.count) < 0.8)
    }
  }

  @Test func numbersOutOfRangeAreErrors() {
    for (count, side) in [(0, 64), (-1, 64), (1, 15), (1, 0), (1, 100_000), (.max, 64)] {
      let error = #expect(throws: FileError.self) {
        try SyntheticCells.dataset(count: count, side: side, seed: 1)
      }
      #expect(error?.kind == .invalidArgument)
    }
  }
}
