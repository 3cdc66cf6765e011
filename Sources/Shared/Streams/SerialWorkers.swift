// SPDX-License-Identifier: Apache-2.0
internal import Dispatch
internal import Synchronization

/// Threads that each do what they are given in the order in which it came: for digests and files, whose
/// pieces must keep their order, while one file need not wait for another.
package final class SerialWorkers: Sendable {
  package typealias Work = @Sendable () -> Void

  /// Pieces that wait for one thread before whoever brings more has to wait too.
  private static let limit = 8

  private final class Lane: Sendable {
    let works = Mutex<[Work]>([])
    let available = DispatchSemaphore(value: 0)
    let room = DispatchSemaphore(value: SerialWorkers.limit)

    func run() {
      while true {
        available.wait()
        guard let work = works.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else { return }
        work()
        room.signal()
      }
    }
  }
  private let lanes: [Lane]
  private let threads: [WorkerThread]

  /// - Parameter threads: 0 has everything done by the caller, at once.
  package init(threads: Int) {
    let wanted = (0..<max(0, threads)).map { _ in Lane() }
    let started = wanted.compactMap { lane in WorkerThread { lane.run() } }
    // The system gives too few threads: none of the lanes could be relied on.
    let isComplete = started.count == wanted.count
    if !isComplete {
      for lane in wanted { lane.available.signal() }
      for thread in started { thread.join() }
    }
    lanes = isComplete ? wanted : []
    self.threads = isComplete ? started : []
  }

  deinit {
    // A lane without work ends its thread.
    for lane in lanes { lane.available.signal() }
    for thread in threads { thread.join() }
  }

  /// How many lanes there are; 0 where the caller does everything.
  package var count: Int { lanes.count }

  /// Which lane does the work of a key.
  package func lane(of key: Int) -> Int { lanes.isEmpty ? 0 : key % lanes.count }

  /// Has `work` done after all that this key was given before; waits while too much is under way.
  package func give(_ key: Int, _ work: @escaping Work) {
    if lanes.isEmpty { return work() }
    let lane = lanes[lane(of: key)]
    lane.room.wait()
    lane.works.withLock { $0.append(work) }
    lane.available.signal()
  }

  /// Waits until all that was given for a key is done.
  package func finish(_ key: Int) {
    if lanes.isEmpty { return }
    let done = DispatchSemaphore(value: 0)
    give(key) { done.signal() }
    done.wait()
  }
}
