// `unet-dist report`, the page at the end of a training, and the event files beside it.

import Files
import Foundation
import TestSupport
import Testing

@Suite struct ReportCommandTests {
  private static func page(_ path: String) throws -> String {
    String(decoding: try InputFile.contents(of: path, limit: 1 << 24), as: UTF8.self)
  }

  private static func train(_ folder: String, ranks: Int = 1, _ options: String...) throws {
    try TinyImages.squares(folder + "/data")
    let run = try ProgramRun.unetDist(
      ranks: ranks,
      TinyTraining.arguments(
        data: folder + "/data", output: folder + "/run",
        ["--steps", "3", "--validation-fraction", "0.5", "--global-batch", "2"] + options))
    #expect(run.succeeded, "\(run)")
    #expect(
      run.standardError.contains("the report of the run is \(folder)/run/report.html"), "\(run)")
  }

  @Test func aTrainingLeavesAPageWithPicturesOfItsValidationImages() throws {
    try withTemporaryFolder { folder in
      try Self.train(folder)
      let page = try Self.page(folder + "/run/report.html")
      // Two images of four pictures each.
      #expect(page.components(separatedBy: "src=\"data:image/png;base64,").count == 9)
      #expect(page.contains("The better image") && page.contains("The worse image"))
      #expect(page.contains("Trained on 2 images of \(folder)/data, validated on 2."))
      #expect(page.contains("value 255"))
      #expect(page.contains("unet-dist train --config \(folder)/run/config.yaml --output NEW"))
      #expect(!page.contains("Seconds by rank"))
      // Objects are scored too, and options have their reasons.
      #expect(
        page.contains("<button>SEG</button>") && page.contains("<button>Dice of value 255</button>")
      )
      for reason in ["given", "default"] {
        #expect(page.contains("<td class=\"quiet\">\(reason)</td>"), "\(reason)")
      }
    }
  }

  /// The images are dealt to the ranks, and the page has the same scores and pictures as by one process.
  @Test func ofSeveralRanksTheTimeOfEachIsShown() throws {
    try withTemporaryFolder { folder in
      try Self.train(folder, ranks: 2)
      let page = try Self.page(folder + "/run/report.html")
      #expect(page.contains("Seconds by rank") && page.contains("mpirun -np 2"))
      let alone = try ProgramRun.unetDist(
        "report", folder + "/run", "--output", folder + "/alone.html")
      #expect(alone.succeeded, "\(alone)")
      func scored(_ page: String) -> Substring? {
        page.components(separatedBy: "Which class was taken").last.flatMap {
          $0.components(separatedBy: "Where the time").first?[...]
        }
      }
      #expect(try scored(page) == scored(Self.page(folder + "/alone.html")))
    }
  }

  /// What is too large for a page is said, and leaves no empty matrix.
  @Test func aStoppedRunHasItsPageToo() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let log = folder + "/run/log.jsonl"
      let run = try ProgramRun.unetDist(
        ranks: 1,
        TinyTraining.arguments(
          data: folder + "/data", output: folder + "/run", ["--steps", "100000"])
      ) { process in
        for _ in 0..<1000 {
          let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
          if text.contains("\"step\": 3,") { break }
          usleep(20_000)
        }
        kill(process, SIGTERM)
      }
      #expect(run.exitStatus == 85, "\(run)")
      #expect(
        run.standardError.contains("the report of the run is \(folder)/run/report.html"), "\(run)")
      let page = try Self.page(folder + "/run/report.html")
      #expect(page.contains("Training loss") && page.contains("The run was stopped"))
      #expect(!page.contains("Which class was taken for which"))
    }
  }

  @Test func runsWhoseImagesAreGoneAreReportedWithoutPictures() throws {
    try withTemporaryFolder { folder in
      try Self.train(folder)
      try FileManager.default.removeItem(atPath: folder + "/data")
      let run = try ProgramRun.unetDist(
        "report", folder + "/run", folder + "/run", "--output", folder + "/both.html")
      #expect(run.succeeded && run.standardError.contains("Not all is shown"), "\(run)")
      let page = try Self.page(folder + "/both.html")
      #expect(page.contains("Side by side") && !page.contains("data:image/png"))
      #expect(page.contains("--tile"))
    }
  }

  @Test func aFolderWithoutARunIsAnError() throws {
    try withTemporaryFolder { folder in
      try ProgramRun.unetDist("report", folder).expectOneError(naming: [folder, "log.jsonl"])
      #expect(try Folder.names(in: folder).isEmpty)
    }
  }

  @Test func eventFilesLieWhereTheyAreAskedFor() throws {
    try withTemporaryFolder { folder in
      try Self.train(folder, "--tensorboard", folder + "/events")
      let names = try Folder.names(in: folder + "/events")
      #expect(names.count == 1 && names[0].hasPrefix("events.out.tfevents."))
      let text = try Self.page(folder + "/events/" + names[0])
      #expect(text.contains("train/loss") && text.contains("validation_dice/value 255"))
      #expect(text.components(separatedBy: "train/loss").count == 4)
      // Pictures and weights of the evaluation.
      #expect(text.contains("/prediction") && text.contains("/truth") && text.contains("weights/"))
    }
  }
}
