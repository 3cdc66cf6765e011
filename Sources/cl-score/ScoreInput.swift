// SPDX-License-Identifier: Apache-2.0
import Corpora
import Records
import Scoring
import Streams

/// The records to score, which may have to be read twice, and those among them that cannot be.
final class ScoreInput {
  private let paths: [String]
  private let options: CorpusOptions
  private let tolerance: Int
  private let onSkip: (any OneRecordError) -> Void
  private var corpus: Corpus
  /// The records of the first pass, where the input can be read only once.
  private var spool: RecordSpool?

  /// Bad records that were tolerated.
  private(set) var skippedRecords = 0

  /// - Parameters:
  ///   - tolerance: bad records that are passed over; one more is an error.
  ///   - onSkip: told of each that is.
  init(
    paths: [String], options: CorpusOptions, tolerance: Int,
    onSkip: @escaping (any OneRecordError) -> Void
  ) {
    self.paths = paths
    self.options = options
    self.tolerance = tolerance
    self.onSkip = onSkip
    corpus = Corpus(paths: paths, options: options)
  }

  /// The files that are read.
  var files: [String] { paths.flatMap { corpus.files(of: $0) } }

  /// Files in archives that are of no known format.
  var entriesPassedOver: Int { corpus.entriesPassedOver }

  /// Counts a bad record, or ends the reading with its error.
  func skip(_ error: any OneRecordError) throws {
    guard error.concernsOneRecord, skippedRecords < tolerance else { throw error }
    skippedRecords += 1
    onSkip(error)
  }

  /// Fills the chunk with the next records; false at the end.
  func fill(_ chunk: RecordChunk) throws -> Bool {
    chunk.removeAll()
    while !chunk.isFull {
      if let spool {
        guard let record = try spool.next() else { return false }
        record.bytes.withUnsafeBytes { chunk.append($0, at: record.location) }
      } else {
        do {
          guard let line = try corpus.next() else { return false }
          chunk.append(line.bytes, at: line.location)
        } catch let error as any OneRecordError {
          try skip(error)
        }
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
        do {
          guard let line = try corpus.next() else {
            isAtEnd = true
            break
          }
          chunk.append(line.bytes, at: line.location)
          try copy?.append(line.bytes, at: line.location)
        } catch let error as any OneRecordError where error.concernsOneRecord {
          // What is read again is counted then.
          if copy != nil { try skip(error) }
        }
      }
      try survey.add(chunk)
    }
    try copy?.rewind()
    spool = copy
    corpus = Corpus(paths: paths, options: options)
  }
}
