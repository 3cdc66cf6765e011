// SPDX-License-Identifier: Apache-2.0

/// What a model of n-grams has come to: for each n-gram that was seen a value, and for each one that
/// something followed the cost of falling back to a shorter context. Eight bytes an entry: 32 bits of
/// the name, 16 of each number.
struct BackoffTable: Sendable {
  /// Numbers are kept in steps of 1/2048: a value of -16...16 nats, a cost of 0...32.
  static let unitsPerNat = 2048.0
  private static let zero = 32768

  /// Slots; a power of two, at most two thirds of them in use. 0 is an empty one.
  private(set) var slots: [UInt64]
  private var used = 0

  init(expecting count: Int) {
    var capacity = 16
    while 2 * capacity < 3 * (count + 1) { capacity *= 2 }
    slots = [UInt64](repeating: 0, count: capacity)
  }

  /// A table as it was written; nil unless the number of slots is a power of two with room between.
  init?(slots: [UInt64]) {
    let used = slots.count { $0 != 0 }
    guard slots.count >= 16, slots.count & (slots.count - 1) == 0, used < slots.count else {
      return nil
    }
    self.slots = slots
    self.used = used
  }

  /// - Parameters:
  ///   - value: nats, cut to -16...16.
  ///   - cost: nats, cut to 0...32.
  mutating func insert(_ name: UInt64, value: Double, cost: Double) {
    precondition(3 * (used + 1) <= 2 * slots.count, "more entries than expected")
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: name) & mask
    while slots[slot] != 0 { slot = (slot + 1) & mask }
    let high = UInt64(
      min(65535, max(0, Int((value * Self.unitsPerNat).rounded()) + Self.zero)))
    let low = UInt64(min(65535, max(0, Int((cost * Self.unitsPerNat).rounded()))))
    slots[slot] = BackoffTable.fingerprint(of: name) << 32 | high << 16 | low
    used += 1
  }

  /// The part of a name that is kept; never 0.
  @inline(__always)
  private static func fingerprint(of name: UInt64) -> UInt64 { name >> 32 | 1 }

  /// Looks names up in the table's memory.
  struct Reader {
    private let slots: UnsafeBufferPointer<UInt64>
    private let mask: Int

    init(_ slots: UnsafeBufferPointer<UInt64>) {
      self.slots = slots
      mask = slots.count - 1
    }

    /// The entry of `name`, or nil. ``value(of:)`` and ``cost(of:)`` read it.
    @inline(__always)
    func entry(_ name: UInt64) -> UInt64? {
      let fingerprint = BackoffTable.fingerprint(of: name)
      var slot = Int(truncatingIfNeeded: name) & mask
      while true {
        let entry = slots[slot]
        if entry >> 32 == fingerprint { return entry }
        if entry == 0 { return nil }
        slot = (slot &+ 1) & mask
      }
    }

    /// In units of 1/2048 nat.
    @inline(__always)
    static func value(of entry: UInt64) -> Int { Int(entry >> 16 & 0xffff) &- BackoffTable.zero }

    @inline(__always)
    static func cost(of entry: UInt64) -> Int { Int(entry & 0xffff) }
  }

  func withReader<Result>(_ body: (Reader) -> Result) -> Result {
    slots.withUnsafeBufferPointer { body(Reader($0)) }
  }
}
