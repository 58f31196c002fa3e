// The event files of TensorBoard, bytes by byte; that TensorBoard reads them is what Scripts/check-tensorboard
// looks at.

import Foundation
import Imaging
import Reports
import SwiftProtobuf
import TestSupport
import Testing

@Suite struct EventFileTests {
  /// The frame of an empty message, from the check value of no bytes (0) and that of eight zeros.
  @Test func theFrameOfAMessageIsItsLengthAndTwoMaskedChecksums() {
    let frame = EventFile.record(of: [])
    // CRC-32C of eight zero bytes is 0x8C28B28A; masked: rotated right by 15, plus 0xA282EAD8.
    let length: UInt32 = (0x8C28_B28A >> 15 | 0x8C28_B28A << 17) &+ 0xA282_EAD8
    #expect(frame.prefix(8) == [0, 0, 0, 0, 0, 0, 0, 0])
    #expect(Self.word(frame, 8) == length)
    #expect(Self.word(frame, 12) == 0xA282_EAD8)
  }

  /// The check value of "123456789", which every catalogue of checksums gives for CRC-32C: 0xE3069283.
  @Test func theChecksumOfTheDigitsIsTheCheckValue() {
    let frame = EventFile.record(of: Array("123456789".utf8))
    let masked: UInt32 = (0xE306_9283 >> 15 | 0xE306_9283 << 17) &+ 0xA282_EAD8
    #expect(Self.word(frame, frame.count - 4) == masked)
    #expect(frame.count == 12 + 9 + 4 && frame[0] == 9)
  }

  @Test func numbersComeBackWithTheirNamesAndSteps() throws {
    try withTemporaryFolder { folder in
      let file = try EventFile(in: folder + "/events", after: 4)
      try file.append(step: 5, [("train/loss", 0.25), ("train/learning_rate", 1e-3)])
      try file.append(step: 6, [("train/loss", .nan)])
      let name = try #require(file.path.split(separator: "/").last)
      #expect(name.hasPrefix("events.out.tfevents."))
      let events = try Self.events(file.path)
      #expect(events.map(\.step) == [0, 5, 5, 6])
      #expect(events[0].fileVersion == "brain.Event:2")
      #expect(events[1].sessionLog.status == .start)
      #expect(events[2].summary.value.map(\.tag) == ["train/loss", "train/learning_rate"])
      #expect(events[2].summary.value.map(\.simpleValue) == [0.25, 1e-3])
      #expect(events[3].summary.value[0].simpleValue.isNaN)
      #expect(abs(events[2].wallTime - Date().timeIntervalSince1970) < 60)
    }
  }

  @Test func picturesAndHistogramsComeBack() throws {
    try withTemporaryFolder { folder in
      let file = try EventFile(in: folder, after: 0)
      let image = Image(
        width: 3, height: 2, channels: 3, bitsPerSample: 8,
        samples: .uint8((0..<18).map { UInt8($0 * 10) }))
      let values: [Float] = [-1, 0, 0.5, 1, .nan]
      let histogram = values.withUnsafeBufferPointer { ValueHistogram($0) }
      try file.append(
        step: 7, images: [("validation/a", image)], histograms: [("weights/w", histogram)])
      let event = try #require(try Self.events(file.path).last)
      #expect(event.step == 7 && event.summary.value.map(\.tag) == ["validation/a", "weights/w"])
      let picture = event.summary.value[0].image
      #expect(picture.width == 3 && picture.height == 2 && picture.colorspace == 3)
      let path = folder + "/picture.png"
      try picture.encodedImageString.write(to: URL(fileURLWithPath: path))
      #expect(try ImageFile.read(path).samples == image.samples)
      let histo = event.summary.value[1].histo
      #expect(histo.min == -1 && histo.max == 1 && histo.num == 4)
      #expect(histo.sum == 0.5 && histo.sumSquares == 2.25)
      #expect(histo.bucketLimit.count == histo.bucket.count && histo.bucketLimit.last == 1)
      #expect(histo.bucket.reduce(0, +) == 4)
    }
  }

  private static func word(_ bytes: [UInt8], _ place: Int) -> UInt32 {
    (0..<4).reduce(0) { $0 | UInt32(bytes[place + $1]) << (8 * $1) }
  }

  private static func events(_ path: String) throws -> [Tensorboard_Event] {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    var (place, events) = (0, [Tensorboard_Event]())
    while place < bytes.count {
      let count = Int(word(bytes, place))
      let message = Array(bytes[place + 12..<place + 12 + count])
      #expect(Array(bytes[place..<place + 16 + count]) == EventFile.record(of: message))
      events.append(try Tensorboard_Event(serializedBytes: message))
      place += 16 + count
    }
    return events
  }
}
