// Products of matrices; the only file that calls BLAS.

import COpenBLAS
import Glibc

/// Products of float matrices by OpenBLAS's sgemm on the calling thread.
public enum MatrixProduct {
  /// The name OpenBLAS gives the kernels in use, e.g. `Cooperlake`.
  ///
  /// The kernels decide the bits of a product, so a checkpoint records their name.
  public static let kernels: String = selectKernels()

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
    cblas_sgemm(
      CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans,
      b.transposed ? CblasTrans : CblasNoTrans, blasint(rows), blasint(columns), blasint(depth),
      1, a.base, blasint(a.rowStride), b.base, blasint(b.rowStride), accumulating ? 1 : 0, c,
      blasint(rowStride))
  }

  /// Takes OpenBLAS's own threads away and chooses the widest kernels the processor can run.
  ///
  /// A choice made by the user in OPENBLAS_CORETYPE stands.
  private static func selectKernels() -> String {
    openblas_set_num_threads(1)
    let chosen = String(cString: openblas_get_corename())
    let wide = ["SkylakeX", "Cooperlake", "SapphireRapids"]
    if getenv("OPENBLAS_CORETYPE") == nil, !wide.contains(chosen),
      let widest = COpenBLAS_widestCoreType()
    {
      setenv("OPENBLAS_CORETYPE", widest, 1)
      _ = COpenBLAS_selectKernelsAgain()
      unsetenv("OPENBLAS_CORETYPE")
      openblas_set_num_threads(1)
    }
    return String(cString: openblas_get_corename())
  }
}
