// What the loops of the kernels are compiled for.

import CVectors

/// The vector registers of the instruction set that the program is built for.
package enum VectorRegisters {
  /// Their width: 512, 256 or 128.
  package static let bits = Int(CVectors_registerBits())
}
