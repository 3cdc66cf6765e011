// SPDX-License-Identifier: Apache-2.0
internal import Dispatch
internal import Glibc
internal import Synchronization

/// Work that passes through several threads and leaves them in the order in which it came.
///
/// The caller's thread makes the pieces and takes the results; `threads` others do the work in
/// between. At most ``piecesAhead`` pieces a thread are under way, so memory does not depend on how
/// many there are. The results do not depend on the number of threads.
package enum OrderedPipeline {
  /// Pieces under way for each thread.
  package static let piecesAhead = 3

  /// - Parameters:
  ///   - threads: 1 or less does everything on the caller's thread.
  ///   - produce: the next piece, nil after the last one; called on the caller's thread.
  ///   - state: makes what a working thread keeps for itself, such as buffers.
  ///   - work: called on any thread; a failure is thrown where its result would have been consumed.
  ///   - consume: takes the results in the pieces' order, on the caller's thread.
  /// - Throws: the first error in the order of the pieces; no thread is left when it is thrown.
  package static func run<Piece: Sendable, State, Result: Sendable>(
    threads: Int,
    produce: () throws -> Piece?,
    state makeState: @escaping @Sendable () -> State,
    work: @escaping @Sendable (inout State, Piece) throws -> Result,
    consume: (Result) throws -> Void
  ) throws {
    if threads <= 1 {
      var state = makeState()
      while let piece = try produce() { try consume(try work(&state, piece)) }
      return
    }
    let queue = WorkQueue<Piece, Result>()
    let workers = (0..<threads).compactMap { _ in
      WorkerThread { [queue] in
        var state = makeState()
        while let job = queue.take() { job.finish(Swift.Result { try work(&state, job.piece) }) }
      }
    }
    defer {
      queue.close(workers: workers.count)
      for worker in workers { worker.join() }
    }
    guard !workers.isEmpty else {  // The system gives no thread: do it here.
      return try run(
        threads: 1, produce: produce, state: makeState, work: work, consume: consume)
    }
    // A few; what was consumed is let go of at once, as a piece may be large.
    var pending: [WorkQueue<Piece, Result>.Job] = []
    func consumeFirst() throws { try consume(try pending.removeFirst().wait().get()) }
    let capacity = threads * piecesAhead
    while let piece = try produce() {
      pending.append(queue.add(piece))
      while pending.count >= capacity { try consumeFirst() }
    }
    while !pending.isEmpty { try consumeFirst() }
  }
}

/// Pieces that wait for a thread.
private final class WorkQueue<Piece: Sendable, Outcome: Sendable>: Sendable {
  final class Job: @unchecked Sendable {
    let piece: Piece
    /// Written before `done` is signalled, read after it.
    private var outcome: Swift.Result<Outcome, any Error>?
    private let done = DispatchSemaphore(value: 0)

    init(_ piece: Piece) { self.piece = piece }

    func finish(_ outcome: Swift.Result<Outcome, any Error>) {
      self.outcome = outcome
      done.signal()
    }

    func wait() -> Swift.Result<Outcome, any Error> {
      done.wait()
      return outcome ?? .failure(StreamError.readFailed(path: "thread", errno: EINTR))
    }
  }

  private let jobs = Mutex<[Job]>([])
  private let available = DispatchSemaphore(value: 0)

  func add(_ piece: Piece) -> Job {
    let job = Job(piece)
    jobs.withLock { $0.append(job) }
    available.signal()
    return job
  }

  /// Blocks until there is a job; nil when the queue was closed.
  func take() -> Job? {
    available.wait()
    return jobs.withLock { $0.isEmpty ? nil : $0.removeFirst() }
  }

  /// Drops what no thread has begun and lets the threads end.
  func close(workers: Int) {
    jobs.withLock { $0.removeAll() }
    for _ in 0..<workers { available.signal() }
  }
}

/// A thread that runs one closure.
final class WorkerThread: Sendable {
  private final class Body {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
  }
  private let thread: pthread_t

  /// Nil if the system has no thread left.
  init?(_ run: @escaping @Sendable () -> Void) {
    let body = Unmanaged.passRetained(Body(run))
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { opaque in
        if let opaque { Unmanaged<Body>.fromOpaque(opaque).takeRetainedValue().run() }
        return nil
      }, body.toOpaque())
    self.thread = thread
    if status != 0 {
      body.release()
      return nil
    }
  }

  func join() { pthread_join(thread, nil) }
}
