// SPDX-License-Identifier: Apache-2.0
package import Records
package import Streams

/// The first of two passes over a corpus: shows its texts to whoever has to see all of them before the
/// first record can be scored.
package final class CorpusSurvey {
  package let learner: QualityLearner?
  package let duplicates: DuplicateFinder?
  private let layout: RecordLayout
  private let threads: Int

  package init(
    layout: RecordLayout, threads: Int, learner: QualityLearner?, duplicates: DuplicateFinder?
  ) {
    self.layout = layout
    self.threads = threads
    self.learner = learner
    self.duplicates = duplicates
  }

  private struct Finding {
    var hash: UInt64
    var text: String
    var signature: [UInt32]?
  }

  /// What a thread needs to look at texts.
  private final class Looker {
    var analysis = TextAnalysis()
  }

  /// Looks at a chunk's records. Bad ones count and say nothing: the second pass reports them.
  package func add(_ chunk: RecordChunk) throws(StreamError) {
    let layout = layout
    let minHash = duplicates?.kind == .near ? duplicates?.minHash : nil
    let found = Parallel.map(chunk.count, threads: threads) {
      Looker()
    } body: { looker, index -> Finding? in
      guard let fields = try? chunk.fields(index),
        let text = try? layout.textContent(of: fields)?.scoredText
      else { return nil }
      var finding = Finding(hash: TextHash.of(text), text: text)
      if let minHash {
        looker.analysis.analyse(text)
        finding.signature = minHash.signature(of: looker.analysis)
      }
      return finding
    }
    for finding in found {
      if let finding { learner?.add(finding.text, hash: finding.hash) }
      try duplicates?.add(hash: finding?.hash, signature: finding?.signature)
    }
  }
}
