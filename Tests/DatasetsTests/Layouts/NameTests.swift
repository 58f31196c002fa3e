// Names of folders and files that differ by case, and files of channels and parts in other places.

import Datasets
import Files
import Foundation
import Imaging
import Testing

/// Makes an empty file whose name is "xä" in Latin-1, which is no text in UTF-8, and an ending.
private func foreignFile(in folder: String, ending: String) throws {
  let path = Array((folder + "/x").utf8) + [0xE4] + Array(ending.utf8) + [0]
  let file = open(path.map { CChar(bitPattern: $0) }, O_CREAT | O_WRONLY, 0o644)
  try #require(file != -1)
  close(file)
}

@Suite struct NameTests {
  @Test func caseMakesNoDifferenceWhereNothingElseIsThere() throws {
    let folder = try TemporaryFolder()
    try folder.grey("Images/A.png", [[1, 2]])
    try folder.grey("Images/b.png", [[1, 2]])
    try folder.grey("MASKS/a_Mask.PNG", [[0, 9]])
    try folder.grey("MASKS/B.png", [[9, 0]])
    try folder.grey("Instances/a.png", [[0, 1]])
    try folder.grey("Instances/B.png", [[1, 0]])
    let index = try read(folder)
    #expect(index.entries.map(\.name) == ["A", "b"] && index.hasInstances)
    #expect(try labels(index, 0) == [0, 1])
    #expect(try labels(index, 1) == [1, 0])
    // Of two folders that differ by case alone none is taken.
    try folder.grey("masks_/x.png")
    try FileManager.default.moveItem(
      atPath: folder.path + "/masks_", toPath: folder.path + "/Masks")
    #expect(refusal(folder)?.found == "4 folders (Images, Instances, MASKS, Masks)")
    // One that is called so exactly is.
    try folder.grey("masks/A.png", [[9, 0]])
    try folder.grey("masks/b.png", [[9, 0]])
    #expect(try labels(read(folder), 0) == [1, 0])
  }

  @Test func imagesThatDifferByCaseAloneAreToldApartByExactNames() throws {
    let folder = try TemporaryFolder()
    for name in ["ab", "AB"] {
      try folder.grey("images/\(name).png", [[1, 2]])
      try folder.grey("masks/\(name)_mask.png", name == "ab" ? [[0, 9]] : [[9, 0]])
    }
    let index = try read(folder)
    #expect(index.entries.map(\.name) == ["AB", "ab"])
    #expect(try labels(index, 0) == [1, 0])
    #expect(try labels(index, 1) == [0, 1])
    try FileManager.default.moveItem(
      atPath: folder.path + "/masks/ab_mask.png", toPath: folder.path + "/masks/Ab.png")
    let error = refusal(folder)
    #expect(error?.kind == .maskWithoutImage)
    #expect(error?.found == "AB and ab, which differ by case alone")
  }

  @Test func masksOfOMEFilesMayBeCalledAfterAllOfTheName() throws {
    let folder = try TemporaryFolder()
    for (name, mask) in [("a", "a.ome_mask.png"), ("b", "b.ome_cp_masks.png"), ("c", "c.ome.png")] {
      try folder.tiff("images/\(name).ome.tif", pages: [[[1, 2]]])
      try folder.grey("masks/\(mask)", [[0, 1]])
    }
    #expect(try read(folder).entries.map(\.name) == ["a", "b", "c"])
    try folder.tiff("beside/d.ome.tif", pages: [[[1, 2]]])
    try folder.grey("beside/d.ome_mask.png", [[0, 1]])
    #expect(try read(folder, "beside").entries.map(\.name) == ["d"])
  }

  @Test func anImageMayBeCalledAsAMaskOfAnotherOne() throws {
    let folder = try TemporaryFolder()
    for name in ["liver", "liver-seg"] {
      try folder.grey("\(name).png", [[1, 2]])
      try folder.grey("\(name)_mask.png", name == "liver" ? [[0, 9]] : [[9, 0]])
    }
    let index = try read(folder)
    #expect(index.entries.map(\.name) == ["liver", "liver-seg"])
    #expect(index.notes.contains { $0.contains("liver-seg.png: taken for an image, as it has a") })
    #expect(try labels(index, 0) == [0, 1])
    #expect(try labels(index, 1) == [1, 0])
    // Without a mask of its own it is one too many.
    try FileManager.default.removeItem(atPath: folder.path + "/liver-seg_mask.png")
    #expect(refusal(folder)?.kind == .twoMasks)
  }

  /// A name in another encoding, in whatever folder of a layout, is what the error is about.
  @Test(arguments: [
    "images", "Images", "imgs", "masks", "Masks", "image", "label", "01_GT/SEG", "train",
    "train/images", "validation", "images/train", "a/images",
  ])
  func namesInAnotherEncodingAreNamed(_ place: String) throws {
    let folder = try TemporaryFolder()
    let others = [
      "images": ["masks"], "Images": ["masks"], "imgs": ["masks"], "masks": ["images"],
      "Masks": ["images"], "image": ["label"], "label": ["image"], "01_GT/SEG": ["01"],
      "train": ["validation"], "train/images": ["train/masks"], "validation": ["train"],
      "images/train": ["masks/train"], "a/images": ["a/masks"],
    ]
    let isBeside = ["train", "validation"].contains(place)
    for part in [place] + (others[place] ?? []) {
      let mask = part == "01_GT/SEG"
      try folder.grey("\(part)/\(mask ? "man_seg000" : part == "01" ? "t000" : "a").png")
      if isBeside { try folder.grey("\(part)/a_mask.png") }
    }
    _ = try read(folder)
    try foreignFile(in: folder.path + "/" + place, ending: ".png")
    let error = refusal(folder)
    #expect(error?.expected == "names in UTF-8", "\(String(describing: error))")
    #expect(error?.path == folder.path + "/" + place)
  }

  @Test func extensionsOfMicroscopesAreKnown() throws {
    let folder = try TemporaryFolder()
    for ending in ["lsm", "stk", "svs"] {
      try folder.tiff("images/\(ending).\(ending)", pages: [[[1, 2]]])
      try folder.grey("masks/\(ending).png", [[0, 1]])
    }
    #expect(try read(folder).entries.map(\.name) == ["lsm", "stk", "svs"])
  }

  @Test func usualNamesOfLabelsGoBeforeOthers() throws {
    let folder = try TemporaryFolder()
    for place in ["image", "label", "gt"] { try folder.grey("\(place)/a.png", [[0, 1]]) }
    let index = try read(folder)
    #expect(index.entries.map(\.maskPath) == ["\(folder.path)/label/a.png"])
    #expect(index.notes.last == "\(folder.path): passed over 1 folder (gt)")
    try folder.grey("seg/a.png", [[0, 1]])
    let error = refusal(folder)
    #expect(error?.kind == .twoMasks && error?.found == "label and seg")
  }

  @Test func imagesHaveSuffixesToo() throws {
    let folder = try TemporaryFolder()
    for number in 1...2 {
      try folder.grey("00\(number)_img.png", [[1, 2]])
      try folder.grey("00\(number)_masks.png", [[0, 1]])
      try folder.grey("in/images/00\(number)_img.png", [[1, 2]])
      try folder.grey("in/masks/00\(number).png", [[0, 1]])
    }
    #expect(try read(folder).entries.map(\.name) == ["001_img", "002_img"])
    #expect(try read(folder, "in").entries.map(\.name) == ["001_img", "002_img"])
    // The mask is that of the image without the suffix, and the other one has none.
    try folder.grey("001.png", [[1, 2]])
    let error = refusal(folder)
    #expect(error?.kind == .imageWithoutMask && error?.path.hasSuffix("001_img.png") == true)
  }

  @Test func volumesMayHaveALine() throws {
    let folder = try TemporaryFolder()
    try folder.tiff("train_Volume.tif", pages: [[[1, 2]], [[3, 4]]])
    try folder.tiff("train_labels.tif", pages: [[[0, 255]], [[255, 0]]])
    let index = try read(folder)
    #expect(index.entries.map(\.name) == ["train_Volume-0001", "train_Volume-0002"])
    #expect(try labels(index, 1) == [1, 0])
  }

  @Test(arguments: ["images", "Labels"])
  func theOtherWordsForFoldersAreKnown(_ word: String) throws {
    let folder = try TemporaryFolder()
    try folder.grey("\(word == "images" ? "images" : "Img")/a.png", [[1, 2]])
    try folder.grey("\(word == "images" ? "GT" : word)/a.png", [[0, 1]])
    let index = try read(folder)
    #expect(index.notes[0].hasSuffix("(layout image-label), 1 sample"))
  }

  @Test(arguments: ["ome.tif", "OME.TIFF", "nii.gz"])
  func extensionsOfTwoPartsAreOne(_ ending: String) throws {
    let folder = try TemporaryFolder()
    try folder.tiff("images/a.b.tif", pages: [[[1, 2]]])
    try FileManager.default.moveItem(
      atPath: folder.path + "/images/a.b.tif", toPath: folder.path + "/images/a.b.\(ending)")
    try folder.grey("masks/a.b.png", [[0, 1]])
    #expect(try read(folder).entries.map(\.name) == ["a.b"])
    #expect(try SampleIndex.images([folder.path + "/images"]).entries.map(\.name) == ["a.b"])
    #expect(ImageFile.nameExtension("x/a.b.\(ending)") == ending)
    if ending != "nii.gz" {
      try FileManager.default.moveItem(
        atPath: folder.path + "/masks/a.b.png", toPath: folder.path + "/masks/a.b.OME.png")
      #expect(try read(folder).entries.map(\.name) == ["a.b"])
    }
  }
}

@Suite struct ChannelFileTests {
  @Test func filesAreChannelsWhereMasksAreCalledAfterTheImage() throws {
    let folder = try TemporaryFolder()
    for name in ["a", "b_1"] {
      try folder.grey("images/\(name)_0000.png", [[1, 2]])
      try folder.grey("images/\(name)_0001.png", [[3, 4]])
      try folder.grey("masks/\(name)_mask.png", [[0, 1]])
    }
    let index = try read(folder, decoding: .unchanged)
    #expect(index.listing == ["a 2x1x2", "b_1 2x1x2"])
    #expect(
      index.notes[1]
        == "\(folder.path)/images: 2 images of 2 files each, NAME_0000 and on, one a channel")
    let dataset = try Dataset(index, mapping: ClassMapping(scanning: index))
    #expect(try dataset.image(0).pixels == [1, 3, 2, 4].map { $0 / 255 })
    let pair = try SampleIndex.pair(images: folder.path + "/images", masks: folder.path + "/masks")
    #expect(pair.listing == index.listing)

    try FileManager.default.removeItem(atPath: folder.path + "/images/b_1_0000.png")
    let error = refusal(folder)
    #expect(error?.kind == .channelsDiffer && error?.found == "none for the channel 0")
  }

  @Test func framesWithMasksOfTheirOwnAreImages() throws {
    let folder = try TemporaryFolder()
    for number in 0...2 {
      try folder.grey("images/film_000\(number).png", [[1, 2]])
      try folder.grey("masks/film_000\(number).png", [[0, 1]])
    }
    #expect(try read(folder).listing == (0...2).map { "film_000\($0) 2x1x1" })
    // A mask of the film beside those of frames leaves it open.
    try folder.grey("masks/film.png", [[0, 1]])
    let error = refusal(folder)
    #expect(error?.kind == .maskWithoutImage && error?.path.hasSuffix("film.png") == true)
  }
}

@Suite struct InnerPartsTests {
  @Test(arguments: [
    ("images/train", "masks/train", "images/val", "masks/val"),
    ("Imgs/training", "Labels/train", "Imgs/valid", "Labels/validation"),
    ("train_images", "train_masks", "val_images", "val_masks"),
    ("images-train", "labels-train", "images-val", "labels-val"),
  ])
  func partsLieInTheFoldersOfImagesAndMasks(
    _ images: String, _ masks: String, _ validImages: String, _ validMasks: String
  ) throws {
    let folder = try TemporaryFolder()
    for (place, name) in [(images, "a"), (images, "b"), (validImages, "a")] {
      try folder.grey("\(place)/\(name).png", [[1, 2]])
    }
    for (place, name) in [(masks, "a"), (masks, "b"), (validMasks, "a")] {
      try folder.grey("\(place)/\(name)_mask.png", [[0, 1]])
    }
    let index = try read(folder)
    #expect(index.entries.map(\.name) == ["train-a", "train-b", "val-a"])
    #expect(index.parts == [.training, .training, .validation])
    #expect(index.notes[0].hasSuffix("(layout inner-parts), 3 samples, 1 of them for validation"))
    #expect(index.notes.count == 1)

    try FileManager.default.removeItem(atPath: folder.path + "/" + validMasks)
    #expect(refusal(folder)?.path == folder.path + "/" + validImages)
  }

  @Test func imagesForTestsAreKept() throws {
    let folder = try TemporaryFolder()
    for part in ["train", "test"] {
      try folder.grey("images/\(part)/\(part).png", [[1, 2]])
      try folder.grey("masks/\(part)/\(part).png", [[0, 1]])
    }
    let found = try FoundSamples.folder(folder.path)
    #expect(try SampleIndex(found).entries.map(\.name) == ["train"])
    #expect(
      try SampleIndex(found.part(nil, path: folder.path)).entries.map(\.name) == ["test"])
    // Without masks they are there to be predicted.
    try FileManager.default.removeItem(atPath: folder.path + "/masks/test")
    #expect(try read(folder).notes.last == "\(folder.path): passed over 1 folder (test)")
  }

  @Test func objectsOfPartsAreNumbered() throws {
    let folder = try TemporaryFolder()
    for place in ["images/train", "masks/train", "instances/train", "images/test", "masks/test"] {
      try folder.grey("\(place)/a.png", [[0, 1]])
    }
    try folder.grey("instances/test/a.png", [[0, 1]])
    let index = try read(folder)
    #expect(index.hasInstances && index.notes.count == 2)
    #expect(try FoundSamples.folder(folder.path).part(.test, path: "").hasInstances)
  }

  /// Images that lie in `images/` itself are the set, whatever lies beside it.
  @Test func partsBesideASetAreNamedAndNotTaken() throws {
    let folder = try TemporaryFolder()
    for place in ["images/a", "images/b", "masks/a", "masks/b", "train_images/c", "train_masks/c"] {
      try folder.grey("\(place).png", [[0, 1]])
    }
    let index = try read(folder)
    #expect(index.entries.map(\.name) == ["a", "b"])
    #expect(index.notes[0].hasSuffix("2 samples; inner-parts would fit too (--layout)"))
    #expect(try read(folder, layout: "inner-parts").entries.map(\.name) == ["c"])
    #expect(try read(folder, layout: "images-masks").entries.map(\.name) == ["a", "b"])
  }

  @Test func twoFoldersOfMasksAreRefused() throws {
    let folder = try TemporaryFolder()
    try folder.grey("images/train/a.png")
    try folder.grey("masks/train/a.png")
    try folder.grey("labels/train/a.png")
    let error = refusal(folder)
    #expect(error?.kind == .twoMasks)
    #expect(error?.found.contains("labels/train") == true)
    // Images in the folder itself are the set, and the folder in it is passed over.
    try folder.grey("images/a.png")
    try folder.grey("masks/a.png")
    #expect(try read(folder).notes.last?.contains("passed over 3 folders") == true)
  }
}

@Suite struct PassedOverTests {
  @Test func twoFoldersTellWhatTheyPassOver() throws {
    let folder = try TemporaryFolder()
    try folder.grey("x/a.png")
    try folder.grey("y/a.png")
    let (images, masks) = (folder.path + "/x", folder.path + "/y")
    #expect(try SampleIndex.pair(images: images, masks: masks).notes.isEmpty)
    try folder.text("x/b.czi", "")
    try folder.text("y/old/c.png", "")
    #expect(
      try SampleIndex.pair(images: images, masks: masks).notes == [
        "\(images), \(masks): passed over 1 CZI file, 1 folder (old)"
      ])
  }

  @Test func predictionGoesOnBesideNamesThatCannotBe() throws {
    let folder = try TemporaryFolder()
    try folder.grey("a.png")
    try folder.grey("b.png")
    try folder.tiff("b.tif", pages: [[[1]]])
    try folder.tiff("c-0001.tif", pages: [[[1]]])
    try folder.tiff("c.tif", pages: [[[1]], [[2]]])
    for ending in [".png", ".txt"] { try foreignFile(in: folder.path, ending: ending) }
    #expect(throws: FileError.self) { try SampleIndex.images([folder.path]) }
    let index = try SampleIndex.images([folder.path, folder.path + "/a.png"], keepsGoing: true)
    #expect(index.entries.map(\.name) == ["a"])
    #expect(index.unreadable.map(\.name).sorted() == ["b", "b", "c", "c-0001", "x\u{FFFD}"])
    let errors = index.unreadable.map(\.error.description)
    #expect(errors.contains { $0.contains("in another encoding; rename it") })
    #expect(errors.contains { $0.contains("b.png: expected one sample called b") })
    #expect(errors.contains { $0.contains("c.tif: expected one sample called c-0001") })
    let named = #expect(throws: FileError.self) {
      try SampleIndex.images([folder.path + "/x\u{FFFD}.png"])
    }
    #expect(named?.found.contains("in another encoding") == true)
  }
}
