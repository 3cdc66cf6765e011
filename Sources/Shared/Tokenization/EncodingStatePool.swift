// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Lends an ``EncodingState`` to each call that runs, so that many threads may encode at once.
final class EncodingStatePool: Sendable {
  private let idle = Mutex<[EncodingState]>([])

  func borrow() -> EncodingState { idle.withLock { $0.popLast() } ?? EncodingState() }

  func giveBack(_ state: EncodingState) { idle.withLock { $0.append(state) } }
}
