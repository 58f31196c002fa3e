// A file of events for TensorBoard.

package import Files
package import Foundation
package import Imaging
import SwiftProtobuf

/// A file that TensorBoard reads while it grows: numbers, pictures and histograms by name and step.
///
/// A record is its length in 64 bits, the length's masked CRC-32C, an `Event` message and the message's
/// masked CRC-32C, all little-endian. Each is appended by one write(2), so that a reader never sees half of
/// one but at the moment a machine stops.
package final class EventFile: Sendable {
  /// The path of the file.
  package let path: String
  private let descriptor: Int32

  /// A new file in a folder, which is made where it is missing.
  ///
  /// - Parameter step: The updates made before. What older files of the folder say of later steps is
  ///   then not shown.
  package init(in folder: String, after step: Int) throws(FileError) {
    try Folder.make(folder)
    // TensorBoard reads the files of a folder in the order of their names.
    let time = Date().timeIntervalSince1970
    let name = "events.out.tfevents.\(Int(time)).\(Self.hostName.fileName).\(getpid())"
    path = folder + "/" + name
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw FileError(path: path, operation: "create the file", code: errno)
    }
    var first = Tensorboard_Event()
    (first.wallTime, first.fileVersion) = (time, "brain.Event:2")
    var start = Tensorboard_Event()
    (start.wallTime, start.step) = (time, Int64(step) + 1)
    start.sessionLog.status = .start
    do throws(FileError) {
      try append(first)
      try append(start)
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  private static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "host" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Appends numbers of a step; those that are not finite too.
  package func append(
    step: Int, _ scalars: [(name: String, value: Double)], at time: Date = Date()
  ) throws(FileError) {
    var event = Tensorboard_Event()
    (event.wallTime, event.step) = (time.timeIntervalSince1970, Int64(step))
    event.summary.value = scalars.map { name, value in
      var scalar = Tensorboard_Summary.Value()
      (scalar.tag, scalar.simpleValue) = (name, Float(value))
      return scalar
    }
    try append(event)
  }

  /// Appends pictures of 8 bits and histograms of a step.
  package func append(
    step: Int, images: [(name: String, image: Image)],
    histograms: [(name: String, histogram: ValueHistogram)], at time: Date = Date()
  ) throws(FileError) {
    var event = Tensorboard_Event()
    (event.wallTime, event.step) = (time.timeIntervalSince1970, Int64(step))
    for (name, image) in images {
      var value = Tensorboard_Summary.Value()
      value.tag = name
      (value.image.height, value.image.width) = (Int32(image.height), Int32(image.width))
      value.image.colorspace = Int32(image.channels)
      value.image.encodedImageString = Data(try PNGFile.encoded(image))
      event.summary.value.append(value)
    }
    for (name, histogram) in histograms {
      var value = Tensorboard_Summary.Value()
      value.tag = name
      (value.histo.min, value.histo.max) = (histogram.least, histogram.greatest)
      value.histo.num = Double(histogram.count)
      (value.histo.sum, value.histo.sumSquares) = (histogram.sum, histogram.sumOfSquares)
      value.histo.bucketLimit = histogram.limits
      value.histo.bucket = histogram.counts.map(Double.init)
      event.summary.value.append(value)
    }
    if !event.summary.value.isEmpty { try append(event) }
  }

  private func append(_ event: Tensorboard_Event) throws(FileError) {
    let message: [UInt8]
    do {
      message = try event.serializedBytes()
    } catch {
      throw FileError(path: path, expected: "an event that can be encoded", found: "\(error)")
    }
    let record = Self.record(of: message)
    let count = record.withUnsafeBytes { bytes in
      var count: Int
      repeat {
        count = write(descriptor, bytes.baseAddress, bytes.count)
      } while count < 0 && errno == EINTR
      return count
    }
    guard count >= 0 else {
      throw FileError(path: path, operation: "write the events", code: errno)
    }
    guard count == record.count else {
      throw FileError(
        path: path, expected: "room for a record of \(record.count) bytes", found: "\(count)",
        hint: "make room on the disk, then continue with --resume")
    }
  }

  /// A message in its frame.
  package static func record(of message: [UInt8]) -> [UInt8] {
    let length = littleEndian(UInt64(message.count))
    return length + littleEndian(CRC32C.masked(length)) + message
      + littleEndian(CRC32C.masked(message))
  }

  private static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }
}

extension String {
  /// This text as a part of a file's name.
  fileprivate var fileName: String {
    String(map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") ? $0 : "-" }.prefix(64))
  }
}
