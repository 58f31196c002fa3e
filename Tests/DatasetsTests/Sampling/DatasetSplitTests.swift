// The division into training and validation: by fraction, folds and files, and that no group is torn.

import Datasets
import Files
import Testing

/// Samples of which each is a group.
private func singles(_ count: Int) -> SampleGroups {
  SampleGroups(single: (0..<count).map { "sample-\($0)" })
}

/// An index of images whose masks are the images themselves; stacks have so many pages.
private func index(_ folder: TemporaryFolder, stacks: [Int]) throws -> SampleIndex {
  for (number, pages) in stacks.enumerated() {
    for kind in ["images", "masks"] {
      try folder.tiff(
        "\(kind)/stack\(number).tif",
        pages: [[[UInt8]]](repeating: [[0, 1], [1, 0]], count: pages))
    }
  }
  return try SampleIndex.folder(folder.path)
}

@Suite struct DatasetSplitTests {
  @Test(arguments: [(0, 0), (1, 0), (2, 1), (3, 1), (10, 2), (100, 20)])
  func theFractionIsRoundedAndNeverNothing(_ count: Int, _ validationCount: Int) throws {
    let split = try DatasetSplit(singles(count), validationFraction: 0.2, seed: 5)
    #expect(split.validation.count == validationCount)
    #expect((split.training + split.validation).sorted() == Array(0..<count))
    #expect(split.training == split.training.sorted())
    #expect(split == (try DatasetSplit(singles(count), validationFraction: 0.2, seed: 5)))
  }

  // What versions before groups chose for these: runs of theirs go on with the same.
  @Test func samplesOnTheirOwnAreDividedAsEver() throws {
    let split = try DatasetSplit(singles(24), validationFraction: 0.1, seed: 0)
    #expect(split.validation == Self.former)
  }
  private static let former = [0, 6]

  @Test func theSeedDecides() throws {
    let splits = try (0..<4).map {
      try DatasetSplit(singles(50), validationFraction: 0.3, seed: $0)
    }
    #expect(Set(splits.map(\.validation)).count == 4)
    #expect(try DatasetSplit(singles(9), validationFraction: 0, seed: 1).validation.isEmpty)
    #expect(try DatasetSplit(singles(9), validationFraction: 0.999, seed: 1).training.count == 1)
  }

  @Test(arguments: [-0.1, 1, 7, .nan, .infinity] as [Float])
  func aFractionOutOfRangeIsAnError(_ fraction: Float) {
    let error = #expect(throws: FileError.self) {
      try DatasetSplit(singles(9), validationFraction: fraction, seed: 1)
    }
    #expect(error?.kind == .invalidArgument)
  }

  @Test(arguments: [0, 1, 2, 3, 4] as [UInt64]) func stacksAreNeverTorn(_ seed: UInt64) throws {
    let folder = try TemporaryFolder()
    let index = try index(folder, stacks: [3, 1, 5, 2, 4, 1])
    let groups = SampleGroups(index)
    #expect(groups.members.map(\.count) == [3, 1, 5, 2, 4, 1])
    func isWhole(_ ids: [Int]) -> Bool {
      groups.members.allSatisfy { members in
        let inside = members.filter(ids.contains).count
        return inside == 0 || inside == members.count
      }
    }
    for fraction in [0.05, 0.2, 0.5, 0.9] as [Float] {
      let split = try DatasetSplit(groups, validationFraction: fraction, seed: seed)
      #expect(isWhole(split.validation) && !split.validation.isEmpty && !split.training.isEmpty)
      #expect((split.training + split.validation).sorted() == Array(0..<16))
      // With groups of 1 to 5 the number wanted is met to half the largest, as long as one is left over.
      if fraction <= 0.5 {
        #expect(abs(split.validation.count - Int((16 * fraction).rounded())) <= 2)
      }
    }
    for count in [2, 3, 6] {
      let folds = try DatasetSplit.folds(count, of: groups, seed: seed)
      #expect(folds.allSatisfy { isWhole($0) && !$0.isEmpty })
      #expect(folds.joined().sorted() == Array(0..<16))
      let split = try DatasetSplit(groups, fold: 2, of: count, seed: seed)
      #expect(split.validation == folds[1])
      #expect(split.training == (folds[0] + folds.dropFirst(2).joined()).sorted())
    }
    // 16 images by two: groups of 5, 4, 3, 2, 1 and 1 make 8 and 8.
    #expect(try DatasetSplit.folds(2, of: groups, seed: seed).map(\.count) == [8, 8])
    let error = #expect(throws: FileError.self) {
      try DatasetSplit.folds(7, of: groups, seed: seed)
    }
    #expect(error?.expected == "at most 6, the groups of the set")
  }

  @Test func ofOneStackNothingIsValidatedOn() throws {
    let folder = try TemporaryFolder()
    let groups = SampleGroups(try index(folder, stacks: [6]))
    #expect(try DatasetSplit(groups, validationFraction: 0.5, seed: 1).validation.isEmpty)
  }

  @Test func foldsOfSinglesDifferByOneAtMost() throws {
    let folds = try DatasetSplit.folds(4, of: singles(14), seed: 3)
    #expect(folds.map(\.count) == [4, 4, 3, 3])
    #expect(try DatasetSplit.folds(4, of: singles(14), seed: 4) != folds)
  }
}

@Suite struct SampleGroupsTests {
  @Test func aTableJoinsSamples() throws {
    let folder = try TemporaryFolder()
    let index = try index(folder, stacks: [1, 1, 2, 1])
    try folder.text(
      "groups.csv",
      "name,\"group\"\r\nstack0,\"a, \"\"b\"\"\"\nstack1,c\nstack2,c\nstack3,d\nother,d\n")
    let groups = try SampleGroups(index, table: folder.path + "/groups.csv")
    #expect(groups.names == ["a, \"b\"", "c", "c", "c", "d"])
    #expect(groups.members == [[0], [1, 2, 3], [4]])
    #expect(groups.remark?.contains("1 of its 5 names") == true)

    // Another column, and pages of a stack by themselves.
    try folder.text(
      "other.csv",
      "mosaic,name\n1,stack0\n1,stack1\n2,stack2-0001\n3,stack2-0002\n3,stack3\n")
    let other = try SampleGroups(index, table: folder.path + "/other.csv:mosaic")
    #expect(other.names == ["1", "1", "2", "3", "3"] && other.remark == nil)
  }

  @Test(arguments: [
    ("name,mosaic\nstack0,1\n", "the columns name and group"),
    ("name,group\nstack0,1\nstack0,2\n", "one group for stack0"),
    ("name,group\nstack0,1\n", "a group for the sample stack1"),
    ("name,group\nstack0\n", "2 fields in line 2"), ("", "names of columns"),
  ])
  func aTableThatCannotBeUsedIsAnError(_ text: String, _ expected: String) throws {
    let folder = try TemporaryFolder()
    let index = try index(folder, stacks: [1, 1])
    let path = try folder.text("groups.csv", text)
    let error = #expect(throws: FileError.self) { try SampleGroups(index, table: path) }
    #expect(error?.path == path && error?.expected.contains(expected) == true, "\(error as Any)")
  }
}

@Suite struct SplitFileTests {
  private let groups = singles(5)

  private func read(_ text: String) throws -> (split: DatasetSplit, remarks: [String]) {
    try SplitFile(text: text, path: "s.json").split(of: groups, path: "s.json")
  }

  @Test func whatIsWrittenIsReadAgain() throws {
    let split = try DatasetSplit(groups, fold: 2, of: 3, seed: 1)
    var file = SplitFile(split, of: groups.samples)
    file.folds = try DatasetSplit.folds(3, of: groups, seed: 1).map {
      $0.map { groups.samples[$0] }
    }
    file.fold = 2
    let again = try SplitFile(text: file.text(), path: "s.json")
    #expect(again == file)
    #expect(try again.split(of: groups, path: "s.json").split == split)
    for fold in 1...3 {
      #expect(
        try again.split(fold: fold, of: groups, path: "s.json").split
          == DatasetSplit(groups, fold: fold, of: 3, seed: 1))
    }
  }

  @Test func handWrittenNames() throws {
    let rest = try read(#"{"validation": ["sample-3", "sample-1"]}"#)
    #expect(rest.split.validation == [1, 3] && rest.split.training == [0, 2, 4])
    #expect(rest.remarks.isEmpty)
    let some = try read(#"{"validation": ["sample-3"], "training": ["sample-0"]}"#)
    #expect(some.split.training == [0])
    #expect(some.remarks.first?.contains("3 of 5 samples are on neither side") == true)

    // As a run without validation writes it.
    let none = try read(#"{"validation": [], "training": ["sample-0", "sample-1"]}"#)
    #expect(none.split.training == [0, 1] && none.split.validation.isEmpty)

    let folder = try TemporaryFolder()
    let stacks = SampleGroups(try index(folder, stacks: [3, 2, 1]))
    func split(_ text: String) throws -> (split: DatasetSplit, remarks: [String]) {
      try SplitFile(text: text, path: "s.json").split(of: stacks, path: "s.json")
    }
    let whole = try split(#"{"validation": ["stack1"]}"#)
    #expect(whole.split.validation == [3, 4] && whole.remarks.isEmpty)
    // By hand a stack may be torn, which is said.
    let torn = try split(
      #"{"training": ["stack0-0001", "stack0-0002"], "validation": ["stack0-0003"]}"#)
    #expect(torn.split.training == [0, 1] && torn.split.validation == [2])
    #expect(torn.remarks.contains { $0.contains("the group stack0 are on both sides") })
  }

  @Test(arguments: [
    ("[]", "training"), ("{}", "names under validation"),
    (#"{"validation": []}"#, "names under validation"),
    (#"{"validation": ["sample-9"]}"#, "names of samples or groups"),
    (#"{"validation": ["sample-1"], "training": ["sample-1"]}"#, "each sample on one side"),
    (#"{"validation": ["sample-1"], "training": []}"#, "samples to train on"),
  ])
  func whatCannotBeUsedIsAnError(_ text: String, _ expected: String) {
    let error = #expect(throws: FileError.self) { try read(text) }
    #expect(error?.path == "s.json" && error?.expected.contains(expected) == true, "\(text)")
  }

  @Test func aFoldThatIsNotThereIsAnError() throws {
    let file = try SplitFile(text: #"{"validation": ["sample-1"]}"#, path: "s.json")
    let error = #expect(throws: FileError.self) {
      try file.split(fold: 1, of: groups, path: "s.json")
    }
    #expect(error?.found == "0 folds")
  }
}
