// Products of matrices; the only file that calls BLAS.

import COpenBLAS
import Glibc
package import Tensors

/// Products of float matrices by OpenBLAS's sgemm on the calling thread.
package enum MatrixProduct {
  /// The kernels in use: OpenBLAS's name for its own, such as `Cooperlake`.
  ///
  /// They decide the bits of a product, so a checkpoint records them.
  package static let kernels: String = selectKernels()

  /// The name and version of the library, such as `OpenBLAS 0.3.21`.
  ///
  /// The corresponding function is `openblas_get_config`, which goes on with how it was built.
  package static var libraryVersion: String {
    guard let text = openblas_get_config() else { return "OpenBLAS" }
    return String(cString: text).split(separator: " ").prefix(2).joined(separator: " ")
  }

  private static let isPrepared = !kernels.isEmpty

  /// Rows, or columns, of a matrix in row-major memory.
  struct Operand {
    /// The first value.
    var base: UnsafePointer<Float>
    /// Floats from a row in memory to the next.
    var rowStride: Int
    /// Whether the product takes the transpose of what lies in memory.
    var transposed = false
  }

  /// C := A B, or C := C + A B when `accumulating`.
  ///
  /// A is `rows` x `depth`, B is `depth` x `columns`, C is `rows` x `columns` with `rowStride`
  /// floats from a row to the next; all row-major. The order of summation depends on the shape and
  /// on `kernels` only: one product is never split over threads.
  static func multiply(
    rows: Int, columns: Int, depth: Int, _ a: Operand, _ b: Operand,
    into c: UnsafeMutablePointer<Float>, rowStride: Int, accumulating: Bool
  ) {
    // The first product waits for the choice: before it, OpenBLAS would use threads of its own.
    precondition(isPrepared)
    cblas_sgemm(
      CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans,
      b.transposed ? CblasTrans : CblasNoTrans, blasint(rows), blasint(columns), blasint(depth),
      1, a.base, blasint(a.rowStride), b.base, blasint(b.rowStride), accumulating ? 1 : 0, c,
      blasint(rowStride))
  }

  /// C := A B of matrices with `side` rows and columns, by which the rate of products is measured.
  package static func multiplySquares(
    side: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    into c: UnsafeMutablePointer<Float>
  ) {
    multiply(
      rows: side, columns: side, depth: side, Operand(base: a, rowStride: side),
      Operand(base: b, rowStride: side), into: c, rowStride: side, accumulating: false)
  }

  /// Bytes that OpenBLAS takes for a thread that calls it, with some to spare.
  private static let workspaceByteCount = 9 << 24

  /// Sees that there is memory for OpenBLAS's workspace: where there is none, OpenBLAS asks for it for ever.
  package static func checkWorkspace() throws(AllocationError) {
    try AllocationError.check(workspaceByteCount, for: "workspace of matrix products")
  }

  /// Takes OpenBLAS's own threads away and chooses the widest kernels the processor can run.
  ///
  /// OpenBLAS chooses too, but narrow kernels for processors younger than itself, or those that
  /// OPENBLAS_CORETYPE names, a variable that stands in environments for other programs' sake. As
  /// the choice decides the bits and the speed of a run it is made here, and pinned, where hosts
  /// differ, by UNET_DIST_BLAS_KERNELS with one of OpenBLAS's names.
  private static func selectKernels() -> String {
    openblas_set_num_threads(1)
    let pinned = getenv("UNET_DIST_BLAS_KERNELS").map { String(cString: $0) }
    let wanted = pinned ?? COpenBLAS_widestCoreType().map { String(cString: $0) }
    if let wanted, wanted != String(cString: openblas_get_corename()) {
      let variable = "OPENBLAS_CORETYPE"
      let before = getenv(variable).map { String(cString: $0) }
      setenv(variable, wanted, 1)
      _ = COpenBLAS_selectKernelsAgain()
      if let before { setenv(variable, before, 1) } else { unsetenv(variable) }
      openblas_set_num_threads(1)
    }
    return String(cString: openblas_get_corename())
  }
}
