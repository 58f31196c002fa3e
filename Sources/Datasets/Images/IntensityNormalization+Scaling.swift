// Normalization by fixed numbers, for programs that are to do it elsewhere.

/// What intensities of a channel become: (intensity - offset) x scale.
package struct ChannelScaling: Sendable, Equatable {
  /// The intensity that becomes 0.
  package let offset: Double
  /// The factor then.
  package let scale: Double
}

extension IntensityNormalization {
  /// The numbers by which every image is scaled; nil where each has its own, or none.
  ///
  /// Of `set` they are of intensities, and there is one for each channel; of `unchanged` with bounds they
  /// are of stored values, one for all.
  package var channelScaling: [ChannelScaling]? {
    switch rule {
    case .standardized, .percentiles: nil
    case .set:
      setStatistics?.map { statistics in
        let numbers = standardization(statistics)
        return ChannelScaling(offset: numbers.offset, scale: numbers.scale)
      }
    case .unchanged:
      bounds.map { [ChannelScaling(offset: $0.low, scale: 1 / ($0.high - $0.low))] }
    }
  }
}
