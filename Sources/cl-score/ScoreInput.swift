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

  private var isAtEnd = false
  /// Records that were handed out.
  private var given = 0

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
  func skip(_ error: any Error) throws {
    guard let error = error as? any OneRecordError, error.concernsOneRecord,
      skippedRecords < tolerance
    else { throw error }
    skippedRecords += 1
    onSkip(error)
  }

  /// The next records, at most as many as fill `chunk`; nil after the last.
  ///
  /// A bad record, and whatever else goes wrong, ends a piece, so that it is met behind the records before it.
  func next(into chunk: RecordChunk) -> ScorePiece? {
    if isAtEnd { return nil }
    let first = given
    var problem: (any Error)?
    do {
      while !chunk.isFull {
        if let spool {
          guard let record = try spool.next() else {
            isAtEnd = true
            break
          }
          record.bytes.withUnsafeBytes { chunk.append($0, at: record.location) }
        } else {
          guard let line = try corpus.next() else {
            isAtEnd = true
            break
          }
          chunk.append(line.bytes, at: line.location)
        }
      }
    } catch {
      problem = error
      if (error as? any OneRecordError)?.concernsOneRecord != true { isAtEnd = true }
    }
    given += chunk.count
    return ScorePiece(chunk: chunk, first: first, problem: problem)
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

/// Some records in a row, and what ended them.
///
/// One thread fills it, one scores it, one writes it: never two at a time.
struct ScorePiece: @unchecked Sendable {
  let chunk: RecordChunk
  /// Number of the first record in the input, from 0.
  let first: Int
  let problem: (any Error)?
}

/// A piece with its scores, whose records lie in it.
struct ScoredPiece: @unchecked Sendable {
  let piece: ScorePiece
  let outcomes: [ScoringOutcome]

  init(_ piece: ScorePiece, _ outcomes: [ScoringOutcome]) {
    self.piece = piece
    self.outcomes = outcomes
  }
}

/// A pass that may go to another thread: one without a model can, one with a model stays where it is.
struct PortablePass: @unchecked Sendable {
  let pass: ScoringPass
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
