// The page of a report: what it shows, and that nothing in it comes from elsewhere.

import Foundation
import Imaging
import Reports
import TestSupport
import Testing

@Suite struct RunReportTests {
  /// The log of three steps on two ranks and two evaluations.
  private static let log = """
    {"event": "start", "step": 0, "program_version": "0.2.0", "program_revision": "abcdef0123456789", \
    "configuration_digest": "0", "training_images": 20, "validation_images": ["a", "b"]}
    {"step": 1, "epoch": 0, "loss": 1.25, "learning_rate": 0.001, "gradient_norm": 2, "images_per_second": 4, \
    "seconds": {"load": 1, "forward": 2, "backward": 3, "reduce": 4, "update": 10}, \
    "rank_seconds": {"load": [1, 0], "forward": [2, 2], "backward": [3, 3], "reduce": [4, 5], "update": [10, 9]}}
    {"event": "evaluation", "step": 1, "best": true, "scores": {"mean_iou": 0.5, "mean_dice": 0.6, \
    "loss": 0.7, "classes": [{"dice": 0.5}, {"dice": null}]}}
    {"step": 2, "epoch": 0, "loss": 0.5, "learning_rate": 0.001, "gradient_norm": 1, "images_per_second": 5, \
    "seconds": {"load": 1, "forward": 2, "backward": 3, "reduce": 4, "update": 10}}
    {"event": "evaluation", "step": 2, "best": false, "scores": {"mean_iou": 0.4, "mean_dice": 0.5, \
    "loss": 0.6, "classes": []}}
    {"step": 3, "epoch": 0, "loss": null, "learn
    """

  private static func run(_ path: String = "runs/a") -> ReportedRun {
    ReportedRun(path: path, history: RunHistory(log: Array(log.utf8)))
  }

  @Test func theHistoryIsWhatTheLogTells() {
    let history = Self.run().history
    // The third step's line was cut off.
    #expect(history.steps.map(\.step) == [1, 2])
    #expect(history.steps.map(\.loss) == [1.25, 0.5])
    #expect(history.best?.step == 1 && history.evaluations.count == 2)
    #expect(history.start?.validationImages == ["a", "b"] && history.resumptions == 0)
    #expect(history.secondsByPart.map(\.seconds) == [2, 4, 6, 8, 20] && history.seconds == 40)
    #expect(history.secondsByRank == [[1, 2, 3, 4, 10], [0, 2, 3, 5, 9]])
  }

  @Test func thePageHasNumbersCurvesAndTables() throws {
    var run = Self.run()
    run.options = [.init(name: "tile", value: "192", reason: "the largest within every image")]
    run.command = "unet-dist train --config runs/a/config.yaml --output NEW"
    run.confusion = .init(names: ["background", "cell"], counts: [[900, 100], [50, 950]])
    run.classes = [
      .init(name: "background", colour: nil), .init(name: "cell", colour: "rgb(1 2 3)"),
    ]
    run.imageColumns = ["mean IoU", "pixel error", "objects"]
    run.images = [
      .init(name: "a", values: [0.75, 0.25, 1234]), .init(name: "b", values: [nil, 0.5, 0]),
    ]
    let picture = try ReportPicture(
      Image(width: 1, height: 1, channels: 1, bitsPerSample: 8, samples: .uint8([7])))
    run.examples = [.init(place: "only", name: "a", score: 0.75, pictures: [("image", picture)])]
    let html = RunReport([run], version: "1.2.3", date: Date(timeIntervalSince1970: 0)).html()
    #expect(html.contains("<h1>a</h1>") && html.contains("1970-01-01"))
    #expect(html.contains("<dt>best mean IoU</dt><dd>0.5000</dd>"))
    // 900 of 1,000 pixels of the background were found.
    #expect(html.contains("<b>90.00 %</b><br><span class=\"quiet\">900</span>"))
    #expect(html.contains("style=\"--depth:63%\""))
    #expect(
      html.contains("<td>192<wbr></td><td class=\"quiet\">the largest within every image</td>"))
    #expect(html.contains("--config runs/a/config.yaml --output NEW"))
    #expect(
      html.contains("<td data-value=\"0.25\">0.2500</td><td data-value=\"1234.0\">1,234</td>"))
    #expect(html.contains("<td data-value=\"-1\">none</td>"))
    // The colours of classes and of differences have keys.
    #expect(
      html.contains("background:rgb(1 2 3)\"></i>cell")
        && html.contains("background, as in the image"))
    #expect(html.contains("found where it is not") && html.contains("ignored"))
    // Half of the steps' 40 seconds were updates.
    #expect(html.contains("update 50.0 %"))
    // Both losses, scores, Dice, rate, norm, images per second.
    #expect(html.components(separatedBy: "<svg ").count == 8)
    #expect(html.contains("Training loss") && html.contains("by --loss, mean over a batch"))
    #expect(
      html.contains("Validation loss")
        && html.contains("cross-entropy, mean over the labelled pixels"))
    #expect(!html.contains("{{"))
  }

  /// Scores of 0 everywhere, as of the first evaluations of a hard set, are curves too.
  @Test(arguments: ["0", "1", "1e-30", "-2"]) func constantCurvesAreDrawn(value: String) {
    let log = (1...2).map {
      """
      {"event": "evaluation", "step": \($0), "best": false, "scores": {"mean_iou": \(value), \
      "mean_dice": \(value), "loss": \(value), "classes": [{"dice": \(value)}]}}
      {"step": \($0), "epoch": 0, "loss": \(value), "learning_rate": \(value), "gradient_norm": \(value), \
      "images_per_second": \(value), "seconds": {"load": 0, "forward": 0, "backward": 0, "reduce": 0, \
      "update": 0}}

      """
    }.joined()
    let run = ReportedRun(path: "runs/a", history: RunHistory(log: Array(log.utf8)))
    let html = RunReport([run], version: "1").html()
    #expect(html.contains("<svg ") && !html.contains("nan"))
  }

  @Test func nothingOfThePageComesFromElsewhere() throws {
    let html = RunReport([Self.run(), Self.run("b")], version: "1").html()
    for word in ["http:", "https:", "src=\"/", "url(", "@import", "<link rel=\"stylesheet"] {
      #expect(!html.contains(word), "\(word)")
    }
  }

  /// Whatever files and classes are called, they are text, also with an accent that joins a quotation mark.
  @Test func textFromDataIsNeverMarkup() throws {
    for name in ["<script>alert(1)</script>", "\"\u{301} onload=\"x", "a' & b", "\u{1B}[2J"] {
      var run = Self.run("runs/" + name)
      run.options = [.init(name: name, value: name, reason: name)]
      (run.command, run.data, run.network, run.remarks) = (name, name, name, [name])
      run.confusion = .init(names: [name, name], counts: [[1, 0], [0, 1]])
      run.classes = [.init(name: name, colour: nil), .init(name: name, colour: "rgb(1 2 3)")]
      run.imageColumns = [name]
      run.images = [.init(name: name, values: [1])]
      let picture = try ReportPicture(
        Image(width: 1, height: 1, channels: 1, bitsPerSample: 8, samples: .uint8([7])))
      run.examples = [.init(place: "best", name: name, score: 1, pictures: [(name, picture)])]
      let plain = RunReport([Self.run()], version: "1").html()
      let html = RunReport([run, run], version: name).html()
      #expect(!html.unicodeScalars.contains("\u{1B}"))
      #expect(!html.contains("<script>alert"))
      // By scalars, since an accent hides a quotation mark from a search by characters.
      let scalars = Array(html.unicodeScalars)
      let accents = scalars.indices.filter { scalars[$0] == "\u{301}" }
      #expect(accents.allSatisfy { scalars[$0 - 1] == ";" })
      func scripts(_ page: String) -> Int { page.components(separatedBy: "<script").count }
      #expect(scripts(plain) == scripts(html))
    }
    #expect("<a b='c'>&\"".escapedForPage == "&lt;a b=&#39;c&#39;&gt;&amp;&quot;")
  }

  @Test func runsSideBySideShowWhereTheyDiffer() throws {
    var (first, second) = (Self.run("runs/a"), Self.run("runs/b"))
    first.options = [
      .init(name: "tile", value: "192", reason: "default"),
      .init(name: "depth", value: "4", reason: "default"),
    ]
    second.options = [
      .init(name: "tile", value: "256", reason: "default"),
      .init(name: "depth", value: "4", reason: "default"),
    ]
    let html = RunReport([first, second], version: "1").html()
    #expect(html.contains("<tr><th>--tile</th><td>192<wbr></td><td>256<wbr></td></tr>"))
    #expect(!html.contains("<th>--depth</th><td>4<wbr></td><td>4<wbr></td>"))
    #expect(html.components(separatedBy: "<details").count == 3)
    // Dice by class, in a table and in a chart each, and the images that both have scored.
    #expect(html.contains("<th>its Dice of class 0</th><td>0.5000<wbr></td><td>0.5000<wbr></td>"))
    #expect(html.contains("<b>Dice of class 0</b>") && html.contains("charts many"))
    for place in [0, 1] {
      let counts = [[9, 1], [place, 8]]
      let confusion = ReportedRun.Confusion(names: ["x", "y"], counts: counts)
      let image = ReportedRun.ImageScore(name: "shared", values: [0.25 + Double(place) / 2])
      if place == 0 { (first.confusion, first.images) = (confusion, [image]) }
      if place == 1 { (second.confusion, second.images) = (confusion, [image]) }
    }
    let scored = RunReport([first, second], version: "1").html()
    #expect(
      scored.contains(
        "<tr><th>shared</th><td data-value=\"0.25\">0.2500</td><td data-value=\"0.75\">0.7500</td></tr>"
      ))
    // Both matrices, before the parts of the runs and not within them.
    let before = scored.components(separatedBy: "<details")[0]
    #expect(before.components(separatedBy: "class=\"confusion\"").count == 3)
    #expect(scored.components(separatedBy: "class=\"confusion\"").count == 3)
  }

  @Test func aRunOfNothingHasAPageToo() {
    let html = RunReport([ReportedRun(path: "empty/", history: RunHistory())], version: "1").html()
    #expect(html.contains("<h1>empty</h1>") && !html.contains("<svg"))
  }

  @Test func picturesAreMadeSmallByMeans() throws {
    // Columns of 0 and 100 by turns: the mean of any two is 50.
    let image = Image(
      width: 720, height: 360, channels: 1, bitsPerSample: 8,
      samples: .uint8((0..<720 * 360).map { UInt8($0 % 2 * 100) }))
    let picture = try ReportPicture(image)
    #expect((picture.width, picture.height) == (360, 180))
    let prefix = "data:image/png;base64,"
    #expect(picture.address.hasPrefix(prefix))
    let bytes = try #require(Data(base64Encoded: String(picture.address.dropFirst(prefix.count))))
    try withTemporaryFolder { folder in
      try bytes.write(to: URL(fileURLWithPath: folder + "/a.png"))
      let read = try ImageFile.read(folder + "/a.png")
      #expect(read.samples == .uint8([UInt8](repeating: 50, count: 360 * 180)))
    }
  }
}
