// Moments of a run at which a test can make a rank fail.

import CLiveness

/// A moment of a run, by the name under which a test asks for a fault there.
///
/// The program has no faults in it and reads no variable for them: it asks once whether somebody has loaded a
/// function for these moments into the process, as tests do (Tests/FaultInjector). Without one, passing a
/// moment costs a comparison.
package enum FaultPoint: String, Sendable {
  /// Before the ranks meet.
  case start
  /// Before images are read.
  case decode
  /// Before a batch is taken.
  case load
  case forward
  case backward
  /// Before the sums of gradients over the ranks are waited for.
  case exchange
  /// Before the weights are changed.
  case update
  case evaluate
  case save
  /// Before the ranks part.
  case end

  private static let isWatched = CLiveness_has_faults()

  /// Tells a test that the moment has come, and hands it the memory that is in use then.
  ///
  /// - Throws: ``InjectedFault``, if the test wants that.
  package func reach(
    step: Int = 0, _ buffers: @autoclosure () -> [UnsafeMutableBufferPointer<Float>] = []
  ) throws(InjectedFault) {
    guard Self.isWatched else { return }
    let buffers = buffers()
    var fails = false
    for (number, buffer) in buffers.enumerated() {
      fails =
        CLiveness_reach(
          rawValue, Int64(step), buffer.baseAddress, buffer.count, CInt(number),
          CInt(buffers.count)) || fails
    }
    if buffers.isEmpty { fails = CLiveness_reach(rawValue, Int64(step), nil, 0, 0, 0) }
    if fails { throw InjectedFault(moment: rawValue) }
  }
}

/// An error that a test has asked for.
package struct InjectedFault: Error, CustomStringConvertible {
  let moment: String

  package var description: String { "a test has asked for an error at \(moment)" }
}
