// SPDX-License-Identifier: Apache-2.0
internal import Dispatch
package import Records
internal import Streams
internal import Synchronization

/// What became of one record.
package enum ScoringOutcome {
  /// The record's line with its score set, without a line end.
  case scored(RecordScore, line: [UInt8])
  case bad(RecordError)
}

/// Scores chunks of records on several threads. The result does not depend on their number.
package struct ScoringPass {
  private let layout: RecordLayout
  private let options: RecordScorer.Options
  private let threads: Int

  package init(layout: RecordLayout, options: RecordScorer.Options, threads: Int) {
    self.layout = layout
    self.options = options
    self.threads = threads
  }

  /// The outcomes of a chunk's records, in their order.
  package func score(_ chunk: RecordChunk) -> [ScoringOutcome] {
    Parallel.map(chunk.count, threads: threads) {
      RecordWorker(layout: layout, scorer: RecordScorer(options))
    } body: { worker, index in
      do throws(RecordError) {
        return try worker.score(chunk.fields(index))
      } catch {
        return .bad(error)
      }
    }
  }
}

/// What one thread needs to score records.
private final class RecordWorker {
  private let layout: RecordLayout
  private var scorer: RecordScorer
  private var writer = JSONWriter()

  init(layout: RecordLayout, scorer: consuming RecordScorer) {
    self.layout = layout
    self.scorer = scorer
  }

  func score(_ fields: RecordFields) throws(RecordError) -> ScoringOutcome {
    let content = try layout.content(of: fields)
    let score = scorer.score(content.scoredText, tokens: nil)
    writer.reset()
    score.write(to: &writer)
    return .scored(score, line: fields.setting(RecordScore.key, to: writer.bytes))
  }
}

/// Work that is spread over threads and comes back in order.
enum Parallel {
  /// Indices that a thread takes at a time.
  private static let run = 32

  /// Calls `body` once for each index, each thread with a state of its own.
  static func map<State, Result>(
    _ count: Int, threads: Int, state: () -> State, body: (inout State, Int) -> Result
  ) -> [Result] {
    let workers = max(1, min(threads, (count + run - 1) / run))
    return [Result](unsafeUninitializedCapacity: count) { buffer, initialized in
      withoutActuallyEscaping(state) { state in
        withoutActuallyEscaping(body) { body in
          let job = Job(count: count, results: buffer, state: state, body: body)
          if workers == 1 {
            job.work()
          } else {
            DispatchQueue.concurrentPerform(iterations: workers) { _ in job.work() }
          }
        }
      }
      initialized = count
    }
  }

  /// What the threads share: each takes runs of indices from `next` and writes only their results.
  private final class Job<State, Result>: @unchecked Sendable {
    private let count: Int
    private let results: UnsafeMutableBufferPointer<Result>
    private let state: () -> State
    private let body: (inout State, Int) -> Result
    private let next = Atomic<Int>(0)

    init(
      count: Int, results: UnsafeMutableBufferPointer<Result>, state: @escaping () -> State,
      body: @escaping (inout State, Int) -> Result
    ) {
      self.count = count
      self.results = results
      self.state = state
      self.body = body
    }

    func work() {
      var own = state()
      while true {
        let start = next.wrappingAdd(Parallel.run, ordering: .relaxed).oldValue
        if start >= count { return }
        for index in start..<min(count, start + Parallel.run) {
          results.initializeElement(at: index, to: body(&own, index))
        }
      }
    }
  }
}
