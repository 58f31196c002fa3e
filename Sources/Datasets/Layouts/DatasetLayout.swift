// The ways in which images and masks lie in a folder, and how one is recognised.

import Files

/// A way in which images and masks lie in a folder, or are listed in a file.
///
/// A layout finds files and matches them; sizes, channels, classes and all that follows are the
/// same for all of them. A new one is a file beside this one and a line in `DatasetLayouts.all`.
package protocol DatasetLayout: Sendable {
  /// Its name, as `--layout` takes it.
  static var name: String { get }

  /// What its folder looks like, for messages.
  static var rule: String { get }

  /// Whether the names that lie there are those of this layout; nothing is decoded.
  static func fits(_ contents: FolderContents) -> Bool

  /// The samples, of a folder that fits.
  ///
  /// - Throws: `FileError` naming the file that has no partner, two, or cannot be opened.
  static func find(in contents: FolderContents) throws -> FoundSamples
}

/// The layouts that are known.
package enum DatasetLayouts {
  /// The more specific ones first: of several that fit, the first is taken.
  package static let all: [any DatasetLayout.Type] = [
    ManifestLayout.self, NNUNetLayout.self, CellTrackingLayout.self, DataScienceBowlLayout.self,
    ImagesAndMasksLayout.self, ImageAndLabelLayout.self, InnerPartsLayout.self, VolumeLayout.self,
    SideBySideLayout.self, PrefixedPairsLayout.self,
  ]
}

/// The layout that a set is read by: one that its folder is recognised by, or one that is named.
package struct LayoutChoice: RawRepresentable, CaseIterable, Codable, Equatable, Sendable {
  /// `auto`, or the name of a layout.
  package let rawValue: String

  /// The choice of this name, or nil where no layout has it.
  package init?(rawValue: String) {
    guard rawValue == "auto" || DatasetLayouts.all.contains(where: { $0.name == rawValue }) else {
      return nil
    }
    self.rawValue = rawValue
  }

  private init(known name: String) { rawValue = name }

  /// The layout that is recognised.
  package static let automatic = LayoutChoice(known: "auto")

  /// Every choice.
  package static let allCases =
    [automatic] + DatasetLayouts.all.map { LayoutChoice(known: $0.name) }

  /// The layouts to choose from.
  var candidates: [any DatasetLayout.Type] {
    self == .automatic ? DatasetLayouts.all : DatasetLayouts.all.filter { $0.name == rawValue }
  }
}
