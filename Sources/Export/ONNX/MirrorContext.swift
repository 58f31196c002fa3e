// The context of a whole image inside the graph: continued by its mirror image before the network, and taken
// off behind it.

import Datasets
import Inference
import Network
import Tensors

/// Pixels around an image that the network is to see, along both axes.
///
/// They are those of `predict` for an image that one tile covers.
struct MirrorContext {
  /// Pixels before the image.
  let leading: Int
  /// Pixels behind it, after it was filled up to a multiple of `grid`.
  let trailing: Int
  /// The side of a pixel of the bottleneck.
  let grid: Int
  /// Pixels that the network takes off on each side.
  let margin: Int

  init(_ network: UNet) {
    grid = network.configuration.tileStep
    margin = network.configuration.margin
    let tile = TilePlan.best(for: [network], height: grid, width: grid).tiles[0].rows
    (leading, trailing) = (tile.leading, tile.trailing)
  }
}

extension ONNXNetworkBuilder {
  /// The image continued on all sides by its mirror image (c b a | a b c), as often as that takes.
  ///
  /// Pixel i of a continued axis is pixel i mod 2n of the axis, n long, and of its mirror image behind it.
  mutating func mirrored(_ image: String, _ context: MirrorContext) -> String {
    let shape = graph.node("Shape", "context.shape", [image])
    func scalar(_ name: String, _ value: Int) -> String {
      graph.integers("context.\(name)", [value], isScalar: true)
    }
    let (one, two) = (scalar("one", 1), scalar("two", 2))
    let (grid, rest) = (scalar("grid", context.grid), scalar("grid_less_one", context.grid - 1))
    let (start, leading) = (
      scalar("start", -context.leading), scalar("leading", context.leading)
    )
    let trailing = scalar("trailing", context.trailing)
    var value = image
    for (axis, name) in [(2, "rows"), (3, "columns")] {
      func node(_ operation: String, _ part: String, _ inputs: [String]) -> String {
        graph.node(operation, "context.\(name).\(part)", inputs)
      }
      let count = node(
        "Gather", "count",
        [shape, graph.integers("context.\(name).axis", [axis], isScalar: true)])
      // -n mod grid without a number below zero.
      let filling = node("Mod", "filling", [node("Mul", "multiple", [count, rest]), grid])
      let end = node("Add", "end", [node("Add", "whole", [count, filling]), trailing])
      let places = node("Range", "places", [start, end, one])
      let twice = node("Mul", "twice", [count, two])
      let positive = node(
        "Add", "positive", [places, node("Mul", "periods", [twice, leading])])
      let place = node("Mod", "place", [positive, twice])
      let last = node("Sub", "last", [twice, one])
      let source = node(
        "Where", "source",
        [node("Less", "is_own", [place, count]), place, node("Sub", "mirrored", [last, place])])
      value = graph.node(
        "Gather", "context.\(name)", [value, source], [.integer("axis", axis)])
    }
    return value
  }

  /// What is said of the image itself.
  mutating func cropped(_ value: String, _ context: MirrorContext) -> String {
    // Without padding the output begins behind the margin.
    let start = context.leading - context.margin
    let sides = graph.node(
      "Slice", "context.sides",
      ["context.shape", graph.integers("context.first", [2]), graph.integers("context.end", [4])])
    let starts = graph.integers("context.starts", [start, start])
    return graph.node(
      "Slice", "context.image",
      [
        value, starts, graph.node("Add", "context.ends", [sides, starts]),
        graph.integers("context.axes", [2, 3]),
      ])
  }
}
