// Tables as spreadsheets and scripts write them, and each way in which one can be wrong.

import Files
import Foundation
import TestSupport
import Testing

@Suite struct SeparatedTableTests {
  private func table(_ bytes: some Sequence<UInt8>) throws -> SeparatedTable {
    try withTemporaryFolder { folder in
      let path = folder + "/table"
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      return try SeparatedTable(path: path)
    }
  }

  private func refusal(_ bytes: some Sequence<UInt8>) -> FileError? {
    #expect(throws: FileError.self) { try table(bytes) }
  }

  @Test(arguments: [",", ";", "\t"])
  func theFirstLineSaysWhatIsBetweenFields(_ separator: String) throws {
    let text = [
      ["name", " Group "], ["a b ", "\"x\(separator)y\""], ["\" a\"", "\"say \"\"so\"\"\""],
      ["1,5;2".replacing(separator, with: "."), ""],
    ].map { $0.joined(separator: separator) }.joined(separator: "\r\n")
    let table = try table("\u{FEFF}\(text)\n\(separator)\n".utf8)
    #expect(table.columns == ["name", "Group"])
    #expect(
      table.rows == [
        ["a b", "x\(separator)y"], [" a", "say \"so\""],
        ["1,5;2".replacing(separator, with: "."), ""],
      ])
    #expect(table.column("group") == 1 && table.column("NAME") == 0 && table.column("x") == nil)
  }

  @Test func namesOfColumnsThatDifferByCaseAreExact() throws {
    let table = try table("Image,image,MASK,Mask\na,b,c,d\n".utf8)
    #expect(table.column("image") == 1 && table.column("mask") == nil)
  }

  @Test func aColumnNeedsNoSeparator() throws {
    #expect(try table("name\na b\n\n".utf8).rows == [["a b"]])
  }

  @Test func whatIsWrongIsNamed() throws {
    #expect(refusal("".utf8)?.found == "nothing")
    #expect(refusal("image;mask,group\n".utf8)?.found == "commas and semicolons")
    #expect(refusal("a\"\n".utf8)?.expected == "pairs of double quotes in line 1")
    let fields = refusal("a;b\nc;d\ne\n".utf8)
    #expect(fields?.expected == "2 fields in line 3, as in the first" && fields?.found == "1")
    #expect(fields?.hint == "put fields that hold semicolons between double quotes")
  }

  @Test func otherEncodingsAreNamed() throws {
    let text = "image,mask\nä.png,b.png\n"
    for encoding in [String.Encoding.utf16LittleEndian, .utf16BigEndian, .utf16] {
      let error = refusal(try #require(text.data(using: encoding)))
      #expect(error?.found == "UTF-16" && error?.hint?.contains("iconv") == true)
    }
    let latin = refusal(try #require(text.data(using: .isoLatin1)))
    #expect(latin?.expected == "text in UTF-8")
    #expect(latin?.found == "line 2 in another encoding: \u{FFFD}.png,b.png")
  }
}
