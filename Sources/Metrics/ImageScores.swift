// All scores of one image.

/// What one image adds to the scores of its set.
package struct ImageScores: Sendable, Equatable {
  /// The image's name.
  package let name: String
  /// The counts of its pixels.
  package let counts: ConfusionCounts
  /// The summed loss of each of its windows, in order.
  package let losses: [Double]
  /// The scores of its borders and outlines, where they were asked for.
  package let boundaries: BoundaryScores?
  /// The sums behind the scores of its objects, where they were asked for.
  package let objects: ObjectScores?

  /// The scores of an image from their parts.
  package init(
    name: String, counts: ConfusionCounts, losses: [Double], boundaries: BoundaryScores?,
    objects: ObjectScores?
  ) {
    self.name = name
    self.counts = counts
    self.losses = losses
    self.boundaries = boundaries
    self.objects = objects
  }
}

extension ImageScores: Codable {
  private enum CodingKeys: CodingKey {
    case name, classes, counts, losses, boundaries, objects
  }

  /// Reads what a rank sent.
  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let classes = try values.decode(Int.self, forKey: .classes)
    let flat = try values.decode([Int64].self, forKey: .counts)
    guard classes > 0, flat.count == classes * classes, flat.allSatisfy({ $0 >= 0 }) else {
      throw DecodingError.dataCorruptedError(
        forKey: .counts, in: values,
        debugDescription: "\(flat.count) counts of \(classes) classes")
    }
    self.init(
      name: try values.decode(String.self, forKey: .name),
      counts: ConfusionCounts(classes: classes, flat: flat),
      losses: try values.decode([Double].self, forKey: .losses),
      boundaries: try values.decodeIfPresent(BoundaryScores.self, forKey: .boundaries),
      objects: try values.decodeIfPresent(ObjectScores.self, forKey: .objects))
  }

  /// Writes all parts.
  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(name, forKey: .name)
    try values.encode(counts.classes, forKey: .classes)
    try values.encode(counts.flat, forKey: .counts)
    try values.encode(losses, forKey: .losses)
    try values.encodeIfPresent(boundaries, forKey: .boundaries)
    try values.encodeIfPresent(objects, forKey: .objects)
  }
}
