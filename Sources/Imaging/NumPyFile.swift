// Writing arrays as NumPy's .npy files.

package import Files
import Glibc

/// NumPy's array files, for writing.
///
/// Source: the .npy format, version 1.0 (numpy.org, "numpy.lib.format").
package enum NumPyFile {
  /// Writes float32 values in C order, replacing the file at `path` as a whole.
  ///
  /// - Precondition: the product of `shape` is the number of values.
  package static func write(
    _ values: [Float], shape: [Int], to path: String
  ) throws(FileError) {
    check(values, shape)
    let head = header(shape: shape)
    var writer = try DurableFileWriter(path: path, isFlushed: false)
    try head.span.withUnsafeBytes { (bytes) throws(FileError) in try writer.append(bytes) }
    try values.span.withUnsafeBytes { (bytes) throws(FileError) in try writer.append(bytes) }
    try writer.commit()
  }

  /// The bytes of such a file.
  ///
  /// - Precondition: the product of `shape` is the number of values.
  package static func encoded(_ values: [Float], shape: [Int]) -> [UInt8] {
    check(values, shape)
    return header(shape: shape) + values.withUnsafeBytes { Array($0) }
  }

  private static func check(_ values: [Float], _ shape: [Int]) {
    precondition(
      shape.allSatisfy { $0 >= 0 } && shape.reduce(1, *) == values.count,
      "\(values.count) values for the shape \(shape)")
    #if _endian(big)
      #error("the values need their bytes swapped: the file is little-endian")
    #endif
  }

  /// Magic, version 1.0, the length of the dictionary, the dictionary padded to 64 bytes in all.
  fileprivate static func header(shape: [Int]) -> [UInt8] {
    let axes = shape.map { "\($0)," }.joined(separator: " ")
    // A tuple of one keeps its comma, longer ones end without.
    let tuple = shape.count > 1 ? String(axes.dropLast()) : axes
    var dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(tuple)), }"
    let prefixCount = 10
    let unpadded = prefixCount + dictionary.utf8.count + 1
    dictionary += String(repeating: " ", count: (64 - unpadded % 64) % 64) + "\n"
    let count = dictionary.utf8.count
    precondition(count <= UInt16.max, "a shape of \(shape.count) axes")
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(count & 0xFF), UInt8(count >> 8)]
      + Array(dictionary.utf8)
  }
}

/// A file of float32 values in C order that is written part by part, in any order.
///
/// It is put in its place by ``commit()``; without it nothing is left.
package final class NumPyWriter {
  private let path: String
  private var file: DurableFileWriter
  private let headerByteCount: Int
  private let count: Int

  /// Begins a file of this shape.
  ///
  /// - Throws: `FileError` when the file cannot be made.
  package init(path: String, shape: [Int]) throws(FileError) {
    self.path = path
    count = shape.reduce(1, *)
    file = try DurableFileWriter(path: path, isFlushed: false)
    let head = NumPyFile.header(shape: shape)
    headerByteCount = head.count
    try head.span.withUnsafeBytes { (bytes) throws(FileError) in try file.append(bytes) }
  }

  /// Writes values from the one with this number on.
  ///
  /// - Precondition: they lie in the array.
  package func write(_ values: ArraySlice<Float>, at index: Int) throws(FileError) {
    precondition(index >= 0 && index + values.count <= count, "values beyond \(count)")
    let start = headerByteCount + index * MemoryLayout<Float>.stride
    let descriptor = file.descriptor
    let code: CInt = values.withUnsafeBytes { bytes in
      var done = 0
      while done < bytes.count {
        let written = pwrite(
          descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(start + done))
        if written < 0 && errno == EINTR { continue }
        guard written > 0 else { return errno }
        done += written
      }
      return 0
    }
    guard code == 0 else { throw FileError(path: path, operation: "write", code: code) }
  }

  /// Puts the file in its place.
  ///
  /// - Precondition: every value has been written.
  package func commit() throws(FileError) { try file.commit() }
}
