// Objects as `predict` writes them and `evaluate` scores them.

import Checkpoints
import Foundation
import Imaging
import Network
import Tensors
import TestSupport
import Testing

@Suite struct InstancesCommandTests {
  private static func numbers(_ path: String) throws -> [UInt16] {
    let image = try ImageFile.read(path)
    #expect(image.channels == 1 && image.bitsPerSample == 16)
    guard case .uint16(let numbers) = image.samples else {
      Issue.record("numbers of \(image.bitsPerSample) bits")
      return []
    }
    return numbers
  }

  @Test(arguments: ["components", "watershed"])
  func everyObjectHasANumberOnAnyRanks(_ separation: String) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", count: 3, side: 41)
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      for ranks in [1, 2] {
        let run = try ProgramRun.unetDist(
          ranks: ranks,
          [
            "predict", "--checkpoint", checkpoint, folder + "/data/images", "--output",
            "\(folder)/\(ranks)", "--instances", separation,
          ])
        #expect(run.succeeded, "\(run)")
      }
      for index in 0..<3 {
        let numbers = try Self.numbers("\(folder)/1/cell-\(index)-instances.png")
        #expect(try Self.numbers("\(folder)/2/cell-\(index)-instances.png") == numbers)
        guard case .uint8(let mask) = try ImageFile.read("\(folder)/1/cell-\(index).png").samples
        else {
          Issue.record("a mask of other samples")
          continue
        }
        #expect(zip(numbers, mask).allSatisfy { ($0 != 0) == ($1 == 255) })
        #expect(Set(numbers).count == Int(numbers.max() ?? 0) + (numbers.contains(0) ? 1 : 0))
      }
    }
  }

  @Test func evaluateScoresObjectsThatAreToldApartEitherWay() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", side: 41)
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      for separation in ["components", "watershed"] {
        let command = [
          "evaluate", "--checkpoint", checkpoint, "--data", folder + "/data", "--metrics",
          "pixels,objects", "--instances", separation, "--json",
        ]
        let alone = try ProgramRun.unetDist(ranks: 1, command)
        #expect(alone.succeeded, "\(alone)")
        let ranks = try ProgramRun.unetDist(ranks: 3, command)
        #expect(ranks.standardOutput == alone.standardOutput, "\(ranks)")
      }
      let run = try ProgramRun.unetDist(
        "predict", "--checkpoint", checkpoint, folder + "/data/images", "--output",
        folder + "/out", "--instances", "components", "--border-class", "membrane")
      run.expectOneError(naming: ["--border-class", "membrane"])
    }
  }

  /// Writes the checkpoint of a network that calls a pixel the second class where it is brighter than
  /// the image's mean: centres of kernels carry the first channel through the skip to the head.
  private static func writeThresholdNetwork(_ path: String, in folder: String) throws {
    let (checkpoint, _) = try Checkpoint.read(TinyTraining.checkpoint(in: folder))
    let layout = UNet(checkpoint.network).layout
    let parameters = FloatBuffer(count: layout.count)
    parameters.floats.update(repeating: 0)
    for parameter in layout.parameters {
      var values = [Float](repeating: 0, count: parameter.shape.reduce(1, *))
      switch parameter.name {
      case "down.0.conv1.weight", "down.0.conv2.weight", "up.0.conv1.weight", "up.0.conv2.weight":
        // [out, in, 3, 3]: from the first channel to the first.
        values[4] = 1
      case "head.weight": values[parameter.shape[1]] = 1
      case "head.bias": values[0] = 0.1
      default: break
      }
      parameter.store(fileValues: values, to: parameters.base)
    }
    try checkpoint.write(to: path, layout: layout, parameters: parameters, state: [])
  }

  /// A board of single pixels has more objects than 16 bits can number: 70,000 of 140,000 pixels.
  @Test func moreObjectsThanNumbersAreAnError() throws {
    try withTemporaryFolder { folder in
      let checkpoint = folder + "/threshold.safetensors"
      try Self.writeThresholdNetwork(checkpoint, in: folder)
      for (width, isError) in [(40, false), (400, true)] {
        let image = "\(folder)/board-\(width).png"
        try TinyImages.png(image, width: width, height: 350) { x, y, _ in (x + y) % 2 * 255 }
        let run = try ProgramRun.unetDist(
          "predict", "--checkpoint", checkpoint, image, "--output", folder + "/out",
          "--instances", "components")
        if isError {
          run.expectOneError(naming: [image, "at most 65535 objects", "70000", "cut the image"])
        } else {
          #expect(run.succeeded, "\(run)")
          #expect(try Self.numbers(folder + "/out/board-40-instances.png").max() == 7000)
        }
      }
    }
  }
}
