// The types that samples have, and samples as bytes.

/// The type of an image's samples in memory.
package enum SampleType: String, Codable, Sendable, CaseIterable {
  case uint8, uint16, uint32, int8, int16, int32, float32

  /// Bytes of one sample.
  package var byteCount: Int {
    switch self {
    case .uint8, .int8: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    }
  }
}

extension Image.Samples {
  /// Their type.
  package var type: SampleType {
    switch self {
    case .uint8: .uint8
    case .uint16: .uint16
    case .uint32: .uint32
    case .int8: .int8
    case .int16: .int16
    case .int32: .int32
    case .float32: .float32
    }
  }

  /// Bytes of one sample.
  package var sampleByteCount: Int { type.byteCount }

  /// Calls `body` with the samples as they lie in memory.
  package func withUnsafeBytes<Result, Failure>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    switch self {
    case .uint8(let values): try values.span.withUnsafeBytes(body)
    case .uint16(let values): try values.span.withUnsafeBytes(body)
    case .uint32(let values): try values.span.withUnsafeBytes(body)
    case .int8(let values): try values.span.withUnsafeBytes(body)
    case .int16(let values): try values.span.withUnsafeBytes(body)
    case .int32(let values): try values.span.withUnsafeBytes(body)
    case .float32(let values): try values.span.withUnsafeBytes(body)
    }
  }

  /// `count` samples of a type, whose bytes `fill` writes, all of them.
  package init(
    _ type: SampleType, count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void
  ) {
    func filled<Sample: BitwiseCopyable>(_: Sample.Type) -> [Sample] {
      [Sample](unsafeUninitializedCapacity: count) { buffer, initializedCount in
        fill(
          UnsafeMutableRawBufferPointer(
            rebasing: UnsafeMutableRawBufferPointer(buffer)[
              ..<(count * MemoryLayout<Sample>.stride)]))
        initializedCount = count
      }
    }
    self =
      switch type {
      case .uint8: .uint8(filled(UInt8.self))
      case .uint16: .uint16(filled(UInt16.self))
      case .uint32: .uint32(filled(UInt32.self))
      case .int8: .int8(filled(Int8.self))
      case .int16: .int16(filled(Int16.self))
      case .int32: .int32(filled(Int32.self))
      case .float32: .float32(filled(Float.self))
      }
  }
}
