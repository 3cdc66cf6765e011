// SPDX-License-Identifier: Apache-2.0
import Randomness

/// Which values of an input are dropped: a function of the example, the token's place in it, the site
/// in the model and the channel, and of nothing else. How rows are packed, how they are cut and how
/// many threads there are changes no mask, and the backward pass draws the same again.
///
/// One Philox4x32-10 block decides eight neighbouring channels by 16 bits each. Its counter is (site ·
/// blocks of a row + block, place, stream).
package struct DropoutMask: Sendable {
  /// Where a row of values comes from.
  package struct Place: Sendable, Equatable {
    /// Names the example in the step: one of the 2^64 streams of the key.
    package var stream: UInt64
    package var position: UInt32

    package init(stream: UInt64, position: UInt32) {
      self.stream = stream
      self.position = position
    }
  }

  package let key: UInt64
  /// Different for each input of the model that is dropped.
  package let site: UInt32
  /// Values of 2^16 that drop.
  private let threshold: UInt32

  /// - Parameter rate: share of the values that are dropped, in 0 ..< 1; rounded to 1/65536.
  package init(key: UInt64, site: UInt32, rate: Double) {
    precondition(rate >= 0 && rate < 1, "a share below 1")
    self.key = key
    self.site = site
    threshold = min(65535, UInt32((rate * 65536).rounded()))
  }

  /// What the values that stay are multiplied with: the expectation stays what it was.
  package var scale: Float { Float(65536 / (65536 - Double(threshold))) }

  /// Calls `body` with the factor of each channel of a row, 0 or ``scale``.
  func forEach(_ place: Place, columns: Int, _ body: (_ column: Int, _ factor: Float) -> Void) {
    let blocks = UInt32(truncatingIfNeeded: (columns + 7) / 8)
    let first = site &* blocks
    let key = SIMD2<UInt32>(
      UInt32(truncatingIfNeeded: self.key), UInt32(truncatingIfNeeded: self.key >> 32))
    let (low, high) = (
      UInt32(truncatingIfNeeded: place.stream), UInt32(truncatingIfNeeded: place.stream >> 32)
    )
    let scale = scale
    for block in 0..<Int(blocks) {
      let words = Philox.block(
        counter: SIMD4(first &+ UInt32(truncatingIfNeeded: block), place.position, low, high),
        key: key)
      let end = min(columns, 8 * block + 8)
      for column in 8 * block..<end {
        let lane = column - 8 * block
        let bits = words[lane / 2] >> (lane % 2 == 0 ? 0 : 16) & 0xffff
        body(column, bits < threshold ? 0 : scale)
      }
    }
  }
}
