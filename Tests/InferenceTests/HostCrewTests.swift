// A set that the ranks of a host decode together.

import Communication
import Datasets
import Files
import Foundation
import Inference
import TestSupport
import Testing

@Suite struct HostCrewTests {
  /// All images of a set, decoded so.
  private static func images(_ path: String, _ decoding: Decoding) throws -> [DatasetImage] {
    let index = try SampleIndex.folder(path, decoding)
    let dataset = try Dataset(index, mapping: ClassMapping(scanning: index))
    return try (0..<dataset.count).map { try dataset.image($0) }
  }

  @Test(arguments: [1, 2, 3, 7]) func anyRanksDecodeTheSame(_ ranks: Int) throws {
    try withTemporaryFolder { folder in
      try SyntheticCells.write(to: folder + "/set", count: 5, side: 32, seed: 1)
      @Sendable func images(_ decoding: Decoding) throws -> [DatasetImage] {
        try Self.images(folder + "/set", decoding)
      }
      let alone = try images(Decoding())
      for cache in [CacheChoice.none, .folder(folder + "/cache")] {
        for _ in 0..<2 {
          let results = ThreadedCommunicator.run(ranks: ranks) { communicator in
            try images(Decoding(cache: cache, crew: HostCrew(communicator)))
          }
          #expect(results.count == ranks)
          for result in results { #expect(try result.get() == alone) }
        }
      }
      #expect(try Folder.names(in: folder + "/cache").count == 1)
    }
  }

  /// Two hosts with one cache, of which one is faster, and with a cache each, of which one is filled.
  @Test func hostsMayFindOtherThings() throws {
    try withTemporaryFolder { folder in
      try SyntheticCells.write(to: folder + "/set", count: 5, side: 32, seed: 1)
      @Sendable func images(_ decoding: Decoding) throws -> [DatasetImage] {
        try Self.images(folder + "/set", decoding)
      }
      let alone = try images(Decoding(cache: .folder(folder + "/filled")))
      for (number, caches) in [["one", "one"], ["filled", "empty"]].enumerated() {
        let results = ThreadedCommunicator.run(ranks: 4, ranksPerHost: 2) { communicator in
          let cache = CacheChoice.folder("\(folder)/\(caches[communicator.rank / 2])")
          let found = try images(Decoding(cache: cache, crew: HostCrew(communicator)))
          // All have made the same calls before.
          let ranks = try communicator.allReduceSum([Int64(communicator.rank + number)])
          return (found, ranks)
        }
        #expect(results.count == 4)
        for result in results {
          let (found, ranks) = try result.get()
          #expect(found == alone && ranks == [Int64(6 + 4 * number)])
        }
      }
      for cache in ["one", "filled", "empty"] {
        #expect(try Folder.names(in: "\(folder)/\(cache)").count == 1)
      }
    }
  }

  @Test func anImageThatCannotBeReadFailsOnEveryRank() throws {
    try withTemporaryFolder { folder in
      try SyntheticCells.write(to: folder, count: 3, side: 32, seed: 1)
      let index = try SampleIndex.folder(folder)
      // Still a PNG by its first bytes.
      #expect(truncate(index.entries[1].imagePath, 60) == 0)
      let results = ThreadedCommunicator.run(ranks: 3) { communicator in
        try SampleIndex.folder(folder, Decoding(crew: HostCrew(communicator)))
      }
      for result in results {
        let failure = #expect(throws: RankFailure.self) { try result.get() }
        #expect(failure?.rank == 1 && failure?.otherRanks.isEmpty == true)
        #expect(failure?.message.contains("cells-0002") == true)
      }
    }
  }
}
