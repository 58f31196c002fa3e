// Every layout of folders: what it finds, and what it refuses.

import Datasets
import Files
import Foundation
import Imaging
import Testing

/// The refusal of a folder.
func refusal(
  _ folder: TemporaryFolder, _ name: String = "", layout: String = "auto",
  sourceLocation: SourceLocation = #_sourceLocation
) -> FileError? {
  #expect(throws: FileError.self, sourceLocation: sourceLocation) {
    try read(folder, name, layout: layout)
  }
}

/// The index of a folder, or of what is called `name` in it.
func read(
  _ folder: TemporaryFolder, _ name: String = "", layout: String = "auto",
  decoding: Decoding = Decoding()
) throws -> SampleIndex {
  try SampleIndex.folder(
    folder.path + (name.isEmpty ? "" : "/" + name),
    layout: try #require(LayoutChoice(rawValue: layout)), decoding)
}

/// The labels of a sample.
func labels(_ index: SampleIndex, _ id: Int) throws -> [UInt8] {
  try Dataset(index, mapping: ClassMapping(scanning: index)).image(id).labels
}

@Suite struct LayoutTests {
  @Test(arguments: [
    "_mask", "_masks", "_label", "_labels", "_seg", "_segmentation", "_gt", "_cp_masks", "_Mask",
    "_LABELS", "-mask",
  ])
  func masksLieBesideTheirImagesOrInAFolder(_ suffix: String) throws {
    let beside = try TemporaryFolder()
    let folders = try TemporaryFolder()
    for name in ["a", "b"] {
      try beside.grey("\(name).png", [[1, 2]])
      try beside.grey("\(name)\(suffix).tif.png", [[0, 9]])
      try FileManager.default.moveItem(
        atPath: beside.path + "/\(name)\(suffix).tif.png",
        toPath: beside.path + "/\(name)\(suffix).PNG")
      try folders.grey("images/\(name).png", [[1, 2]])
      try folders.grey("masks/\(name)\(suffix).png", [[0, 9]])
    }
    try beside.text("notes.txt", "about this set")
    try beside.text(".hidden", "")
    let index = try read(beside)
    #expect(index.listing == ["a 2x1x1", "b 2x1x1"])
    #expect(index.entries[1].maskPath?.hasSuffix("/b\(suffix).PNG") == true)
    #expect(try labels(index, 0) == [0, 1])
    #expect(
      index.notes == [
        "\(beside.path): NAME.png (or NAME_img.png) beside NAME_mask.png (or _masks, _label, _labels, _seg, _gt) "
          + "(layout side-by-side), 2 samples", "\(beside.path): passed over 1 TXT file",
      ])
    #expect(try read(folders).entries.map(\.name) == ["a", "b"])
  }

  @Test func incompletePairsAreNamed() throws {
    let folder = try TemporaryFolder()
    try folder.grey("a.png")
    try folder.grey("a_mask.png")
    try folder.grey("b.png")
    #expect(refusal(folder)?.kind == .imageWithoutMask)
    try folder.grey("b_mask.png")
    try folder.grey("c_mask.png")
    let stray = refusal(folder)
    #expect(stray?.kind == .maskWithoutImage && stray?.path.hasSuffix("c_mask.png") == true)
    #expect(stray?.expected == "an image called c or c_image")
    try folder.grey("c.png")
    try folder.grey("c_label.png")
    #expect(refusal(folder)?.kind == .twoMasks)
    try FileManager.default.removeItem(atPath: folder.path + "/c_label.png")
    try folder.grey("c_mask_mask.png")
    #expect(refusal(folder)?.kind == .maskWithoutImage)
  }

  @Test(arguments: [
    ("image_", "mask_"), ("img_", "label_"), ("image_", "seg_"), ("image", "mask"),
    ("img", "labels"), ("Image_", "MASK_"), ("image-", "mask-"),
  ])
  func prefixesTellPairsApart(_ image: String, _ mask: String) throws {
    let folder = try TemporaryFolder()
    for number in 1...3 {
      try folder.grey("\(image)\(number).png", [[1, 2]])
      try folder.grey("\(mask)\(number).png", [[0, 9]])
      try folder.grey("in/images/\(image)\(number).png", [[1, 2]])
      try folder.grey("in/masks/\(mask)\(number).png", [[0, 9]])
      try folder.grey("bare/images/\(number).png", [[1, 2]])
      try folder.grey("bare/masks/\(mask)\(number).png", [[0, 9]])
    }
    let names = (1...3).map { "\(image)\($0)" }
    let index = try read(folder)
    #expect(index.entries.map(\.name) == names)
    #expect(index.notes[0].hasSuffix("(layout prefixed), 3 samples"))
    #expect(try read(folder, "in").entries.map(\.name) == names)
    #expect(try read(folder, "bare").entries.map(\.name) == ["1", "2", "3"])
    try folder.grey("\(mask)4.png")
    #expect(refusal(folder)?.kind == .maskWithoutImage)
  }

  @Test func imageAndLabelLieInTrain() throws {
    let folder = try TemporaryFolder()
    for name in ["0", "1"] {
      try folder.grey("train/image/\(name).png", [[1, 2]])
      try folder.grey("train/label/\(name).png", [[0, 255]])
      try folder.grey("test/\(name).png", [[0, 255]])
    }
    let index = try read(folder)
    #expect(index.entries.map(\.name) == ["0", "1"] && index.parts.isEmpty)
    #expect(index.notes[0].contains("(layout image-label), 2 samples"))
    #expect(index.notes.last == "\(folder.path): passed over 1 folder (test)")
    #expect(try read(folder, "train").listing == index.listing)
  }

  @Test func volumesAreStacksWithLabels() throws {
    let folder = try TemporaryFolder()
    let pages: [[[UInt8]]] = [[[1, 2]], [[3, 4]]]
    try folder.tiff("train-volume.tif", pages: pages)
    try folder.tiff("train-labels.tif", pages: [[[0, 255]], [[255, 0]]])
    try folder.tiff("test-volume.tif", pages: pages)
    let index = try read(folder)
    #expect(index.entries.map(\.name) == ["train-volume-0001", "train-volume-0002"])
    #expect(SampleGroups(index).members == [[0, 1]])
    #expect(try labels(index, 1) == [1, 0])
    #expect(index.notes.last == "\(folder.path): passed over 1 TIF file")
    try folder.tiff("test-labels.tif", pages: [[[0, 255]]])
    #expect(refusal(folder)?.kind == .pageCountsDiffer)
  }

  @Test func theMoreSpecificOfTwoIsTaken() throws {
    let folder = try TemporaryFolder()
    try folder.grey("images/a.png", [[1, 2, 3]])
    try folder.grey("masks/a.png", [[0, 1, 1]])
    try folder.grey("b.png", [[1, 2]])
    try folder.grey("b_mask.png", [[0, 1]])
    let index = try read(folder)
    #expect(index.entries.map(\.name) == ["a"])
    #expect(index.notes[0].hasSuffix("1 sample; side-by-side would fit too (--layout)"))
    #expect(index.notes[1] == "\(folder.path): passed over 2 PNG files")
    #expect(try read(folder, layout: "side-by-side").entries.map(\.name) == ["b"])
    let error = refusal(folder, layout: "nnunet")
    #expect(error?.expected.hasPrefix("dataset.json, imagesTr/") == true)
    #expect(error?.found == "2 PNG files, 2 folders (images, masks)")
  }

  @Test func aWrongFolderIsToldTheRules() throws {
    let folder = try TemporaryFolder()
    for name in ["a.png", "b.png", "c.gif", "d"] { try folder.text(name, "") }
    try folder.text(".hidden.png", "")
    try folder.text("more/x.txt", "")
    let error = refusal(folder)
    #expect(error?.kind == .missing)
    #expect(error?.expected.hasPrefix("a folder with images/ (or imgs/) and masks/") == true)
    for layout in DatasetLayouts.all {
      if layout.name != "images-masks" {
        #expect(error?.expected.contains(layout.name) == true)
      }
      // The rule of one that is named.
      let named = refusal(folder, layout: layout.name)
      #expect(named?.expected.contains("\(layout.rule) (\(layout.name))") == true)
    }
    #expect(error?.found == "2 PNG files, 1 GIF file, 1 extensionless file, 1 folder (more)")
    #expect(LayoutChoice(rawValue: "other") == nil)
  }

  @Test func partsAreFoldersOfOneLayout() throws {
    let folder = try TemporaryFolder()
    for (part, name) in [("train", "a"), ("train", "b"), ("val", "c")] {
      try folder.grey("\(part)/images/\(name).png", [[1, 2]])
      try folder.grey("\(part)/masks/\(name).png", [[0, 1]])
    }
    try folder.text("classes.json", #"{"classes": [{"value": 1, "name": "cell"}]}"#)
    let index = try read(folder)
    #expect(index.parts == [.training, .training, .validation])
    #expect(index.entries.map(\.name) == ["a", "b", "c"])
    #expect(index.notes[0].hasSuffix("3 samples, 1 of them for validation"))
    #expect(try index.classNames.read() == [MaskValue(grey: 1): "cell"])

    // A name in both parts is another image in each.
    try folder.grey("val/images/a.png", [[1, 2]])
    try folder.grey("val/masks/a.png", [[0, 1]])
    let shared = try read(folder)
    #expect(shared.entries.map(\.name) == ["train-a", "train-b", "val-a", "val-c"])
    #expect(SampleGroups(shared).members.count == 4)

    try FileManager.default.moveItem(
      atPath: folder.path + "/val/masks", toPath: folder.path + "/val/other")
    #expect(refusal(folder)?.path.hasSuffix("/val") == true)
  }
}

@Suite struct NNUNetLayoutTests {
  private func folder(
    _ json: String =
      #"{"channel_names": {"0": "a", "1": "b"}, "numTraining": 2, "file_ending": ".png", "#
      + #""labels": {"background": 0, "cell": 2, "whole": [1, 2], "ignore": 3}}"#
  ) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.text("dataset.json", json)
    for name in ["x_1", "y"] {
      try folder.grey("imagesTr/\(name)_0000.png", [[1, 2, 3]])
      try folder.grey("imagesTr/\(name)_0001.png", [[4, 5, 6]])
      try folder.grey("labelsTr/\(name).png", [[0, 2, 3]])
    }
    return folder
  }

  @Test func channelsAreFilesAndNamesComeFromTheDescription() throws {
    let folder = try folder()
    try folder.text("imagesTr/readme.md", "")
    let index = try read(folder, decoding: .unchanged)
    #expect(index.listing == ["x_1 3x1x2", "y 3x1x2"])
    #expect(index.ignored == MaskValue(grey: 3))
    let mapping = try ClassMapping(scanning: index)
    #expect(mapping.names == ["background", "cell"] && mapping.ignored == MaskValue(grey: 3))
    let dataset = try Dataset(index, mapping: mapping)
    #expect(try dataset.image(0).pixels == [1, 4, 2, 5, 3, 6].map { $0 / 255 })
    #expect(try dataset.image(0).labels == [0, 1, 255])
    #expect(index.notes.contains { $0.contains("no classes here: whole") })
    #expect(index.notes.last?.hasSuffix("passed over 1 MD file") == true)
  }

  @Test func whatIsIncompleteIsNamed() throws {
    let first = try folder()
    try first.grey("labelsTr/z.png")
    #expect(refusal(first)?.kind == .maskWithoutImage)
    // A list of channels is as good, and what is neither says nothing.
    for channels in [#"["a", "b"]"#, "7"] {
      let json = #"{"channel_names": \#(channels), "file_ending": ".png", "#
      let labels = #""labels": {"background": 0, "cell": 2, "ignore": 3}}"#
      #expect(try read(folder(json + labels)).entries.count == 2)
    }
    let wrong =
      #"{"channel_names": ["a"], "file_ending": ".png", "labels": {"x": 0, "y": 2, "z": 3}}"#
    #expect(try refusal(folder(wrong))?.kind == .channelsDiffer)
    let second = try folder()
    try FileManager.default.removeItem(atPath: second.path + "/labelsTr/y.png")
    #expect(refusal(second)?.kind == .imageWithoutMask)
    let third = try folder()
    try FileManager.default.removeItem(atPath: third.path + "/imagesTr/y_0000.png")
    #expect(refusal(third)?.kind == .channelsDiffer)
    let fourth = try folder()
    try FileManager.default.removeItem(atPath: fourth.path + "/imagesTr/y_0001.png")
    try fourth.grey("imagesTr/y_0001.png", [[1, 2]])
    let sizes = refusal(fourth)
    #expect(sizes?.kind == .sizesDiffer && sizes?.path.hasSuffix("y_0001.png") == true)
    let fifth = try folder(#"{"file_ending": ".nrrd", "labels": {}}"#)
    #expect(refusal(fifth)?.kind == .noImages)
  }

  @Test func theDescriptionIsHeldAgainstTheFiles() throws {
    func folder(_ channels: String, _ labels: String) throws -> TemporaryFolder {
      try self.folder(
        #"{"channel_names": {\#(channels)}, "file_ending": ".png", "labels": {\#(labels)}}"#)
    }
    let labels = #""background": 0, "cell": 2, "whole": [1, 2, 3]"#
    let three = refusal(try folder(#""0": "a", "1": "b", "2": "c""#, labels))
    #expect(three?.kind == .channelsDiffer && three?.path.hasSuffix("imagesTr") == true)
    #expect(three?.expected.hasPrefix("3 channels an image") == true)
    #expect(three?.found.hasPrefix("2 (2 files, such as ") == true)
    // A file of red, green and blue, as nnU-Net's own reader of PNG takes it.
    let colour = try folder(#""0": "R", "1": "G", "2": "B""#, labels)
    for name in ["x_1", "y"] {
      try FileManager.default.removeItem(atPath: colour.path + "/imagesTr/\(name)_0001.png")
      try FileManager.default.removeItem(atPath: colour.path + "/imagesTr/\(name)_0000.png")
      try colour.png(
        "imagesTr/\(name)_0000.png", .colour(width: 3, [[1, 2, 3], [4, 5, 6], [7, 8, 9]]))
    }
    #expect(try read(colour).channels == 3)
    // Values of regions are known; one that nothing names is not.
    let known = try read(folder(#""0": "a", "1": "b""#, labels))
    #expect(try ClassMapping(scanning: known).names == ["background", "cell", "value 3"])
    let index = try read(folder(#""0": "a", "1": "b""#, #""background": 0, "cell": 2, "late": 9"#))
    let stranger = #expect(throws: FileError.self) { try ClassMapping(scanning: index) }
    #expect(stranger?.kind == .unknownValue && stranger?.path.hasSuffix("x_1.png") == true)
    #expect(stranger?.expected.hasSuffix("dataset.json: 0, 2, 9") == true)
    #expect(stranger?.found == "3 in 1 pixel")
    let mapping = try ClassMapping(scanning: index, ignoring: MaskValue(grey: 3))
    #expect(mapping.names == ["background", "cell"])
    #expect(
      mapping.warnings.last?.hasSuffix("that no mask has, hence no classes: late (9)") == true)
  }

  @Test(arguments: [
    "", "{", "[]", #"{"labels": {"a": 0}}"#, #"{"file_ending": "", "labels": {}}"#,
    #"{"file_ending": ".png", "labels": {"a": "b"}}"#,
    #"{"file_ending": ".png", "labels": {"a": -1}}"#,
  ])
  func aBadDescriptionIsNamed(_ json: String) throws {
    #expect(refusal(try folder(json))?.path.hasSuffix("dataset.json") == true)
  }

  @Test func samplesOfSeveralTypesAreJoinedAsFractions() throws {
    let folder = try folder()
    for name in ["x_1", "y"] {
      try folder.png(
        "wide.png",
        Image(
          width: 3, height: 1, channels: 1, bitsPerSample: 16, samples: .uint16([0, 65535, 13107])))
      let place = folder.path + "/imagesTr/\(name)_0001.png"
      try FileManager.default.removeItem(atPath: place)
      try FileManager.default.moveItem(atPath: folder.path + "/wide.png", toPath: place)
    }
    let index = try read(folder, decoding: .unchanged)
    let dataset = try Dataset(index, mapping: ClassMapping(scanning: index))
    #expect(try dataset.image(1).pixels == [1 / 255, 0, 2 / 255, 1, 3 / 255, 0.2])
  }
}

@Suite struct NumberedObjectLayoutTests {
  @Test func framesOfCellTrackingHaveGoldOrSilverTruth() throws {
    let folder = try TemporaryFolder()
    for frame in ["000", "001", "002"] {
      try folder.tiff("01/t\(frame).tif", pages: [[[1, 2, 3, 4]]])
      try folder.tiff("02/t\(frame).tif", pages: [[[1, 2, 3, 4]], [[5, 6, 7, 8]]])
    }
    try folder.tiff("01_GT/SEG/man_seg000.tif", pages: [[[0, 7, 7, 9]]])
    try folder.tiff("01_ST/SEG/man_seg000.tif", pages: [[[5, 5, 5, 5]]])
    try folder.tiff("01_ST/SEG/man_seg002.tif", pages: [[[3, 0, 0, 0]]])
    try folder.tiff("01_GT/TRA/man_track000.tif", pages: [[[1, 1, 1, 1]]])
    try folder.tiff("02_GT/SEG/man_seg_001_001.tif", pages: [[[0, 0, 4, 0]]])
    try folder.tiff("02_GT/SEG/man_seg002.tif", pages: [[[0, 0, 0, 1]], [[0, 0, 1, 0]]])
    let index = try read(folder)
    #expect(
      index.entries.map(\.name) == [
        "01-t000", "01-t002", "02-t001_001", "02-t002-0001", "02-t002-0002",
      ])
    #expect(index.entries.map(\.imagePage) == [0, 0, 1, 0, 1])
    #expect(SampleGroups(index).members == [[0, 1], [2, 3, 4]])
    #expect(index.notes[1] == "frames: 6; masks of gold truth: 3, of silver truth: 1")
    #expect(index.notes.last == "\(folder.path): passed over 1 folder (TRA)")
    let mapping = try ClassMapping(scanning: index)
    #expect(mapping.names == ["background", "object"])
    let dataset = try Dataset(index, mapping: mapping)
    #expect(try dataset.image(0).labels == [0, 1, 1, 1])
    #expect(try dataset.instances(of: dataset.image(0)) == [0, 7, 7, 9])
    #expect(try dataset.instances(of: dataset.image(2)) == [0, 0, 4, 0])
    let borders = try Dataset(
      read(folder, decoding: Decoding(DecodedForm(instanceBorders: true))), mapping: mapping)
    #expect(try borders.image(0).labels == [0, 1, 0, 0])

    try folder.tiff("02_GT/SEG/man_seg_001_002.tif", pages: [[[0, 0, 4, 0]]])
    #expect(refusal(folder)?.kind == .pageCountsDiffer)
    try FileManager.default.removeItem(atPath: folder.path + "/02_GT/SEG/man_seg_001_002.tif")
    try folder.tiff("02_GT/SEG/man_seg009.tif", pages: [[[0, 0, 4, 0]]])
    #expect(refusal(folder)?.kind == .maskWithoutImage)
  }

  @Test func objectsOfTheDataScienceBowlAreComposed() throws {
    let folder = try TemporaryFolder()
    for id in ["a1", "b2"] {
      try folder.grey("\(id)/images/\(id).png", [[1, 2, 3, 4]])
      try folder.grey("\(id)/masks/0.png", [[255, 255, 0, 0]])
      try folder.grey("\(id)/masks/1.png", [[0, 255, 255, 0]])
    }
    let index = try read(folder)
    #expect(index.listing == ["a1 4x1x1", "b2 4x1x1"])
    #expect(index.notes[0].hasSuffix("(layout dsb2018), 2 samples"))
    #expect(
      index.notes.last == "pixels of several objects, each taken for the first one's: 2")
    let dataset = try Dataset(index, mapping: ClassMapping(scanning: index))
    #expect(try dataset.image(1).labels == [0, 0, 0, 1].map { 1 - $0 })
    #expect(try dataset.instances(of: dataset.image(1)) == [1, 1, 2, 0])

    try folder.grey("b2/masks/2.png", [[0, 255, 255]])
    let sizes = refusal(folder)
    #expect(sizes?.kind == .sizesDiffer && sizes?.path.hasSuffix("masks/2.png") == true)
    try FileManager.default.removeItem(atPath: folder.path + "/b2/masks")
    try folder.text("b2/masks/note.txt", "")
    #expect(refusal(folder)?.kind == .noImages)
    try folder.grey("b2/masks/0.png", [[255, 255, 0, 0]])
    try folder.grey("b2/images/other.png")
    #expect(refusal(folder)?.path.hasSuffix("b2/images") == true)
  }

  @Test func setsWithFoldersLikeTheirsAreNoObjects() throws {
    let folder = try TemporaryFolder()
    for place in ["", "old/"] {
      try folder.grey("\(place)images/old.png", [[1, 2]])
      try folder.grey("\(place)masks/old.png", [[0, 1]])
    }
    #expect(try read(folder).notes[0].contains("(layout images-masks), 1 sample"))
    let parts = try TemporaryFolder()
    for (part, name) in [("train", "train"), ("val", "v")] {
      try parts.grey("\(part)/images/\(name).png", [[1, 2]])
      try parts.grey("\(part)/masks/\(name).png", [[0, 1]])
    }
    #expect(try read(parts).parts == [.training, .validation])
  }

  @Test func aFolderWithoutMasksIsNamedAndOneOfNoneIsBackground() throws {
    let folder = try TemporaryFolder()
    for id in ["a1", "b2"] {
      try folder.grey("\(id)/images/\(id).png", [[1, 2, 3, 4]])
      try folder.grey("\(id)/masks/0.png", [[255, 255, 0, 0]])
    }
    // What archivers leave behind, and an image of another name than its folder's.
    try folder.text("__MACOSX/a1/._a1.png", "")
    try folder.grey("c3/images/other.png", [[1, 2, 3, 4]])
    try folder.place("c3/masks/.DS_Store")
    let index = try read(folder)
    #expect(index.entries.map(\.name) == ["a1", "b2", "c3"])
    #expect(index.notes[1] == "images whose masks/ is empty, all background: 1 of 3")
    #expect(index.notes.last == "\(folder.path): passed over 1 folder (__MACOSX)")
    let dataset = try Dataset(index, mapping: ClassMapping(scanning: index))
    #expect(try dataset.image(1).labels == [1, 1, 0, 0])
    #expect(try dataset.image(2).labels == [0, 0, 0, 0])
    #expect(try dataset.instances(of: dataset.image(2)) == [0, 0, 0, 0])

    // Folders are no objects, and not nothing.
    try folder.grey("c3/masks/inner/0.png", [[255, 255, 0, 0]])
    #expect(refusal(folder)?.path == folder.path + "/c3/masks")
    try FileManager.default.removeItem(atPath: folder.path + "/c3")

    try folder.grey("d4/images/d4.png", [[1, 2, 3, 4]])
    let error = refusal(folder)
    #expect(error?.kind == .imageWithoutMask && error?.path == folder.path + "/d4")
    try FileManager.default.removeItem(atPath: folder.path + "/d4/images")
    try folder.grey("d4/masks/0.png", [[1, 2, 3, 4]])
    #expect(refusal(folder)?.kind == .maskWithoutImage)
  }
}

@Suite struct ManifestLayoutTests {
  private func folder(_ text: String) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for place in ["one/a", "two/a", "two/b"] {
      try folder.grey("\(place).png", [[1, 2]])
      try folder.grey("truth/\(place).png", [[0, 9]])
    }
    try folder.text("set.csv", text)
    return folder
  }

  @Test func linesNameFilesGroupsAndParts() throws {
    let folder = try folder(
      """
      image,split,mask,group
      one/a.png,train,truth/one/a.png,g
      two/a.png,VAL,./truth/two/a.png,h
      two/b.png,train,truth/two/b.png,g
      two/none.png,test,none.png,
      """)
    let index = try read(folder, "set.csv")
    #expect(index.entries.map(\.name) == ["one-a", "two-a", "two-b"])
    #expect(SampleGroups(index).names == ["g", "h", "g"])
    #expect(index.parts == [.training, .validation, .training])
    #expect(index.notes[0].hasSuffix("(layout manifest), 3 samples, 1 of them for validation"))
    #expect(index.notes.last?.hasSuffix("passed over lines of the split test: 1") == true)
    // Lines for tests are looked at when somebody asks for them.
    let found = try FoundSamples.folder(folder.path + "/set.csv")
    #expect(throws: FileError.self) { try found.part(.test, path: "") }
    let validated = try SampleIndex(found.part(.validation, path: ""))
    #expect(validated.entries.map(\.name) == ["two-a"])
    #expect(validated.notes.contains("scored: the 1 of the part val"))
    let named = try read(folder, "set.csv", layout: "manifest")
    #expect(named.entries == index.entries && named.notes == index.notes)
    #expect(refusal(folder, "set.csv", layout: "side-by-side")?.found == "a file")
  }

  @Test func whatIsScored() throws {
    func names(_ text: String, _ part: SamplePart? = nil) throws -> ([String], [String]) {
      let folder = try folder(text)
      let found = try FoundSamples.folder(folder.path + "/set.csv").part(part, path: "set")
      let index = try SampleIndex(found)
      return (index.entries.map(\.name), index.notes)
    }
    let lines = [
      "one/a.png,truth/one/a.png", "two/a.png,truth/two/a.png", "two/b.png,truth/two/b.png",
    ]
    func table(_ parts: [String]) -> String {
      "image,mask,split\n" + zip(lines, parts).map { "\($0),\($1)\n" }.joined()
    }
    // What is kept for tests, or else everything, and it is said which.
    let (tested, testNotes) = try names(table(["train", "val", "test"]))
    #expect(tested == ["two-b"])
    #expect(testNotes.contains { $0.hasPrefix("scored: the 1 of the part test, in ") })
    #expect(!testNotes.contains { $0.contains("passed over lines") })
    let (all, allNotes) = try names(table(["train", "train", "val"]))
    #expect(all == ["one-a", "two-a", "two-b"])
    #expect(allNotes.contains { $0.hasPrefix("scored: 2 of train and 1 of val, of which") })
    let (plain, plainNotes) = try names("image,mask\n" + lines.map { $0 + "\n" }.joined())
    #expect(plain.count == 3 && !plainNotes.contains { $0.hasPrefix("scored") })
    #expect(try names(table(["train", "val", "test"]), .training).0 == ["one-a"])
    let error = #expect(throws: FileError.self) {
      try names(table(["train", "train", "val"]), .test)
    }
    #expect(error?.path == "set" && error?.found == "train, val")
  }

  @Test func aFolderForTests() throws {
    let folder = try TemporaryFolder()
    for (part, name) in [("train", "a"), ("val", "b"), ("test", "a")] {
      try folder.grey("\(part)/images/\(name).png", [[1, 2]])
      try folder.grey("\(part)/masks/\(name).png", [[0, 9]])
    }
    let found = try FoundSamples.folder(folder.path)
    let trained = try SampleIndex(found)
    #expect(trained.entries.map(\.name) == ["a", "b"])
    #expect(trained.notes.contains("\(folder.path)/test: kept for tests (evaluate)"))
    #expect(!trained.notes.contains { $0.contains("passed over") })
    let tested = try SampleIndex(found.part(nil, path: folder.path))
    #expect(tested.entries.map(\.imagePath) == ["\(folder.path)/test/images/a.png"])
    // Images alone, without masks, are nothing to be scored on.
    try FileManager.default.removeItem(atPath: folder.path + "/test/masks")
    let all = try SampleIndex(FoundSamples.folder(folder.path).part(nil, path: folder.path))
    #expect(all.entries.map(\.name) == ["a", "b"])
    #expect(all.notes.contains { $0.hasPrefix("scored: 1 of train and 1 of val") })
  }

  @Test(arguments: [
    "image;mask;split\none/a.png;truth/one/a.png;train\n",
    "IMAGE, Mask , Split\none/a.png, truth/one/a.png,train\n",
    "\u{FEFF}image\tmask\tsplit\r\none/a.png\ttruth/one/a.png\ttrain\r\n\t\t\r\n",
    "\"image\";\"mask\";\"split\"\n\"one/a.png\";\"truth/one/a.png\";\"train\"\n;;\n",
  ])
  func spreadsheetsWriteThemSo(_ text: String) throws {
    let folder = try folder(text)
    let index = try read(folder, "set.csv")
    #expect(index.entries.map(\.name) == ["a"])
    try FileManager.default.moveItem(
      atPath: folder.path + "/set.csv", toPath: folder.path + "/set.TSV")
    #expect(try read(folder, "set.TSV").listing == index.listing)
  }

  @Test func linesWithoutAPartAreTrainedOn() throws {
    let some = try read(
      folder(
        "image,mask,split\none/a.png,truth/one/a.png,\ntwo/a.png,truth/two/a.png,val\n"
          + "two/b.png,truth/two/b.png,\n"), "set.csv")
    #expect(some.parts == [.training, .validation, .training])
    #expect(
      some.notes.last?.hasSuffix("lines with an empty split, which are trained on: 2") == true)
    // Where no line says what is trained or validated on, the set is divided as any other.
    let none = try read(
      folder("image,mask,split\none/a.png,truth/one/a.png,\ntwo/b.png,truth/two/b.png,test\n"),
      "set.csv")
    #expect(none.entries.map(\.name) == ["a"] && none.parts.isEmpty)
    #expect(!none.notes.contains { $0.contains("trained on") })
  }

  @Test func aTableOfTestsAloneIsForEvaluation() throws {
    let folder = try folder("image,mask,split\none/a.png,truth/one/a.png,test\n")
    let found = try FoundSamples.folder(folder.path + "/set.csv")
    let error = #expect(throws: FileError.self) {
      try found.requireSamples(path: folder.path + "/set.csv")
    }
    #expect(error?.found == "samples for tests alone")
    let scored = try SampleIndex(found.part(nil, path: folder.path + "/set.csv"))
    #expect(scored.entries.map(\.name) == ["a"])
    try folder.text("set.csv", "image,mask\n")
    #expect(refusal(folder, "set.csv")?.kind == .noImages)
  }

  @Test func stemsAreNamesWhereTheyAreUnique() throws {
    let folder = try folder("image,mask\none/a.png,truth/one/a.png\ntwo/b.png,truth/two/b.png\n")
    let index = try read(folder, "set.csv")
    #expect(index.entries.map(\.name) == ["a", "b"] && index.parts.isEmpty)
    #expect(SampleGroups(index).members == [[0], [1]])
  }

  @Test(arguments: [
    ("image,label\none/a.png,truth/one/a.png\n", "set.csv"),
    ("image,mask\none/a.png,\n", "set.csv"), ("image,mask;split\n", "set.csv"),
    ("Image,IMAGE,mask\na,b,c\n", "set.csv"),
    ("image,mask,split\none/a.png,truth/one/a.png,later\n", "set.csv"),
    ("image,mask\none/a.png,truth/none.png\n", "truth/none.png"),
    ("image,mask\none/a.png,one/a.png\n", "one/a.png"),
    ("image,mask\none/a.png,truth/one/a.png\none/a.png,truth/one/a.png\n", "one/a.png"),
  ])
  func whatIsWrongIsNamed(_ text: String, _ path: String) throws {
    let error = refusal(try folder(text), "set.csv")
    #expect(error?.path.hasSuffix(path) == true, "\(String(describing: error))")
  }
}
