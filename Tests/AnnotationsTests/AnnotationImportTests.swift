// Annotations of each program turned into a data set, and what is left out.

import Annotations
import Files
import Foundation
import Imaging
import TestSupport
import Testing

/// Imports `source` of a folder into `out` there.
func imported(_ folder: String, _ source: String, images: String? = nil) throws -> AnnotationImport
{
  try AnnotationImport(
    AnnotationSource.read(folder + "/" + source, images: images.map { folder + "/" + $0 }),
    to: folder + "/out")
}

/// The refusal of what is in `source` of a folder.
func refusal(
  _ folder: String, _ source: String, sourceLocation: SourceLocation = #_sourceLocation
) -> FileError? {
  #expect(throws: FileError.self, sourceLocation: sourceLocation) {
    try imported(folder, source)
  }
}

private func write(_ text: String, _ path: String) throws {
  try Data(text.utf8).write(to: URL(fileURLWithPath: path))
}

@Suite struct COCOImportTests {
  private static let text = #"""
    {"info": {}, "categories": [{"id": 7, "name": "late"}, {"id": 3, "name": "early"}],
     "images": [{"id": 1, "file_name": "a.png", "width": 4, "height": 3},
                {"id": 2, "file_name": "sub/b.png", "width": 2, "height": 2},
                {"id": 3, "file_name": "gone.png", "width": 2, "height": 2}],
     "annotations": [
       {"id": 1, "image_id": 1, "category_id": 7, "segmentation": [[0, 0, 2, 0, 2, 2, 0, 2], [3, 0, 4, 0, 4, 1, 3, 1]]},
       {"id": 2, "image_id": 1, "category_id": 3, "iscrowd": 1, "segmentation": {"size": [3, 4], "counts": [4, 5, 3]}},
       {"id": 3, "image_id": 1, "category_id": 3, "segmentation": {"size": [3, 4], "counts": "912"}},
       {"id": 4, "image_id": 1, "category_id": 3, "segmentation": [[9, 9, 12, 9, 12, 12]]},
       {"id": 5, "image_id": 1, "category_id": 3, "segmentation": {"size": [2, 4], "counts": [4, 4]}},
       {"id": 6, "image_id": 1, "category_id": 3, "segmentation": {"size": [2, 4], "counts": [4, 5]}},
       {"id": 7, "image_id": 1, "category_id": 3, "segmentation": [[1, 2, 3]]},
       {"id": 8, "image_id": 1, "category_id": 3, "bbox": [0, 0, 1, 1]},
       {"id": 9, "image_id": 9, "category_id": 3, "segmentation": []},
       {"id": 10, "image_id": 1, "category_id": 9, "segmentation": []}]}
    """#

  @Test func polygonsAndRunsBecomeMasksAndInstances() throws {
    try withTemporaryFolder { folder in
      try write(Self.text, folder + "/coco.json")
      try writePNG(folder + "/pictures/a.png", width: 4, height: 3)
      try writePNG(folder + "/pictures/sub/b.png", width: 2, height: 2)
      let result = try imported(folder, "coco.json", images: "pictures")
      #expect(result.imageCount == 2 && result.objectCount == 2)
      #expect(try values(folder + "/out/masks/a.png") == [2, 2, 1, 2, 2, 2, 1, 0, 0, 1, 1, 0])
      #expect(try values(folder + "/out/instances/a.png") == [1, 1, 2, 1, 1, 1, 2, 0, 0, 2, 2, 0])
      #expect(try values(folder + "/out/masks/b.png") == [0, 0, 0, 0])
      #expect(
        try String(contentsOfFile: folder + "/out/classes.json", encoding: .utf8)
          == #"{"classes": [{"value": 0, "name": "background"}, {"value": 1, "name": "early"}, "#
          + #"{"value": 2, "name": "late"}]}"# + "\n")
      #expect(
        try Data(contentsOf: URL(fileURLWithPath: folder + "/out/images/b.png"))
          == Data(contentsOf: URL(fileURLWithPath: folder + "/pictures/sub/b.png")))
      #expect(
        result.notes == [
          "left out (1): annotations of categories that are not listed",
          "left out (1): annotations of images that are not listed",
          "left out (3): annotations without a segmentation that can be read",
          "left out (1): images that are not there, such as \(folder)/pictures/gone.png",
          "left out (1): objects that lie behind others",
          "left out (1): objects without a pixel inside their image",
          "left out (1): run lengths of another size than their image",
          "regions of crowds, each taken for one object: 1",
          "pixels of several objects, each taken for the first one's: 2",
        ])
      // Never into a folder that has something in it.
      #expect(throws: FileError.self) { try imported(folder, "coco.json", images: "pictures") }
    }
  }

  /// Imports annotations of one image of 4 x 3 pixels, called a.png.
  private func importedOne(
    _ annotations: String, categories: String = #"{"id": 3, "name": "x"}"#,
    image: String = #""id": 1, "file_name": "a.png""#, in folder: String
  ) throws -> AnnotationImport {
    try write(
      #"{"images": [{\#(image)}], "categories": [\#(categories)], "annotations": [\#(annotations)]}"#,
      folder + "/coco.json")
    try writePNG(folder + "/a.png", width: 4, height: 3)
    try? FileManager.default.removeItem(atPath: folder + "/out")
    return try imported(folder, "coco.json")
  }

  /// A square of the first two columns and rows.
  private static let square = "[0, 0, 2, 0, 2, 2, 0, 2]"
  private static let squareValues = [1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0]

  @Test func aPolygonThatIsNoneLeavesTheOthers() throws {
    try withTemporaryFolder { folder in
      let result = try importedOne(
        #"{"image_id": 1, "category_id": 3, "segmentation": [\#(Self.square), [3, 2, 4, 2]]}"#,
        in: folder)
      #expect(try values(folder + "/out/masks/a.png") == Self.squareValues)
      #expect(result.notes == ["left out (1): polygons that are none, of objects with others"])
    }
  }

  @Test func idsMayBeTextAndSizesMissing() throws {
    try withTemporaryFolder { folder in
      for (id, other) in [(#""1""#, "1"), ("1", #""1""#), (#""x1""#, #""x1""#)] {
        _ = try importedOne(
          #"{"image_id": \#(id), "category_id": "3", "segmentation": [\#(Self.square)]}"#,
          image: #""id": \#(other), "file_name": "a.png""#, in: folder)
        #expect(try values(folder + "/out/masks/a.png") == Self.squareValues)
      }
      // The key that is missed is named.
      let error = #expect(throws: FileError.self) {
        try importedOne("", image: #""id": 1, "width": 4"#, in: folder)
      }
      #expect(error?.found == #"no "file_name" in images[0]"#)
      let type = #expect(throws: FileError.self) {
        try importedOne("", image: #""id": 1, "file_name": "a.png", "width": "4""#, in: folder)
      }
      #expect(type?.found == "another type at images[0].width")
    }
  }

  @Test func theCategoryBackgroundIsTheBackground() throws {
    try withTemporaryFolder { folder in
      let result = try importedOne(
        #"{"image_id": 1, "category_id": 0, "segmentation": [[0, 0, 4, 0, 4, 3, 0, 3]]},"#
          + #"{"image_id": 1, "category_id": 3, "segmentation": [\#(Self.square)]}"#,
        categories: #"{"id": 0, "name": "Background"}, {"id": 3, "name": "x"}"#, in: folder)
      #expect(try values(folder + "/out/masks/a.png") == Self.squareValues)
      #expect(
        try String(contentsOfFile: folder + "/out/classes.json", encoding: .utf8)
          == #"{"classes": [{"value": 0, "name": "background"}, {"value": 1, "name": "x"}]}"# + "\n"
      )
      #expect(
        result.notes == [
          "left out (1): annotations of the category background, which is what no object has"
        ])
    }
  }

  @Test func separatorsOfWindowsAreRead() throws {
    try withTemporaryFolder { folder in
      try writePNG(folder + "/sub/b.png", width: 4, height: 3)
      _ = try importedOne(
        #"{"image_id": 1, "category_id": 3, "segmentation": [\#(Self.square)]}"#,
        image: #""id": 1, "file_name": "sub\\b.png""#, in: folder)
      #expect(try values(folder + "/out/masks/b.png") == Self.squareValues)
      // A file may be called so.
      try writePNG(folder + "/sub\\b.png", width: 4, height: 3)
      _ = try importedOne("", image: #""id": 1, "file_name": "sub\\b.png""#, in: folder)
      #expect(FileManager.default.fileExists(atPath: folder + "/out/masks/sub\\b.png"))
    }
  }

  @Test func aTurnedImageIsNamed() throws {
    try withTemporaryFolder { folder in
      // A TIFF of 1 x 2 stored pixels whose first row is its right side.
      let fields = [
        (256, 2), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8 + 2 + 12 * 10 + 4), (274, 6),
        (277, 1), (278, 1), (279, 2),
      ]
      var bytes: [UInt8] = [0x49, 0x49, 42, 0, 8, 0, 0, 0, UInt8(fields.count), 0]
      for (tag, value) in fields {
        bytes += [UInt8(tag & 0xFF), UInt8(tag >> 8), 3, 0, 1, 0, 0, 0]
        bytes += [UInt8(value & 0xFF), UInt8(value >> 8), 0, 0]
      }
      try Data(bytes + [0, 0, 0, 0, 7, 9]).write(to: URL(fileURLWithPath: folder + "/t.tif"))
      func size(_ width: Int, _ height: Int) -> String {
        #""id": 1, "file_name": "t.tif", "width": \#(width), "height": \#(height)"#
      }
      #expect(try importedOne("", image: size(1, 2), in: folder).imageCount == 1)
      let error = #expect(throws: FileError.self) {
        try importedOne("", image: size(2, 1), in: folder)
      }
      #expect(error?.found == "1x2, as its orientation (Exif or TIFF) turns it")
      let other = #expect(throws: FileError.self) {
        try importedOne("", image: size(5, 1), in: folder)
      }
      #expect(other?.found == "1x2")
    }
  }

  @Test func aFailureLeavesNothingBehind() throws {
    try withTemporaryFolder { folder in
      try write(Self.text, folder + "/coco.json")
      try writePNG(folder + "/a.png", width: 4, height: 3)
      // The second image is of another size.
      try writePNG(folder + "/sub/b.png", width: 3, height: 2)
      #expect(refusal(folder, "coco.json") != nil)
      #expect(!FileManager.default.fileExists(atPath: folder + "/out"))
      try Folder.make(folder + "/out")
      #expect(refusal(folder, "coco.json") != nil)
      #expect(try Folder.names(in: folder + "/out").isEmpty)
      try FileManager.default.removeItem(atPath: folder + "/sub/b.png")
      try writePNG(folder + "/sub/b.png", width: 2, height: 2)
      #expect(try imported(folder, "coco.json").imageCount == 2)
      // What was linked is still there.
      #expect(FileManager.default.fileExists(atPath: folder + "/a.png"))
    }
  }

  @Test func anImageOfAnotherSizeIsRefused() throws {
    try withTemporaryFolder { folder in
      try write(Self.text, folder + "/coco.json")
      try writePNG(folder + "/a.png", width: 3, height: 4)
      let error = refusal(folder, "coco.json")
      #expect(error?.path.hasSuffix("a.png") == true && error?.found == "3x4")
    }
  }

  @Test func aSetWithoutImagesIsRefused() throws {
    try withTemporaryFolder { folder in
      try write(Self.text, folder + "/coco.json")
      let error = refusal(folder, "coco.json")
      #expect(error?.hint?.contains("a.png is not there") == true)
    }
  }

  @Test(arguments: [
    "", "{", "[]", "null", #"{"images": [], "annotations": []}"#,
    #"{"images": [{"id": "1"}], "annotations": [], "categories": []}"#,
    #"{"images": [], "annotations": [{}], "categories": []}"#,
    #"{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}"#,
    #"{"images": [], "annotations": [], "categories": []}"#,
    String(repeating: "[", count: 100_000),
  ])
  func malformedFilesAreNamed(_ text: String) throws {
    try withTemporaryFolder { folder in
      try write(text, folder + "/coco.json")
      #expect(refusal(folder, "coco.json") != nil)
    }
  }

  @Test func tooManyCategoriesAreRefused() throws {
    try withTemporaryFolder { folder in
      let categories = (0..<255).map { #"{"id": \#($0), "name": "c"}"# }.joined(separator: ",")
      try write(
        #"{"images": [], "annotations": [], "categories": [\#(categories)]}"#, folder + "/coco.json"
      )
      #expect(refusal(folder, "coco.json")?.found == "255")
    }
  }
}

@Suite struct LabelMeImportTests {
  @Test func polygonsRectanglesAndCirclesAreTaken() throws {
    try withTemporaryFolder { folder in
      try writePNG(folder + "/set/a.png", width: 6, height: 4)
      try writePNG(folder + "/set/b.png", width: 2, height: 1)
      try write(
        #"""
        {"version": "5", "imagePath": "a.png", "imageData": null, "imageHeight": 4, "imageWidth": 6, "shapes": [
          {"label": "b", "points": [[0, 0], [2, 0], [2, 1], [0, 1]], "shape_type": "polygon", "group_id": 4},
          {"label": "b", "points": [[4, 3], [6, 4]], "shape_type": "rectangle", "group_id": 4},
          {"label": "a", "points": [[4, 1], [5, 1]], "shape_type": "circle", "group_id": null},
          {"label": "b", "points": [[0, 0], [9, 9]], "shape_type": "line"},
          {"label": "b", "points": [[0, 0, 1]], "shape_type": "polygon"}]}
        """#, folder + "/set/a.json")
      try write(
        #"{"imagePath": "..\\set\\b.png", "shapes": [{"label": "c", "points": [[0,0],[1,0],[1,1],[0,1]]}]}"#,
        folder + "/set/b.json")
      let result = try imported(folder, "set")
      #expect(result.imageCount == 2 && result.objectCount == 3)
      #expect(
        try values(folder + "/out/masks/a.png") == [
          2, 2, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2,
        ])
      #expect(
        try values(folder + "/out/instances/a.png") == [
          1, 1, 0, 2, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1,
        ])
      #expect(try values(folder + "/out/masks/b.png") == [3, 0])
      #expect(
        result.notes == ["left out (2): shapes that are no polygon, rectangle, circle or mask"])
    }
  }

  @Test func laterShapesCoverEarlierOnes() throws {
    try withTemporaryFolder { folder in
      try writePNG(folder + "/set/a.png", width: 6, height: 1)
      func shape(_ label: String, _ columns: Range<Int>, group: Int? = nil) -> String {
        let (left, right) = (columns.lowerBound, columns.upperBound)
        return #"{"label": "\#(label)", "points": [[\#(left), 0], [\#(right), 1]], "#
          + #""shape_type": "rectangle", "group_id": \#(group.map(String.init) ?? "null")}"#
      }
      func result(_ shapes: String...) throws -> AnnotationImport {
        try write(
          #"{"imagePath": "a.png", "shapes": [\#(shapes.joined(separator: ", "))]}"#,
          folder + "/set/a.json")
        try? FileManager.default.removeItem(atPath: folder + "/out")
        return try imported(folder, "set")
      }
      // A nucleus in its cell, and a part of the cell that is drawn over it again.
      let nested = try result(
        shape("cell", 0..<5, group: 1), shape("nucleus", 1..<4), shape("cell", 3..<4, group: 1))
      #expect(try values(folder + "/out/masks/a.png") == [1, 2, 2, 1, 1, 0])
      #expect(try values(folder + "/out/instances/a.png") == [1, 2, 2, 1, 1, 0])
      #expect(
        nested.notes == ["pixels of several objects, each taken for the last one's: 4"])
      // An object that is covered is none.
      let covered = try result(shape("cell", 1..<2), shape("nucleus", 0..<3))
      #expect(try values(folder + "/out/instances/a.png") == [1, 1, 1, 0, 0, 0])
      #expect(covered.objectCount == 1)
      #expect(covered.notes[0] == "left out (1): objects that lie behind others")
      // Labels that are no classes.
      let special = try result(
        shape("_background_", 0..<6), shape("cell", 0..<4), shape("__ignore__", 3..<5),
        shape("_background_", 1..<2))
      #expect(try values(folder + "/out/masks/a.png") == [1, 0, 1, 255, 255, 0])
      #expect(try values(folder + "/out/instances/a.png") == [1, 0, 1, 0, 0, 0])
      #expect(special.objectCount == 1)
      #expect(
        try String(contentsOfFile: folder + "/out/classes.json", encoding: .utf8)
          == #"{"classes": [{"value": 0, "name": "background"}, {"value": 1, "name": "cell"}], "#
          + #""ignore": 255}"# + "\n")
      #expect(
        special.notes == ["ignored regions have the value 255, of no class by classes.json"])
    }
  }

  @Test func masksAndImagesInTheFileAreTaken() throws {
    try withTemporaryFolder { folder in
      func base64(_ width: Int, _ values: [UInt8]) throws -> String {
        Data(
          try PNGFile.encoded(
            Image(
              width: width, height: values.count / width, channels: 1, bitsPerSample: 8,
              samples: .uint8(values)))
        ).base64EncodedString()
      }
      // A corner of the mask lies outside of the image.
      let mask = try base64(3, [1, 0, 255, 0, 1, 0])
      let image = try base64(4, [1, 2, 3, 4, 5, 6, 7, 8])
      for (name, file) in [("a", "a.webp"), ("b", "b.png"), ("c", "c.png")] {
        try write(
          #"""
          {"imagePath": "\#(file)", "imageData": "\#(image)", "imageHeight": 2, "imageWidth": 4, "shapes": [
            {"label": "x", "points": [[2, 0], [4, 1]], "shape_type": "mask", "mask": "\#(mask)"},
            {"label": "x", "points": [[2, 0], [4, 1]], "shape_type": "mask", "mask": "AAAA"}]}
          """#, "\(folder)/\(name).json")
      }
      // An image that is there is taken before the one in the file.
      try writePNG(folder + "/c.png", width: 4, height: 2)
      let result = try imported(folder, "")
      #expect(result.imageCount == 3 && result.objectCount == 3)
      #expect(
        result.notes == ["left out (3): shapes that are no polygon, rectangle, circle or mask"])
      for name in ["a", "b"] {
        #expect(try values(folder + "/out/images/\(name).png") == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(try values(folder + "/out/masks/\(name).png") == [0, 0, 1, 0, 0, 0, 0, 1])
      }
      #expect(
        try values(folder + "/out/images/c.png") == [UInt8](repeating: 7, count: 8).map { Int($0) })
    }
  }

  @Test func anImageInTheFileThatIsNoneIsNamed() throws {
    try withTemporaryFolder { folder in
      for text in ["!", "AAAA", ""] {
        try write(
          #"{"imagePath": "a.png", "imageData": "\#(text)", "shapes": []}"#, folder + "/a.json")
        #expect(refusal(folder, "a.json") != nil)
      }
    }
  }

  @Test(arguments: [
    "", "[]", #"{"shapes": []}"#, #"{"imagePath": "a.png"}"#,
    #"{"imagePath": "a.png", "shapes": [{"label": 1, "points": []}]}"#,
    #"{"imagePath": "", "shapes": []}"#,
  ])
  func malformedFilesAreNamed(_ text: String) throws {
    try withTemporaryFolder { folder in
      try write(text, folder + "/a.json")
      #expect(refusal(folder, "a.json") != nil)
    }
  }
}

@Suite struct AnnotationSourceTests {
  @Test func programsAreNotMixed() throws {
    try withTemporaryFolder { folder in
      #expect(refusal(folder, "")?.found == "neither")
      try write("", folder + "/a.json")
      try write("", folder + "/a.roi")
      #expect(refusal(folder, "")?.found == "both")
      #expect(refusal(folder, "none.txt") != nil && refusal(folder, "none.json") != nil)
    }
  }
}
