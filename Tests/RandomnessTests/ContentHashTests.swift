// SPDX-License-Identifier: Apache-2.0
import Randomness
import Testing

@Suite struct ContentHashTests {
  /// Computed with the reference implementation: `xxhash.xxh64(bytes).intdigest()` of python-xxhash.
  static let vectors: [(bytes: [UInt8], hash: UInt64)] = [
    ([], 0xef46_db37_51d8_e999),
    (Array("a".utf8), 0xd24e_c4f1_a98c_6e5b),
    (Array("abc".utf8), 0x44bc_2cf5_ad77_0999),
    (Array("0123456789abcdef0123456789abcde".utf8), 0x1fdf_c63f_ebac_fde7),
    (Array("0123456789abcdef0123456789abcdef".utf8), 0x642a_9495_8e71_e6c5),
    (Array(0...100), 0xe990_3849_5f85_381e),
  ]

  @Test(arguments: vectors.indices)
  func hashesAreThoseOfTheReference(index: Int) {
    let (bytes, hash) = Self.vectors[index]
    #expect(bytes.withUnsafeBytes { ContentHash.hash(of: $0) } == hash)
  }

  @Test func piecesGiveWhatTheWholeGives() {
    let bytes = Array<UInt8>((0..<200).map { UInt8($0) })
    let whole = bytes.withUnsafeBytes { ContentHash.hash(of: $0) }
    for first in stride(from: 0, through: 200, by: 7) {
      for second in stride(from: first, through: 200, by: 31) {
        var hash = ContentHash()
        for range in [0..<first, first..<second, second..<200] {
          bytes[range].withUnsafeBytes { hash.update($0) }
        }
        #expect(hash.value() == whole)
      }
    }
  }

  @Test func aNumberBelongsToItsIndexAlone() {
    var stream = Seed(1).stream("numbers")
    let atFive = stream.number(at: 5)
    _ = stream.next()
    #expect(stream.number(at: 5) == atFive)
    stream.position = 20
    #expect(stream.next() == atFive)
  }
}
