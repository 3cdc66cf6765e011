// SPDX-License-Identifier: Apache-2.0
internal import CCrypto

/// SHA-256 of bytes as they pass.
package final class ContentDigest {
  private let context: OpaquePointer

  package init() {
    context = EVP_MD_CTX_new()
    EVP_DigestInit_ex(context, EVP_sha256(), nil)
  }

  deinit { EVP_MD_CTX_free(context) }

  package func update(_ bytes: UnsafeRawBufferPointer) {
    EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
  }

  package func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

  package func update(_ text: String) { update(Array(text.utf8)) }

  /// The digest as 64 lower-case hexadecimal digits. Call once, at the end.
  package func hexadecimal() -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    var length: UInt32 = 0
    EVP_DigestFinal_ex(context, &digest, &length)
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in digest {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// The digest of one run of bytes.
  package static func hexadecimal(of bytes: UnsafeRawBufferPointer) -> String {
    let digest = ContentDigest()
    digest.update(bytes)
    return digest.hexadecimal()
  }
}
