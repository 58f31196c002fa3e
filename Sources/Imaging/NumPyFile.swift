// Writing arrays as NumPy's .npy files.

package import Files

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
    precondition(
      shape.allSatisfy { $0 >= 0 } && shape.reduce(1, *) == values.count,
      "\(values.count) values for the shape \(shape)")
    let head = header(shape: shape)
    #if _endian(big)
      #error("the values need their bytes swapped: the file is little-endian")
    #endif
    var writer = try DurableFileWriter(path: path, isFlushed: false)
    try head.span.withUnsafeBytes { (bytes) throws(FileError) in try writer.append(bytes) }
    try values.span.withUnsafeBytes { (bytes) throws(FileError) in try writer.append(bytes) }
    try writer.commit()
  }

  /// Magic, version 1.0, the length of the dictionary, the dictionary padded to 64 bytes in all.
  private static func header(shape: [Int]) -> [UInt8] {
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
