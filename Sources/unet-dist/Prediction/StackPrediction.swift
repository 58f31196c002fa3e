// What becomes of the pages of a file, in a file of pages again.

import Communication
import Datasets
import Files
import Foundation
import Imaging

/// Predicts stacks: the pages are dealt to the ranks, and rank 0 writes the files.
///
/// All its calls are collective.
struct StackPrediction {
  let large: LargePrediction
  private var images: ImagePrediction { large.images }
  private var communicator: any Communicator { large.communicator }

  init(_ large: LargePrediction) { self.large = large }

  /// Predicts all pages of a stack and writes all that becomes of them.
  func write(
    _ stack: PredictionPlan.Stack, _ remarks: inout ImagePrediction.Remarks
  ) throws {
    var files: [PictureKind: TIFFWriter] = [:]
    let (origin, description) = try communicator.together {
      let origin = try TIFFOrigin(stack.path, page: stack.pages[0].entry.imagePage)
      let places = try ImageFile.places(in: stack.path).depthsAndTimes
      let (depths, times) = places ?? (stack.pages.count, 1)
      return (origin, TIFFFile.imageJDescription(depths: depths, times: times, origin: origin))
    }
    let progress = WorkProgress(
      stack.name, total: stack.pages.count, pieces: "pages", isShown: communicator.rank == 0,
      hasLines: false)
    var next = 0
    while next < stack.pages.count {
      let page = stack.pages[next]
      if page.isLarge {
        let image = try large.open(page.entry, &remarks)
        try communicator.together {
          guard communicator.rank == 0 else { return }
          for kind in images.request.pictures {
            // As many bytes a sample as the widest of the pictures has, for every page.
            let byteCount = image.width * image.height * 6
            let writer = try files[kind] ?? writer(of: kind, stack, pageByteCount: byteCount)
            files[kind] = writer
            try large.beginPage(
              of: kind, image, page.entry, in: writer, origin: origin,
              description: next == 0 ? description : nil)
          }
        }
        try large.predict(page.entry, image, into: files, &remarks)
        next += 1
        progress.advance()
        continue
      }
      let round = stack.pages[next...].prefix { !$0.isLarge }.prefix(communicator.size)
      let own = try communicator.together { () throws -> [UInt8] in
        guard communicator.rank < round.count else { return [] }
        let entry = round[round.startIndex + communicator.rank].entry
        return try images.pictures(of: entry, &remarks).reduce(into: []) { $1.append(to: &$0) }
      }
      let gathered = try communicator.gatherv(own, to: 0)
      try communicator.together {
        for bytes in gathered.prefix(round.count) {
          var rest = bytes[...]
          for kind in images.request.pictures {
            let picture = Image(takenFrom: &rest)
            let byteCount = picture.samples.count * picture.samples.sampleByteCount
            let writer = try files[kind] ?? writer(of: kind, stack, pageByteCount: byteCount)
            files[kind] = writer
            try writer.beginPage(
              width: picture.width, height: picture.height, channels: picture.channels,
              sampleByteCount: picture.samples.sampleByteCount, division: .strips, origin: origin,
              description: next == 0 ? description : nil)
            try writer.append(picture)
          }
          next += 1
          progress.advance()
        }
      }
      // On other ranks nothing was gathered.
      if communicator.rank != 0 { next += round.count }
    }
    try communicator.together { for writer in files.values { try writer.commit() } }
  }

  private func writer(
    of kind: PictureKind, _ stack: PredictionPlan.Stack, pageByteCount: Int
  ) throws -> TIFFWriter {
    try TIFFWriter(
      path: images.path(stack.name, kind.suffix(.tiff)),
      byteCount: pageByteCount * stack.pages.count)
  }
}

// MARK: - Pictures as bytes

extension Image {
  /// Appends width, height, channels and bits, eight bytes each, and the samples.
  fileprivate func append(to bytes: inout [UInt8]) {
    for number in [width, height, channels, bitsPerSample] {
      withUnsafeBytes(of: Int64(number)) { bytes.append(contentsOf: $0) }
    }
    switch samples {
    case .uint8(let values): bytes += values
    case .uint16(let values): values.withUnsafeBytes { bytes.append(contentsOf: $0) }
    default: preconditionFailure("a picture of other samples than unsigned ones of 8 or 16 bits")
    }
  }

  /// The picture that was appended to these bytes, which are taken away.
  fileprivate init(takenFrom bytes: inout ArraySlice<UInt8>) {
    var numbers: [Int] = []
    for _ in 0..<4 {
      numbers.append(
        Int(bytes.prefix(8).withUnsafeBytes { $0.loadUnaligned(as: Int64.self) }))
      bytes = bytes.dropFirst(8)
    }
    let count = numbers[0] * numbers[1] * numbers[2]
    let isWide = numbers[3] > 8
    let own = bytes.prefix(isWide ? 2 * count : count)
    bytes = bytes.dropFirst(own.count)
    self.init(
      width: numbers[0], height: numbers[1], channels: numbers[2], bitsPerSample: numbers[3],
      samples: isWide
        ? .uint16(
          [UInt16](unsafeUninitializedCapacity: count) { values, initializedCount in
            UnsafeMutableRawBufferPointer(values).copyBytes(from: own)
            initializedCount = count
          }) : .uint8(Array(own)))
  }
}
