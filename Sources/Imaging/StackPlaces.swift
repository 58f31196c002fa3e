// Which image of a stack other programs mean by the number of a page, or by depth and time.

/// The images of a stack by page, and by depth and time.
package struct StackPlaces: Sendable {
  /// The images of the file.
  package let imageCount: Int
  /// The image that each page is a channel of; nil for a page that is passed over.
  private let imageOfPage: [Int?]
  /// The axes that images lie along, the slowest first.
  private let axes: [(name: Character, size: Int)]

  /// The places of `imageCount` images; axes that do not have so many places are none.
  init(imageOfPage: [Int?], imageCount: Int, axes: [(name: Character, size: Int)]) {
    self.imageOfPage = imageOfPage
    self.imageCount = imageCount
    self.axes = product(axes.map(\.size)) == imageCount ? axes : []
  }

  /// How many depths and times there are, where all depths of a time come before the next time; nil where the
  /// file does not say, or says otherwise.
  package var depthsAndTimes: (depths: Int, times: Int)? {
    let known = axes.filter { $0.size > 1 }
    switch known.map(\.name) {
    case ["Z"]: return (known[0].size, 1)
    case ["T"]: return (1, known[0].size)
    case ["T", "Z"]: return (known[1].size, known[0].size)
    default: return nil
    }
  }

  /// The image of a page, counted from 0; nil where the file has no such page.
  package func image(ofPage page: Int) -> Int? {
    imageOfPage.indices.contains(page) ? imageOfPage[page] : nil
  }

  /// The images at a depth and a time, each counted from 0 or nil for all of them; none where the file has
  /// no such place, or does not say which axes it has.
  package func images(depth: Int?, time: Int?) -> [Int] {
    guard !axes.isEmpty else { return [] }
    return (0..<imageCount).filter { image in
      var rest = image
      for axis in axes.reversed() {
        let place = rest % axis.size
        rest /= axis.size
        if axis.name == "Z", let depth, place != depth { return false }
        if axis.name == "T", let time, place != time { return false }
      }
      return true
    }
  }
}
