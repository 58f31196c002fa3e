// How the commands tell objects apart.

import ArgumentParser
import Inference

/// A way to number the objects of a prediction.
enum InstanceSeparation: String, ExpressibleByArgument, CaseIterable {
  /// Connected components of each class.
  case components
  /// Components, parted where they are narrow.
  case watershed

  /// The most objects that a picture of 16 bits can number.
  static let limit = Int32(UInt16.max)

  /// The segmentation, of all classes but `backgrounds`.
  func segmentation(backgrounds: Set<UInt8>) -> any ObjectSegmentation {
    switch self {
    case .components: ComponentObjects(backgrounds: backgrounds)
    case .watershed: WatershedObjects(backgrounds: backgrounds)
    }
  }
}
