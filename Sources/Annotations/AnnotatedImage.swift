// Images with the objects that somebody has outlined in them, whatever program wrote it down.

/// A set of images with outlined objects.
package struct AnnotationSet: Sendable {
  /// The names of the classes; the value of a class in masks is its place here, from 1.
  package let classes: [String]
  /// The images, by the bytes of their names.
  package let images: [AnnotatedImage]
  /// What was in the source and is not here.
  package let dropped: DroppedCounts
  /// What was taken for something else than the source says, a line each.
  package let remarks: [String]

  init(
    classes: [String], images: [AnnotatedImage], dropped: DroppedCounts, remarks: [String] = []
  ) {
    self.classes = classes
    self.images = images.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    self.dropped = dropped
    self.remarks = remarks
  }
}

/// An image and its objects.
package struct AnnotatedImage: Sendable {
  /// The image's file.
  package let path: String
  /// The file of LabelMe's that holds the image too, for where that file is not there.
  package let embeddedIn: String?
  /// What it is called in the set.
  package let name: String
  /// The size that the source says, where it does.
  package let size: ImageSize?
  /// The objects; where several have a pixel, it is the first one's, or the last one's where shapes have an order.
  package var objects: [AnnotatedObject]

  /// Whether the source tells images of a stack apart.
  package let mayBeStack: Bool

  init(
    path: String, embeddedIn: String? = nil, name: String, size: ImageSize?,
    mayBeStack: Bool = false, objects: [AnnotatedObject]
  ) {
    self.mayBeStack = mayBeStack
    self.path = path
    self.embeddedIn = embeddedIn
    self.name = name
    self.size = size
    self.objects = objects
  }
}

/// Columns and rows.
package struct ImageSize: Sendable, Equatable, CustomStringConvertible {
  /// Columns.
  package let width: Int
  /// Rows.
  package let height: Int

  /// A size.
  package init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  /// Width x height.
  package var description: String { "\(width)x\(height)" }
}

/// An object: what is in one of its shapes.
package struct AnnotatedObject: Sendable {
  /// The value of its class in masks; 0 of what is background, `ignoredValue` of what is of no class.
  package let value: UInt8
  /// Its parts.
  package var shapes: [Shape]
  /// When each part was drawn, by a program that draws later ones over earlier ones; else empty.
  var order: [Int] = []
  /// Where it lies in a stack.
  package var place = StackPlace.everywhere

  /// The value in masks of pixels that are of no class.
  static let ignoredValue: UInt8 = 255

  /// Whether it is of a class, hence numbered.
  var isOfClass: Bool { value != 0 && value != Self.ignoredValue }
}

/// Where in a stack an object lies.
package enum StackPlace: Sendable, Equatable {
  /// In every image.
  case everywhere
  /// In the image that has this page, counted from 0.
  case page(Int)
  /// At a depth and a time, each counted from 0; nil is all of them.
  case depthAndTime(depth: Int?, time: Int?)
}

/// What a source has that could not be taken, by what it is.
package struct DroppedCounts: Sendable {
  private var counts: [String: Int] = [:]

  /// Counts one more of what `what` names in the plural.
  mutating func add(_ what: String, _ count: Int = 1) { counts[what, default: 0] += count }

  /// A line for each sort.
  package var lines: [String] {
    counts.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map {
      "left out (\($0.value)): \($0.key)"
    }
  }
}
