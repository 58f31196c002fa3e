// That no two purposes of messages share a tag.

import Communication
import Testing

@Suite struct MessageTagTests {
  @Test func everyPurposeHasATagOfItsOwn() {
    let tags =
      (0..<MessageTag.bucketCount).map { MessageTag.bucket(slot: $0) }
      + [MessageTag.gather, MessageTag.optimizerState, MessageTag.measurement]
    #expect(Set(tags).count == tags.count)
    // What every MPI library offers.
    #expect(tags.allSatisfy { (1..<32768).contains($0) })
  }
}
