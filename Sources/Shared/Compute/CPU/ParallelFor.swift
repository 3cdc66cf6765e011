// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// A loop whose iterations run on a fixed set of threads.
///
/// The only place where pointers cross threads. Iterations are handed out one by one, so which thread
/// runs which is left to chance: a body must write to places that belong to its iteration alone, and
/// no sum may depend on the order in which iterations finish.
package final class ParallelFor {
  /// Threads that take part, the caller's included.
  package let threads: Int
  private let pool: Pool
  private var workers: [pthread_t] = []
  /// Calls no body.
  private let isIdle: Bool

  /// Starts `threads - 1` workers. Where the system refuses one, the loop runs on fewer.
  package init(threads: Int) {
    pool = Pool()
    for index in 1..<max(threads, 1) {
      let start = Unmanaged.passRetained(WorkerStart(pool: pool, index: index))
      var thread = pthread_t()
      let status = pthread_create(
        &thread, nil,
        { argument in
          guard let argument else { return nil }
          let start = Unmanaged<WorkerStart>.fromOpaque(argument).takeRetainedValue()
          start.pool.work(as: start.index)
          return nil
        }, start.toOpaque())
      guard status == 0 else {
        start.release()
        break
      }
      workers.append(thread)
    }
    self.threads = workers.count + 1
    isIdle = false
  }

  /// A loop that passes for one of `idleThreads` threads and runs nothing.
  init(idleThreads: Int) {
    pool = Pool()
    threads = idleThreads
    isIdle = true
  }

  deinit {
    pool.stop()
    for worker in workers { pthread_join(worker, nil) }
  }

  /// Calls `body` once for each task in `0 ..< count`; `worker`, in `0 ..< threads`, names the thread.
  /// Returns when all have finished.
  package func callAsFunction(_ count: Int, _ body: (_ task: Int, _ worker: Int) -> Void) {
    if isIdle { return }
    guard threads > 1, count > 1 else {
      for task in 0..<count { body(task, 0) }
      return
    }
    withoutActuallyEscaping(body) { body in
      withUnsafePointer(to: Job(count: count, body: body)) { pool.run($0) }
    }
  }

  /// Splits `0 ..< count` into runs of `chunk` and calls `body` with each.
  package func chunks(of count: Int, by chunk: Int, _ body: (_ range: Range<Int>) -> Void) {
    self((count + chunk - 1) / chunk) { task, _ in
      body(task * chunk..<min(count, (task + 1) * chunk))
    }
  }
}

/// It lives on the caller's stack; workers reach it by its address, so that none of them still holds a
/// reference to `body` when the caller's loop is over.
private struct Job {
  let count: Int
  let body: (Int, Int) -> Void
}

private final class WorkerStart {
  let pool: Pool
  let index: Int

  init(pool: Pool, index: Int) {
    self.pool = pool
    self.index = index
  }
}

/// What the threads share. `job`, `isStopping` and `inside` (its writes) belong to whoever holds
/// `mutex`; `generation` and `inside` are atomic so that a short wait can spin on them.
private final class Pool: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private let done = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var job: UnsafePointer<Job>?
  private var isStopping = false
  private let generation = Atomic<Int>(0)
  private let next = Atomic<Int>(0)
  private let inside = Atomic<Int>(0)

  /// Looks at an atomic before a thread goes to sleep: some tens of microseconds, about what waking
  /// it would cost.
  private static let spins = 4000

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(wake, nil)
    pthread_cond_init(done, nil)
  }

  deinit {
    pthread_cond_destroy(done)
    pthread_cond_destroy(wake)
    pthread_mutex_destroy(mutex)
    done.deallocate()
    wake.deallocate()
    mutex.deallocate()
  }

  func run(_ job: UnsafePointer<Job>) {
    next.store(0, ordering: .relaxed)
    pthread_mutex_lock(mutex)
    self.job = job
    generation.wrappingAdd(1, ordering: .releasing)
    pthread_cond_broadcast(wake)
    pthread_mutex_unlock(mutex)
    take(job, worker: 0)
    // Close the door: a worker that has not come in by now has nothing left to do.
    pthread_mutex_lock(mutex)
    self.job = nil
    pthread_mutex_unlock(mutex)
    var spin = 0
    while inside.load(ordering: .acquiring) > 0, spin < Self.spins { spin += 1 }
    pthread_mutex_lock(mutex)
    while inside.load(ordering: .acquiring) > 0 { pthread_cond_wait(done, mutex) }
    pthread_mutex_unlock(mutex)
  }

  func work(as worker: Int) {
    var seen = 0
    while true {
      var spin = 0
      while generation.load(ordering: .acquiring) == seen, spin < Self.spins { spin += 1 }
      pthread_mutex_lock(mutex)
      while generation.load(ordering: .relaxed) == seen, !isStopping {
        pthread_cond_wait(wake, mutex)
      }
      if isStopping {
        pthread_mutex_unlock(mutex)
        return
      }
      seen = generation.load(ordering: .relaxed)
      guard let job else {
        pthread_mutex_unlock(mutex)
        continue
      }
      inside.wrappingAdd(1, ordering: .relaxed)
      pthread_mutex_unlock(mutex)
      take(job, worker: worker)
      pthread_mutex_lock(mutex)
      inside.wrappingSubtract(1, ordering: .releasing)
      pthread_cond_signal(done)
      pthread_mutex_unlock(mutex)
    }
  }

  func stop() {
    pthread_mutex_lock(mutex)
    isStopping = true
    pthread_cond_broadcast(wake)
    pthread_mutex_unlock(mutex)
  }

  /// Not inlined: whatever it retains is released when it returns.
  @inline(never)
  private func take(_ job: UnsafePointer<Job>, worker: Int) {
    while true {
      let task = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard task < job.pointee.count else { return }
      job.pointee.body(task, worker)
    }
  }
}
