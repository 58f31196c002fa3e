// The architecture of a U-Net, and the tile sizes it can take.

/// How a convolution treats the border of its input.
package enum Padding: String, Codable, CaseIterable, Sendable {
  /// No padding: every 3x3 convolution takes two rows and columns off, as in the paper.
  case valid
  /// Zeros around the input, so that sizes stay.
  case zero
  /// The border value repeated first (c b a | a b c), so that sizes stay: `symmetric` in NumPy, not
  /// PyTorch's `reflect`.
  case mirror
}

/// How the expansive path doubles rows and columns.
package enum Upsampling: String, Codable, CaseIterable, Sendable {
  /// Nearest-neighbour upsampling, then a 2x2 convolution that halves the channels.
  case nearest
  /// A learned transposed 2x2 convolution of stride 2.
  case transposed
}

/// What is done to the sums of a 3x3 convolution before its ReLU.
package enum Normalization: String, Codable, CaseIterable, Sendable {
  /// Nothing, as in the paper.
  case none
  /// Each channel by its own mean and variance.
  case instance
  /// Sixteen channels together, or fewer where the channels are no multiple of sixteen.
  case group
  /// Each channel by its own mean and variance in training, and by their running averages over
  /// samples and steps elsewhere. Not by those of the batch, which its division among ranks would
  /// change.
  case batch

  /// Channels of `count` that share their statistics: the largest power of 2 up to 16 that divides
  /// it, for groups; nil for none.
  package func groupSize(channels count: Int) -> Int? {
    switch self {
    case .none: nil
    case .instance, .batch: 1
    case .group: 1 << min(4, count.trailingZeroBitCount)
    }
  }
}

/// The architecture of a U-Net: everything that decides its parameters and shapes.
package struct UNetConfiguration: Codable, Hashable, Sendable {
  /// Channels of the images: 1 (grey) or 3 (RGB), any positive number works.
  package var inputChannels: Int
  /// Classes of the output, at least 2.
  package var classes: Int
  /// Channels of the first level; level l has baseChannels << l.
  package var baseChannels: Int
  /// Number of poolings; the bottleneck is level `depth`.
  package var depth: Int
  /// The border rule of every convolution.
  package var padding: Padding
  /// The doubling in the expansive path.
  package var upsampling: Upsampling
  /// Probability that dropout zeroes a value, after the last two levels of the contracting path.
  package var dropout: Float
  /// What stands between a 3x3 convolution and its ReLU.
  package var normalization: Normalization

  /// The paper's network, unless told otherwise.
  package init(
    inputChannels: Int = 1, classes: Int = 2, baseChannels: Int = 64, depth: Int = 4,
    padding: Padding = .valid, upsampling: Upsampling = .nearest, dropout: Float = 0.5,
    normalization: Normalization = .none
  ) {
    self.inputChannels = inputChannels
    self.classes = classes
    self.baseChannels = baseChannels
    self.depth = depth
    self.padding = padding
    self.upsampling = upsampling
    self.dropout = dropout
    self.normalization = normalization
  }
}

extension UNetConfiguration {
  private enum CodingKeys: CodingKey {
    case inputChannels, classes, baseChannels, depth, padding, upsampling, dropout, normalization
  }

  /// The configuration that a file holds; what an older file does not name is as it was then, which
  /// is the default.
  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    func value<Value: Decodable>(_ key: CodingKeys, _ otherwise: Value) throws -> Value {
      try values.decodeIfPresent(Value.self, forKey: key) ?? otherwise
    }
    let paper = UNetConfiguration()
    self.init(
      inputChannels: try value(.inputChannels, paper.inputChannels),
      classes: try value(.classes, paper.classes),
      baseChannels: try value(.baseChannels, paper.baseChannels),
      depth: try value(.depth, paper.depth), padding: try value(.padding, paper.padding),
      upsampling: try value(.upsampling, paper.upsampling),
      dropout: try value(.dropout, paper.dropout),
      normalization: try value(.normalization, paper.normalization))
  }

  /// Writes what older versions know too in their words: without a normalization no word of it.
  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(inputChannels, forKey: .inputChannels)
    try values.encode(classes, forKey: .classes)
    try values.encode(baseChannels, forKey: .baseChannels)
    try values.encode(depth, forKey: .depth)
    try values.encode(padding, forKey: .padding)
    try values.encode(upsampling, forKey: .upsampling)
    try values.encode(dropout, forKey: .dropout)
    if normalization != .none { try values.encode(normalization, forKey: .normalization) }
  }

  /// Channels of level `level` of the contracting path; `depth` is the bottleneck.
  package func channels(level: Int) -> Int { baseChannels << level }

  /// The side of the output for a tile of side `tile`, or nil when the tile is not legal.
  ///
  /// A tile is legal when every pooled size is even and every convolution has an output. With
  /// valid convolutions and depth 4 those are the sizes 16k + 60, k >= 8.
  package func outputSide(tile: Int) -> Int? {
    let loss = padding == .valid ? 4 : 0
    var side = tile
    for _ in 0..<depth {
      side -= loss
      guard side >= 2, side.isMultiple(of: 2) else { return nil }
      side /= 2
    }
    side -= loss
    guard side >= 1 else { return nil }
    for _ in 0..<depth {
      side = side * 2 - loss
      guard side >= 1 else { return nil }
    }
    return side
  }

  /// Rows (or columns) that a tile has on each side around its output.
  package var margin: Int {
    guard padding == .valid else { return 0 }
    // Each of the two convolutions of a level takes one pixel of that level a side, level l's
    // pixels being 2^l wide; the contracting path and the expansive path both do, the bottleneck
    // once.
    let paths = (0..<depth).reduce(0) { $0 + 2 * (2 << $1) }
    return paths + (2 << depth)
  }

  /// The legal tile sizes nearest to `tile`, the smaller first; one where none is smaller.
  package func legalTiles(near tile: Int) -> [Int] {
    let step = 1 << depth
    let below = stride(from: tile, through: max(1, tile - 2 * step), by: -1).first {
      outputSide(tile: $0) != nil
    }
    let smallest = 2 * margin + 4 * step
    let above = (max(1, tile)...max(tile, smallest) + 2 * step).first {
      outputSide(tile: $0) != nil
    }
    return [below, above].compactMap { $0 }.reduce(into: []) {
      if !$0.contains($1) { $0.append($1) }
    }
  }
}
