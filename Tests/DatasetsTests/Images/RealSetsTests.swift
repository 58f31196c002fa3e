// Real annotated sets, where they are at hand.

import Datasets
import Foundation
import Testing

@Suite struct RealSetsTests {
  /// A folder of public sets, which are not shipped; tests of them run where it is given.
  private static let folder =
    ProcessInfo.processInfo.environment["UNET_DIST_REAL_SETS"] ?? ""

  private static let isPresent = !folder.isEmpty

  @Test(
    .enabled(if: isPresent, "UNET_DIST_REAL_SETS names no folder of real sets"),
    arguments: [
      ("isbi2012-em", 24, 1, 2), ("nuclei-fluo", 80, 1, 2), ("nuclei-rgb", 48, 3, 2),
      ("wbc", 160, 3, 3), ("vnc-sstem", 14, 1, 5),
    ])
  func setsAreRead(_ name: String, _ count: Int, _ channels: Int, _ classes: Int) throws {
    let index = try SampleIndex.folder(Self.folder + "/" + name)
    let mapping = try ClassMapping(scanning: index)
    #expect(index.entries.count == count && index.channels == channels)
    #expect(mapping.count == classes && mapping.classes.allSatisfy { $0.name != nil })
    let image = try Dataset(index, mapping: mapping).image(count - 1)
    #expect(abs(image.pixels.reduce(0) { $0 + Double($1) }) < 1)
  }

  @Test(.enabled(if: isPresent, "UNET_DIST_REAL_SETS names no folder of real sets"))
  func stacksAreRead() throws {
    let stacks = Self.folder + "/isbi2012-em/stack-sample/"
    let index = try SampleIndex.pair(
      images: stacks + "train-volume-4.tif", masks: stacks + "train-labels-4.tif")
    #expect(index.listing == (1...4).map { "train-volume-4-000\($0) 512x512x1" })
  }
}
