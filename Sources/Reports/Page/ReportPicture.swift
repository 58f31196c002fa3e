// Pictures inside a page.

package import Files
import Foundation
package import Imaging

/// A picture as the address of an image element, so that the page needs no other file.
package struct ReportPicture: Sendable {
  /// The picture itself, behind `data:image/png;base64,`.
  package let address: String
  /// Columns, after it was made smaller.
  package let width: Int
  /// Rows, after it was made smaller.
  package let height: Int

  /// The longest side of a picture in a page.
  private static let longestSide = 360

  /// A picture of an image of 8 bits, grey or in colour, made smaller where it is large.
  ///
  /// - Throws: `FileError` where it cannot be encoded.
  package init(_ image: Image) throws(FileError) {
    let small = Self.reduced(image)
    (width, height) = (small.width, small.height)
    address = "data:image/png;base64," + Data(try PNGFile.encoded(small)).base64EncodedString()
  }

  /// The image by means of squares of pixels, of which the longest side has no more than are shown.
  private static func reduced(_ image: Image) -> Image {
    let side = (max(image.width, image.height) + longestSide - 1) / longestSide
    guard side > 1, case .uint8(let samples) = image.samples else { return image }
    let (width, height) = (max(1, image.width / side), max(1, image.height / side))
    let channels = image.channels
    var small = [UInt8](repeating: 0, count: width * height * channels)
    let (rows, columns) = (min(side, image.height), min(side, image.width))
    for y in 0..<height {
      for x in 0..<width {
        for channel in 0..<channels {
          var sum = 0
          for row in 0..<rows {
            for column in 0..<columns {
              let pixel = (y * side + row) * image.width + x * side + column
              sum += Int(samples[pixel * channels + channel])
            }
          }
          let count = rows * columns
          small[(y * width + x) * channels + channel] = UInt8((sum + count / 2) / count)
        }
      }
    }
    return Image(
      width: width, height: height, channels: channels, bitsPerSample: 8, samples: .uint8(small))
  }
}
