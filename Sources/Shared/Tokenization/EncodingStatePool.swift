// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// Lends an ``EncodingState`` to each call that runs, so that many threads may encode at once.
///
/// Each thread has a slot of its own, but for chance: one lock for all would be taken for every text by every
/// thread.
final class EncodingStatePool: Sendable {
  private final class Slot: Sendable {
    let idle = Mutex<[EncodingState]>([])
  }

  private static let slotBits: UInt = 6
  private let slots = (0..<1 << EncodingStatePool.slotBits).map { _ in Slot() }

  /// The slot of the thread that calls; multiplicative hashing of its handle, whose low bits are equal.
  private var slot: Slot {
    let hash = UInt(pthread_self()) &* 0x9e37_79b9_7f4a_7c15
    return slots[Int(hash >> (64 - Self.slotBits))]
  }

  func borrow() -> EncodingState { slot.idle.withLock { $0.popLast() } ?? EncodingState() }

  func giveBack(_ state: EncodingState) { slot.idle.withLock { $0.append(state) } }
}
