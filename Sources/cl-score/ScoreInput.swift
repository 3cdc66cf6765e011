// SPDX-License-Identifier: Apache-2.0
import Corpora
import Records
import Scoring
import Streams

/// The records to score, which may have to be read twice.
final class ScoreInput {
  private let paths: [String]
  private let format: CorpusCatalog.Format?
  private var corpus: Corpus
  /// The records of the first pass, where the input can be read only once.
  private var spool: RecordSpool?

  init(paths: [String], format: CorpusCatalog.Format?) {
    self.paths = paths
    self.format = format
    corpus = Corpus(paths: paths, format: format)
  }

  /// The files that are read.
  var files: [String] { paths.flatMap { corpus.files(of: $0) } }

  /// Fills the chunk with the next records; false at the end.
  func fill(_ chunk: RecordChunk) throws -> Bool {
    chunk.removeAll()
    while !chunk.isFull {
      if let spool {
        guard let record = try spool.next() else { return false }
        record.bytes.withUnsafeBytes { chunk.append($0, at: record.location) }
      } else {
        guard let line = try corpus.next() else { return false }
        chunk.append(line.bytes, at: line.location)
      }
    }
    return true
  }

  /// Shows all records to the survey, and starts again.
  func survey(_ survey: CorpusSurvey) throws {
    let canReadAgain = paths.allSatisfy { FileSystem.isRegularFile($0) }
    let copy = canReadAgain ? nil : try RecordSpool()
    let chunk = RecordChunk()
    var isAtEnd = false
    while !isAtEnd {
      chunk.removeAll()
      while !chunk.isFull && !isAtEnd {
        guard let line = try corpus.next() else {
          isAtEnd = true
          break
        }
        chunk.append(line.bytes, at: line.location)
        try copy?.append(line.bytes, at: line.location)
      }
      try survey.add(chunk)
    }
    try copy?.rewind()
    spool = copy
    corpus = Corpus(paths: paths, format: format)
  }
}
