// SPDX-License-Identifier: Apache-2.0
// Normalization of the standard library, which has no public name yet.
@_spi(_Unicode) import Swift

/// A Unicode normalization form.
enum NormalizationForm: String, Sendable, Equatable {
  case nfc, nfd

  /// The text in this form, or nil where nothing changes.
  func apply(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    // Nothing below U+0300, whose UTF-8 starts with 0xCC, composes or decomposes under NFC; under
    // NFD nothing below U+00C0.
    let limit: UInt8 = self == .nfc ? 0xcc : 0xc3
    if !text.contains(where: { $0 >= limit }) { return nil }
    let string = String(decoding: text, as: UTF8.self)
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    func append(_ scalar: Unicode.Scalar) {
      result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }
    switch self {
    case .nfc: for scalar in string._nfc { append(scalar) }
    case .nfd: for scalar in string._nfd { append(scalar) }
    }
    return result
  }
}
