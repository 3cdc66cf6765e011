// SPDX-License-Identifier: Apache-2.0
import Randomness
import Testing

@Suite struct PhiloxTests {
  /// Known-answer vectors of Random123 (kat_vectors, "philox4x32 10").
  @Test func blocksEqualThePublishedVectors() {
    let vectors: [(counter: SIMD4<UInt32>, key: SIMD2<UInt32>, block: SIMD4<UInt32>)] = [
      (
        SIMD4(repeating: 0), SIMD2(repeating: 0),
        SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8)
      ),
      (
        SIMD4(repeating: .max), SIMD2(repeating: .max),
        SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd)
      ),
      (
        SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
        SIMD2(0xa409_3822, 0x299f_31d0),
        SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1)
      ),
    ]
    for vector in vectors {
      #expect(Philox.block(counter: vector.counter, key: vector.key) == vector.block)
    }
  }

  @Test func wordsFollowOneAnotherThroughTheBlocks() {
    var words = Philox(key: 0)
    #expect(words.nextWord() == 0x6627_e8d5)
    #expect(words.next() == 0xbc57_ac4c_e169_c58d)
    #expect(words.nextWord() == 0x9b00_dbd8)
    let second = Philox.block(counter: SIMD4(1, 0, 0, 0), key: SIMD2(0, 0))
    #expect(words.nextWord() == second[0])
  }

  @Test func anyPositionIsReachedDirectly() {
    var forward = Philox(key: 42, stream: 7)
    let words = (0..<50).map { _ in forward.nextWord() }
    for start in [0, 1, 2, 3, 4, 5, 31, 49] {
      var jumped = Philox(key: 42, stream: 7)
      jumped.position = UInt64(start)
      #expect(jumped.nextWord() == words[start])
    }
    #expect(forward.position == 50)
  }
}
