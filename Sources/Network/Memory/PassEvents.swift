// When things happen in a pass through the network: the moments by which buffers are planned.

/// The events of a forward pass, numbered in its order by one walk through it; backward runs through
/// them in reverse.
struct PassEvents {
  /// What happens on a level of the contracting path.
  struct Down {
    /// The first convolution writes its output.
    let first: Int
    /// The second one does.
    let second: Int
    /// The features are pooled; nil at the bottleneck.
    let pooled: Int?
  }

  /// What happens on a level of the expansive path.
  struct Up {
    /// The features from below are upsampled.
    let upsampled: Int
    /// The first convolution writes its output.
    let first: Int
    /// The second one does.
    let second: Int
  }

  /// The contracting path by level; the last is the bottleneck.
  let down: [Down]
  /// The expansive path by the level of its skip.
  let up: [Up]
  /// The logits are written.
  let head: Int
  /// The loss reads them.
  let loss: Int

  /// The events of a network with `depth` poolings.
  init(depth: Int) {
    var count = 0
    func next() -> Int {
      defer { count += 1 }
      return count
    }
    down = (0...depth).map { level in
      Down(first: next(), second: next(), pooled: level < depth ? next() : nil)
    }
    up = Array(
      (0..<depth).map { _ in Up(upsampled: next(), first: next(), second: next()) }.reversed())
    head = next()
    loss = next()
  }

  /// When the backward pass undoes what the forward pass did at `event`.
  func backward(_ event: Int) -> Int { 2 * loss + 1 - event }

  /// When the forward pass reads the features of a level last: across, by the level's up stage, or at
  /// the bottleneck by the upsampling above it.
  func lastReader(ofLevel level: Int) -> Int {
    level < up.count ? up[level].first : up[level - 1].upsampled
  }

  /// When the forward pass reads the output of an up stage: in the one above it, or in the head.
  func reader(ofUpStage level: Int) -> Int { level == 0 ? head : up[level - 1].upsampled }
}
