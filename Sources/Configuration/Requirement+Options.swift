// What some options require of their values.

import Datasets
import Tensors

extension Requirement where Value == Int {
  /// KiB of whole blocks of gradients: sums of squares are taken over them, and no bucket may cut one.
  static var wholeBlocks: Self {
    let block = (FloatBuffer.blockSize * MemoryLayout<Float>.size) >> 10
    return Self(expected: "a multiple of \(block) from \(block) to 1048576") { kib in
      (block...1_048_576).contains(kib) && kib.isMultiple(of: block)
    }
  }
}

extension Requirement where Value == ClassWeights {
  /// A class of weight 0 is scored, and not learnt.
  static var weights: Self {
    Self(expected: "finite numbers of at least 0, one a class and one of them above 0") { weights in
      guard case .values(let values) = weights else { return true }
      return values.count >= 2 && values.allSatisfy { $0 >= 0 && $0.isFinite }
        && values.contains { $0 > 0 }
    }
  }
}

extension Requirement where Value == Double {
  static var minutes: Self {
    Self(expected: "a number above 0, of a year at most") { $0 > 0 && $0 <= 525_600 }
  }

  static var share: Self {
    Self(expected: "a number from 0 to 1") { (0...1).contains($0) }
  }
}
