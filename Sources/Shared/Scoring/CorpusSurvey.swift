// SPDX-License-Identifier: Apache-2.0
package import Records

/// The first of two passes over a corpus: shows its texts to whoever has to see all of them before the
/// first record can be scored.
package final class CorpusSurvey {
  package let learner: QualityLearner?
  private let layout: RecordLayout
  private let threads: Int

  package init(layout: RecordLayout, threads: Int, learner: QualityLearner?) {
    self.layout = layout
    self.threads = threads
    self.learner = learner
  }

  /// Looks at a chunk's records. Bad ones are passed over: the second pass reports them.
  package func add(_ chunk: RecordChunk) {
    let layout = layout
    let found = Parallel.map(chunk.count, threads: threads) {
    } body: { _, index -> (hash: UInt64, text: String)? in
      guard let fields = try? chunk.fields(index),
        let text = try? layout.textContent(of: fields)?.scoredText
      else { return nil }
      return (TextHash.of(text), text)
    }
    for case .some((let hash, let text)) in found { learner?.add(text, hash: hash) }
  }
}
