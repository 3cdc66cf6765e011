// SPDX-License-Identifier: Apache-2.0
internal import Dispatch
internal import Synchronization

/// Work that is spread over threads and comes back in order.
enum Parallel {
  /// Calls `body` once for each index, each thread with a state of its own.
  ///
  /// - Parameter grain: indices that a thread takes at a time.
  static func map<State, Result>(
    _ count: Int, threads: Int, grain: Int = 32, state: @escaping () -> State,
    body: @escaping (inout State, Int) -> Result
  ) -> [Result] {
    let workers = max(1, min(threads, (count + grain - 1) / grain))
    return [Result](unsafeUninitializedCapacity: count) { buffer, initialized in
      let job = ParallelJob(count: count, grain: grain, results: buffer, state: state, body: body)
      if workers == 1 {
        job.work()
      } else {
        DispatchQueue.concurrentPerform(iterations: workers) { _ in job.work() }
      }
      initialized = count
    }
  }
}

/// What the threads share: each takes runs of indices from `next` and writes only their results.
private final class ParallelJob<State, Result>: @unchecked Sendable {
  private let count: Int
  private let grain: Int
  private let results: UnsafeMutableBufferPointer<Result>
  private let state: () -> State
  private let body: (inout State, Int) -> Result
  private let next = Atomic<Int>(0)

  init(
    count: Int, grain: Int, results: UnsafeMutableBufferPointer<Result>, state: @escaping () -> State,
    body: @escaping (inout State, Int) -> Result
  ) {
    self.count = count
    self.grain = grain
    self.results = results
    self.state = state
    self.body = body
  }

  func work() {
    var own = state()
    while true {
      let start = next.wrappingAdd(grain, ordering: .relaxed).oldValue
      if start >= count { return }
      for index in start..<min(count, start + grain) {
        results.initializeElement(at: index, to: body(&own, index))
      }
    }
  }
}
