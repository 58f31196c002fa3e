// Digests that the ranks of every command that runs a network must agree on.

package import Communication
import Files
import Kernels
package import Tensors

extension NamedDigest {
  /// The SHA-256 of lines of text, such as a listing of files.
  package init(name: String, lines: [String]) {
    self.init(name: name, digest: SHA256.digest(of: lines.joined(separator: "\n")))
  }

  /// The digest of names, shapes and offsets: ranks of equal ones may broadcast the flat parameters.
  package init(_ layout: ParameterLayout) {
    self.init(
      name: "parameter layout",
      lines: layout.parameters.map { "\($0.name) \($0.shape) \($0.slot.offset)" })
  }

  /// The digests of what decides how a process rounds: its matrix kernels and ``ArithmeticProbe``.
  package static func arithmetic() throws -> [NamedDigest] {
    try MatrixProduct.checkWorkspace()
    return [
      NamedDigest(name: "choice of matrix kernels", text: MatrixProduct.kernels),
      NamedDigest(name: "arithmetic", text: try ArithmeticProbe.digest),
    ]
  }
}
