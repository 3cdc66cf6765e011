// SPDX-License-Identifier: Apache-2.0
package import Streams

/// A ``QualityModel`` as a file: a line of JSON, then the tables as 64-bit words, little end first
/// (Documentation/scores.md, "The quality model").
extension QualityModel {
  private static let type = "cl_quality_model"
  /// Slots of a table that are believed; 8 bytes each.
  private static let largestTable = 1 << 26

  private var tables: [[UInt64]] {
    [frequentNames] + folds.flatMap { [$0.characters.table.slots, $0.order.table.slots] }
  }

  /// Writes the model.
  package func write(to sink: OutputSink) throws(StreamError) {
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("type", QualityModel.type)
      writer.field("v", QualityModel.version)
      writer.field("texts", texts)
      writer.field("signals", signals)
      writer.field("quality", quality)
      writer.array("bands") { writer in
        for band in bands {
          writer.object { writer in
            writer.field("words", band.words)
            writer.field("nll", [band.nll.median, band.nll.spread])
            writer.field("gain", [band.gain.median, band.gain.spread])
            writer.field("quality", band.quality)
          }
        }
      }
      writer.field("tables", tables.map(\.count))
    }
    writer.newline()
    try sink.write(writer.bytes)
    for table in tables {
      var bytes: [UInt8] = []
      bytes.reserveCapacity(8 * table.count)
      for word in table {
        for shift in stride(from: 0, to: 64, by: 8) {
          bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
        }
      }
      try sink.write(bytes)
    }
  }

  /// Reads a model.
  ///
  /// - Throws: ``ScoringError/malformedQualityModel(path:problem:)``, `StreamError`.
  package init(path: String) throws {
    let bytes = try InputSource(path: path).readAll()
    func malformed(_ problem: String) -> ScoringError {
      .malformedQualityModel(path: path, problem: problem)
    }
    guard let end = bytes.firstIndex(of: 0x0a),
      let header = try? JSONValue(parsing: Array(bytes[..<end])),
      header["type"]?.text == QualityModel.type
    else { throw malformed("expected a line of JSON of type \(QualityModel.type)") }
    guard header["v"]?.int == QualityModel.version else {
      throw malformed("expected version \(QualityModel.version)")
    }
    guard let texts = header["texts"]?.int, let signals = header["signals"]?.elements,
      let quality = QualityModel.quantiles(header["quality"]),
      let bands = header["bands"]?.elements?.compactMap(Band.init), !bands.isEmpty,
      bands.count == header["bands"]?.elements?.count,
      zip(bands, bands.dropFirst()).allSatisfy({ $0.words < $1.words })
    else { throw malformed("expected texts, signals, quality and bands") }
    let counts = header["tables"]?.elements?.compactMap(\.int) ?? []
    guard counts.count == 1 + 2 * QualityModel.folds,
      counts.allSatisfy({ (0...QualityModel.largestTable).contains($0) })
    else { throw malformed("expected the sizes of \(1 + 2 * QualityModel.folds) tables") }
    let expected = end + 1 + 8 * counts.reduce(0, +)
    guard bytes.count == expected else {
      throw malformed("expected \(expected) bytes, found \(bytes.count)")
    }
    var offset = end + 1
    let words = counts.map { count in
      defer { offset += 8 * count }
      return QualityModel.words(bytes[offset..<offset + 8 * count])
    }
    var folds: [Fold] = []
    for fold in 0..<QualityModel.folds {
      guard let characters = BackoffTable(slots: words[1 + 2 * fold]),
        let order = BackoffTable(slots: words[2 + 2 * fold])
      else { throw malformed("expected tables of a power of two slots with room between") }
      folds.append(
        Fold(characters: CharacterModel(characters), order: WordOrderModel(order)))
    }
    self.init(
      texts: texts, signals: signals.compactMap(\.text), frequentNames: words[0], folds: folds,
      bands: bands, quality: quality)
  }

  private static func words(_ bytes: ArraySlice<UInt8>) -> [UInt64] {
    bytes.withUnsafeBytes { raw in
      (0..<raw.count / 8).map {
        UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self))
      }
    }
  }

  fileprivate static func quantiles(_ value: JSONValue?) -> [Double]? {
    guard let values = value?.elements?.compactMap(\.number), values.count == quantiles,
      values.allSatisfy({ (0...1).contains($0) }),
      zip(values, values.dropFirst()).allSatisfy({ $0 <= $1 })
    else { return nil }
    return values
  }
}

extension QualityModel.Band {
  fileprivate init?(_ value: JSONValue) {
    guard let words = value["words"]?.int, words >= 0,
      let nll = QualityModel.Center(value["nll"]), let gain = QualityModel.Center(value["gain"]),
      let quality = QualityModel.quantiles(value["quality"])
    else { return nil }
    self.init(words: words, nll: nll, gain: gain, quality: quality)
  }
}

extension QualityModel.Center {
  fileprivate init?(_ value: JSONValue?) {
    guard let numbers = value?.elements?.compactMap(\.number), numbers.count == 2,
      numbers[0].isFinite, numbers[1].isFinite, numbers[1] > 0
    else { return nil }
    self.init(median: numbers[0], spread: numbers[1])
  }
}

extension QualityModel {
  /// Checks that quality is made of the same signals as when the model was learnt.
  ///
  /// - Throws: ``ScoringError/otherSignals(path:expected:)``.
  package func check(signals wanted: [any Signal], path: String) throws(ScoringError) {
    if wanted.map(\.id) != signals { throw .otherSignals(path: path, expected: signals) }
  }
}
