// How objects are told apart in a prediction.

import Datasets
import Morphology
import Tensors

/// A way to number the objects of a prediction; one that parts touching objects is another type here.
package protocol ObjectSegmentation: Sendable {
  /// The objects' numbers, height x width; 0 for none.
  ///
  /// `labels` are those that follow from the probabilities, height x width.
  func objects(of map: ProbabilityMap, labels: [UInt8]) -> [Int32]
}

/// Objects are the 4-connected components of the pixels of any class but `backgrounds`.
package struct ComponentObjects: ObjectSegmentation {
  /// The labels of what is no object.
  package let backgrounds: Set<UInt8>

  /// Components of all classes but these.
  package init(backgrounds: Set<UInt8>) { self.backgrounds = backgrounds }

  /// Components of all classes but this one.
  package init(background: UInt8) { self.init(backgrounds: [background]) }

  /// The components of the predicted labels.
  package func objects(of map: ProbabilityMap, labels: [UInt8]) -> [Int32] {
    objects(labels: labels, width: map.width, height: map.height)
  }

  /// The components of these labels; what is ignored is no object.
  package func objects(labels: [UInt8], width: Int, height: Int) -> [Int32] {
    let values = labels.map { label -> Int32 in
      backgrounds.contains(label) || label == ignoredLabel ? 0 : Int32(label) + 1
    }
    return ConnectedComponents(
      of: values, width: width, height: height, connectivity: .four
    ).labels
  }
}
