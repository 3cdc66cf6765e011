// SPDX-License-Identifier: Apache-2.0
import Streams

/// SentencePiece's compiled replacements (`precompiled_charsmap`): byte strings and what takes
/// their place.
///
/// The layout is that of darts-clone's double array: the size of the array in bytes as a 32-bit
/// number, the array of 32-bit units, and the replacements, each ended by a zero byte.
struct ReplacementTable: Sendable, Equatable {
  private let units: [UInt32]
  private let texts: [UInt8]
  /// SHA-256 of the compiled form.
  let digest: String

  static func == (left: ReplacementTable, right: ReplacementTable) -> Bool {
    left.digest == right.digest
  }

  /// - Returns: nil for bytes that are no such table.
  init?(_ bytes: [UInt8]) {
    func word(_ offset: Int) -> UInt32 {
      (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32($1 * 8) }
    }
    guard bytes.count >= 8 else { return nil }
    let size = Int(word(0))
    guard size > 0, size % 4 == 0, size <= bytes.count - 4 else { return nil }
    units = (0..<size / 4).map { word(4 + $0 * 4) }
    texts = Array(bytes[(4 + size)...])
    let digest = ContentDigest()
    digest.update(bytes)
    self.digest = digest.hexadecimal()
  }

  /// The replaced string that begins at `start`: how many bytes it has, and what takes its place.
  func match(
    _ base: UnsafePointer<UInt8>, from start: Int, end: Int, longest: Bool
  ) -> (length: Int, text: ArraySlice<UInt8>)? {
    var found: (Int, Int)?
    var place = units.isEmpty ? 0 : offset(units[0])
    var index = start
    while index < end {
      place ^= Int(base[index])
      guard place < units.count, units[place] & 0x8000_00ff == UInt32(base[index]) else { break }
      let unit = units[place]
      place ^= offset(unit)
      index += 1
      guard unit & 0x100 != 0 else { continue }
      guard place < units.count else { break }
      found = (index - start, Int(units[place] & 0x7fff_ffff))
      if !longest { break }
    }
    guard let (length, text) = found, text <= texts.count else { return nil }
    return (length, texts[text...].prefix { $0 != 0 })
  }

  private func offset(_ unit: UInt32) -> Int { Int((unit >> 10) << ((unit & 0x200) >> 6)) }

  /// As `tokenizers` does it: a short grapheme cluster of which a beginning is in the table is
  /// replaced as a whole, otherwise each of its characters by itself.
  func replaceByCluster(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    guard let base = text.baseAddress else { return nil }
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var start = 0
    func replaceCluster(to end: Int) {
      if end - start < 6, let match = match(base, from: start, end: end, longest: false) {
        result += match.text
        start = end
        return
      }
      while start < end {
        let length = DecodedScalar(base, at: start, end: end).length
        if let match = match(base, from: start, end: start + length, longest: false) {
          result += match.text
        } else {
          result.append(contentsOf: text[start..<start + length])
        }
        start += length
      }
    }
    while start < text.count {
      // A character of ASCII before another one is a cluster, but for a carriage return.
      if text[start] < 0x80, text[start] != 0x0d,
        start + 1 == text.count || text[start + 1] < 0x80
      {
        replaceCluster(to: start + 1)
        continue
      }
      // A space begins a cluster, whatever follows it.
      let end = text[(start + 1)...].firstIndex { $0 == 0x20 } ?? text.count
      let stretch = String(decoding: text[start..<end], as: UTF8.self)
      // Only text that is no UTF-8 changes its length; it is taken byte by byte.
      if stretch.utf8.count != end - start {
        replaceCluster(to: start + 1)
        continue
      }
      for character in stretch { replaceCluster(to: start + character.utf8.count) }
    }
    return result
  }
}
