// What a page tells of a run, gathered before it is written.

/// A run as a page shows it.
package struct ReportedRun: Sendable {
  /// An option of the run.
  package struct Option: Sendable {
    package let name: String
    package let value: String
    /// Why it is so: the reason of its choice, `given` or `default`.
    package let reason: String

    package init(name: String, value: String, reason: String) {
      (self.name, self.value, self.reason) = (name, value, reason)
    }
  }

  /// Where pixels of each class went.
  package struct Confusion: Sendable {
    /// The names of the classes.
    package let names: [String]
    /// Pixels by true class, then by predicted class.
    package let counts: [[Int]]

    /// Counts from their parts.
    ///
    /// - Precondition: as many rows and columns as names.
    package init(names: [String], counts: [[Int]]) {
      precondition(
        counts.count == names.count && counts.allSatisfy { $0.count == names.count },
        "counts of other classes than \(names.count)")
      (self.names, self.counts) = (names, counts)
    }
  }

  /// The scores of a validation image.
  package struct ImageScore: Sendable {
    package let name: String
    /// A value for each of the columns, the mean IoU first; nil where it has none.
    package let values: [Double?]

    /// The mean intersection over union of its classes.
    package var score: Double? { values.first ?? nil }

    package init(name: String, values: [Double?]) {
      (self.name, self.values) = (name, values)
    }
  }

  /// A class as pictures show it.
  package struct Class: Sendable {
    package let name: String
    /// Its colour, as a style sheet has it; nil for the image's own grey.
    package let colour: String?

    package init(name: String, colour: String?) { (self.name, self.colour) = (name, colour) }
  }

  /// An image with what was found in it.
  package struct Example: Sendable {
    /// Which one it is: the best, the median, the worst.
    package let place: String
    package let name: String
    package let score: Double
    /// The image, the truth, the prediction, the differences, with what is written below each.
    package let pictures: [(caption: String, picture: ReportPicture)]

    package init(
      place: String, name: String, score: Double,
      pictures: [(caption: String, picture: ReportPicture)]
    ) {
      (self.place, self.name, self.score, self.pictures) = (place, name, score, pictures)
    }
  }

  /// The folder, as it was named.
  package let path: String
  /// What its log tells.
  package let history: RunHistory
  /// Its options, in the order of the file.
  package var options: [Option] = []
  /// The command that trains the same again.
  package var command: String?
  /// The network in a line.
  package var network: String?
  /// What it was trained on, in a line.
  package var data: String?
  /// What a reader is to know of the page, a line each: what is missing and why.
  package var remarks: [String] = []
  /// The classes; of more than there are here others are told by their numbers.
  package var classes: [Class] = []
  /// Where the pixels of the validation images went, by the best checkpoint.
  package var confusion: Confusion?
  /// What the values of the images are called.
  package var imageColumns: [String] = []
  /// The validation images.
  package var images: [ImageScore] = []
  /// A few of them.
  package var examples: [Example] = []

  /// A run of which nothing but its log is known yet.
  package init(path: String, history: RunHistory) {
    (self.path, self.history) = (path, history)
  }

  /// The last part of the path.
  package var name: String {
    path.split(separator: "/").last { $0 != "." }.map(String.init) ?? path
  }
}
