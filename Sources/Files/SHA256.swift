// SHA-256, which checksums of files and digests of what ranks must agree on are made of.

import CCrypto

/// The SHA-256 digest (FIPS 180-4) of bytes that come in pieces.
///
/// libcrypto computes it, with the processor's own instructions where it has them.
package struct SHA256: ~Copyable {
  /// Bytes of a digest.
  package static let byteCount = 32

  private let context: OpaquePointer

  /// The digest of no bytes yet.
  package init() {
    guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      fatalError("libcrypto has no SHA-256, or there is no memory for its state")
    }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  /// Adds `bytes` behind those before.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    let status = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    precondition(status == 1, "libcrypto cannot go on with a digest")
  }

  /// Adds `bytes` behind those before.
  package mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

  /// The 32 bytes of the digest.
  package consuming func finalize() -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: Self.byteCount) { digest, count in
      let status = EVP_DigestFinal_ex(context, digest.baseAddress, nil)
      precondition(status == 1, "libcrypto cannot end a digest")
      count = Self.byteCount
    }
  }

  /// The digest of `text` as UTF-8.
  package static func digest(of text: String) -> [UInt8] {
    var hash = SHA256()
    hash.update(Array(text.utf8))
    return hash.finalize()
  }
}
