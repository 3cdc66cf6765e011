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

  /// What was read of inputs that cannot be read again, if their digests are wanted.
  private let digests: InputDigests?

  /// Bad records that were tolerated.
  private(set) var skippedRecords = 0

  /// - Parameters:
  ///   - tolerance: bad records that are passed over; one more is an error.
  ///   - takesDigests: of inputs that are no regular files, for a manifest.
  ///   - onSkip: told of each that is.
  init(
    paths: [String], options: CorpusOptions, tolerance: Int, takesDigests: Bool,
    onSkip: @escaping (any OneRecordError) -> Void
  ) {
    self.paths = paths
    self.options = options
    self.tolerance = tolerance
    self.onSkip = onSkip
    corpus = Corpus(paths: paths, options: options)
    digests = takesDigests ? InputDigests() : nil
    corpus.onOpen = digests?.watch
  }

  /// The inputs with their digests, in the order in which they were named; after the last record.
  func digested() throws -> [Manifest.File] {
    let pipes = digests?.files ?? []
    return try files.map { path in
      try pipes.first { $0.name == path } ?? Manifest.File(hashing: path)
    }
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
    corpus.onOpen = digests?.watch
  }
}

/// Digests of what is read from pipes and standard input, as it is read.
private final class InputDigests {
  private var meters: [(name: String, digest: ContentDigest, meter: Meter)] = []

  private final class Meter {
    var bytes = 0
  }

  /// Begins with an input, unless it is a file that can be read again.
  func watch(_ path: String, _ input: InputSource) {
    if path != "-" && FileSystem.isRegularFile(path) { return }
    let (digest, meter) = (ContentDigest(), Meter())
    meters.append((path, digest, meter))
    input.onRead = { bytes in
      digest.update(bytes)
      meter.bytes += bytes.count
    }
  }

  var files: [Manifest.File] {
    meters.map {
      Manifest.File(name: $0.name, bytes: $0.meter.bytes, sha256: $0.digest.hexadecimal())
    }
  }
}
