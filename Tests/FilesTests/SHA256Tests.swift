// SHA-256 against the examples of the standard.

import Files
import Testing

struct SHA256Tests {
  /// FIPS 180-4's examples, as NIST's "SHA256.pdf" gives them, and the empty message.
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func examples(_ message: String, _ digest: String) {
    #expect(SHA256.digest(of: message).hexadecimal == digest)
  }

  @Test func piecesGiveTheDigestOfTheWhole() {
    let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7) }
    var whole = SHA256()
    whole.update(bytes)
    var pieces = SHA256()
    for start in stride(from: 0, to: 1000, by: 63) {
      pieces.update(Array(bytes[start..<min(start + 63, 1000)]))
    }
    let (expected, found) = (whole.finalize(), pieces.finalize())
    #expect(expected == found)
  }
}
