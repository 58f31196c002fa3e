// A prediction of all images: who does what, and what is told of it.

import Communication
import Datasets
import Files
import Foundation

/// Carries out a plan and tells what became of it; its calls are collective.
struct PredictionRun {
  private let images: ImagePrediction
  private let plan: PredictionPlan
  /// Whether failures are collected.
  private let keepsGoing: Bool
  private let communicator: any Communicator
  private var remarks = ImagePrediction.Remarks()
  /// This rank's failures; those of the plan and of what ranks do together are rank 0's.
  private var failures: [PredictionFailure]

  init(
    _ images: ImagePrediction, _ plan: PredictionPlan, keepsGoing: Bool,
    _ communicator: any Communicator
  ) {
    self.images = images
    self.plan = plan
    self.keepsGoing = keepsGoing
    self.communicator = communicator
    failures = communicator.rank == 0 ? plan.failures : []
  }

  /// Predicts everything; whole images go to the ranks in turn, all others are shared by them.
  ///
  /// - Throws: unless failures are collected the first one, on all ranks; `MPIError`.
  mutating func predictAll() throws {
    if plan.large.isEmpty && plan.stacks.isEmpty && !plan.whole.isEmpty {
      let count = plan.whole.count
      warnOfIdleRanks(count, count == 1 ? "image" : "images", communicator)
    }
    try predictWhole()
    let large = LargePrediction(images: images, communicator: communicator)
    for item in plan.large {
      try attempt(item.entry.name, imageCount: 1) { try large.write(item, &$0) }
    }
    for stack in plan.stacks {
      try attempt(stack.name, imageCount: stack.pages.count) {
        try StackPrediction(large).write(stack, &$0)
      }
    }
  }

  private mutating func predictWhole() throws {
    let rank = communicator.rank
    let mine = plan.whole.indices.filter { $0 % communicator.size == rank }.map { plan.whole[$0] }
    let progress = WorkProgress(
      communicator.size == 1 ? "images" : "images of rank 0", total: mine.count, pieces: "done",
      isShown: rank == 0, hasLines: false)
    var (remarks, failures) = (remarks, failures)
    try communicator.together {
      for item in mine {
        do {
          try images.write(item, &remarks)
        } catch  where keepsGoing {
          failures.append(
            PredictionFailure(name: item.entry.name, imageCount: 1, message: message(of: error)))
        }
        progress.advance()
      }
    }
    progress.finish()
    (self.remarks, self.failures) = (remarks, failures)
  }

  /// Does something together; what fails then fails on all ranks, and is collected by rank 0.
  private mutating func attempt(
    _ name: String, imageCount: Int, _ body: (inout ImagePrediction.Remarks) throws -> Void
  ) throws {
    do {
      try body(&remarks)
    } catch let failure as RankFailure where keepsGoing {
      if communicator.rank == 0 {
        failures.append(
          PredictionFailure(name: name, imageCount: imageCount, message: failure.message))
      }
    }
  }

  /// Tells what was made alike, what failed, in the order of the images, and how much was done.
  ///
  /// - Throws: `PredictionIncomplete`, on all ranks, where something failed; `MPIError`.
  func report() throws {
    let counts = try communicator.allReduceSum(
      [
        remarks.alphaCount, remarks.greyAsColourCount, remarks.colourAsGreyCount,
        remarks.incompleteCount,
      ].map { Int64($0) })
    let gathered = try communicator.allgatherv(Array(try JSONEncoder().encode(failures)))
    let all = try gathered.flatMap {
      try JSONDecoder().decode([PredictionFailure].self, from: Data($0))
    }.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    let done = plan.imageCount - plan.lostPageCount - all.reduce(0) { $0 + $1.imageCount }
    if communicator.rank == 0 {
      func remark(_ count: Int64, _ singular: String, _ plural: String, _ rest: String) {
        guard count > 0 else { return }
        printNote("\(count) of the images \(count == 1 ? singular : plural) \(rest)")
      }
      remark(counts[0], "has", "have", "alpha, which is left out")
      remark(counts[1], "is", "are", "grey: the channel is used three times")
      remark(counts[2], "is", "are", "grey in three equal channels, of which one is used")
      remark(
        counts[3], "has", "have",
        "pixels that hold no measurement: what is predicted there means nothing")
      for failure in all { printNote("not segmented: \(failure.message)") }
      try printText(
        "\(done) \(done == 1 ? "image" : "images") segmented into \(images.request.output)\n")
    }
    guard all.isEmpty else {
      throw PredictionIncomplete(failed: plan.imageCount - done, count: plan.imageCount)
    }
  }
}

/// The end of a prediction that kept going.
private struct PredictionIncomplete: AgreedFailure {
  let failed: Int
  let count: Int

  var reportingRank: Int { 0 }

  var description: String {
    "\(failed) of \(count) \(count == 1 ? "image" : "images") could not be segmented, as listed above"
  }
}
