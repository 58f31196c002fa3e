// The failure of one MPI call.

/// An error code that an MPI function returned.
package struct MPIError: Error, CustomStringConvertible {
  /// The code, one of the MPI library's own.
  package let code: Int32

  /// The name of the MPI function.
  package let function: StaticString

  /// The MPI library's text for the code.
  ///
  /// The corresponding MPI function is `MPI_Error_string`.
  package let text: String

  /// An error from its parts.
  package init(code: Int32, function: StaticString, text: String) {
    self.code = code
    self.function = function
    self.text = text
  }

  /// One sentence for the user.
  package var description: String {
    "\(function) failed: \(text) (code \(code))"
  }
}
