// SPDX-License-Identifier: Apache-2.0
internal import Records

/// Strict UTF-8.
enum UTF8Text {
  /// - Throws: ``CorpusError/notUTF8(_:offset:)``.
  static func decode(
    _ bytes: ArraySlice<UInt8>, at location: RecordLocation
  ) throws(CorpusError) -> String {
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    // Rare and final: look for the place by halving what still is valid.
    var (good, bad) = (0, bytes.count)
    while bad - good > 1 {
      let middle = (good + bad) / 2
      if isValid(bytes.prefix(middle)) { good = middle } else { bad = middle }
    }
    throw .notUTF8(location, offset: good)
  }

  /// Whether the bytes are UTF-8, or would be if a last character were not cut off.
  private static func isValid(_ bytes: ArraySlice<UInt8>) -> Bool {
    for cut in 0...min(3, bytes.count)
    where String(validating: bytes.dropLast(cut), as: UTF8.self) != nil {
      return true
    }
    return false
  }
}
