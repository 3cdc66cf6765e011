// SPDX-License-Identifier: Apache-2.0
internal import Records

/// Strict UTF-8.
enum UTF8Text {
  /// - Throws: ``CorpusError/notUTF8(_:offset:)``.
  static func decode(
    _ bytes: ArraySlice<UInt8>, at location: RecordLocation
  ) throws(CorpusError) -> String {
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    // Rare and final: the place is looked for by halving what is valid but for a cut last character.
    var (good, bad) = (0, bytes.count)
    while bad - good > 1 {
      let middle = (good + bad) / 2
      if isValid(bytes.prefix(middle)) { good = middle } else { bad = middle }
    }
    while good > 0 && String(validating: bytes.prefix(good), as: UTF8.self) == nil { good -= 1 }
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
