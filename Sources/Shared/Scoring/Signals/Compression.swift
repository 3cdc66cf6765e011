// SPDX-License-Identifier: Apache-2.0

/// What a plain dictionary coder leaves of the first MiB, as a share of its bytes: from the left, the longest
/// match of 4 bytes or more with what follows the last place where the same 4 bytes began costs 3 bytes, any
/// other byte 1. (A place is known if a match or a single byte began there.) None below 64 bytes.
/// After the compression ratios that filters use, without their dependence on a library's version.
struct Compression: Signal {
  let name = "compression"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.characters, .repetition]
  let summary = "share of the bytes that a dictionary coder leaves"
  private static let shortest = 64
  private static let longest = 1 << 20

  func value(of text: borrowing TextAnalysis) -> Double? {
    text.withBytes { all in
      let count = min(all.count, Compression.longest)
      if count < Compression.shortest { return nil }
      var places: [UInt32: Int] = [:]
      var (index, cost) = (0, 0)
      while index < count {
        guard index + 4 <= count else {
          cost += count - index
          break
        }
        let key =
          UInt32(all[index]) | UInt32(all[index + 1]) << 8 | UInt32(all[index + 2]) << 16
          | UInt32(all[index + 3]) << 24
        if let place = places.updateValue(index, forKey: key) {
          var length = 4
          while index + length < count, all[place + length] == all[index + length] { length += 1 }
          cost += 3
          index += length
        } else {
          cost += 1
          index += 1
        }
      }
      return Double(cost) / Double(count)
    }
  }
}
