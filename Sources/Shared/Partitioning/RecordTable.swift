// SPDX-License-Identifier: Apache-2.0
package import Records
internal import Streams

/// What a partition has to know of each record: one number an axis, 8 bytes each.
package struct RecordTable: Sendable {
  package private(set) var count = 0
  /// Nil until the first record.
  package private(set) var lengthUnit: LengthUnit?
  /// The label's values in the order of their UTF-8 bytes, whatever the order of the records.
  package private(set) var labelNames: [String] = []

  private let label: Axis?
  /// Axes that every record must have. The others are measured if every record has them.
  private let required: Set<Axis>
  private let requiresTokens: Bool
  private let layout: RecordLayout
  /// For each record what `--group-by` gives it as a name; 0 without one. Nil if nothing was asked.
  package private(set) var groupNames: [UInt64]?
  /// For each record the name of its cluster of near-duplicates (`cl_score.cluster`), 0 without
  /// one; nil if no record has one.
  package private(set) var clusterNames: [UInt64]?
  private let groupPath: FieldPath?
  private let labelPath: FieldPath?
  /// In the order of ``Axis/numeric``; nil once a record lacked it.
  private var columns: [[Double]?]
  private var labels: [Double] = []
  private var labelIndex: [[UInt8]: Int] = [:]

  /// Records that a partition can hold: their numbers are stored in 32 bits.
  package static let limit = Int(Int32.max)

  /// - Parameter groupBy: the field, or dotted path, whose equal values keep records together.
  package init(
    choice: PropertyChoice?, layout: RecordLayout = RecordLayout(), groupBy: String? = nil
  ) {
    let axes = choice?.axes ?? []
    label = axes.first { $0.isLabel }
    if case .label(let field)? = label { labelPath = FieldPath(field) } else { labelPath = nil }
    groupPath = groupBy.map(FieldPath.init)
    groupNames = groupBy == nil ? nil : []
    required = Set(axes).union([.length])
    requiresTokens = choice?.requiresTokens ?? false
    self.layout = layout
    columns = Axis.numeric.map { _ in [] }
  }

  /// The values of an axis in record order; nil if some record lacks it. A label's value is its
  /// index in ``labelNames``, after ``finish()``.
  package func values(of axis: Axis) -> [Double]? {
    if axis.isLabel { return axis == label ? labels : nil }
    return Axis.numeric.firstIndex(of: axis).flatMap { columns[$0] }
  }

  /// The axes that all records have.
  package var axes: [Axis] {
    (Axis.numeric + (label.map { [$0] } ?? [])).filter { values(of: $0) != nil }
  }

  /// Adds one record.
  ///
  /// - Throws: ``RecordError`` if a required field is missing or of another type. The table is then
  ///   as before.
  package mutating func append(_ fields: RecordFields) throws(RecordError) {
    let score = try ScoreFields(of: fields)
    let (length, unit) = try self.length(of: fields, score: score)
    let values: [Double?] = [
      Double(length), score?.sentences.map(Double.init), score?.quality, score?.score,
    ]
    for (axis, value) in zip(Axis.numeric, values) {
      let field = "\(RecordScore.key).\(axis.name)"
      if value == nil && required.contains(axis) { throw .missingField(fields.location, field: field) }
      if let value, !value.isFinite {
        throw .wrongType(
          fields.location, field: field, expected: "finite number", found: "\(value)")
      }
    }
    let group = try groupPath.map { (path) throws(RecordError) in
      try path.find(in: fields).flatMap { FieldPath.name($0.kind, $0.bytes) } ?? 0
    }
    if let labelPath {
      let name = try Self.labelValue(of: fields, path: labelPath)
      labels.append(Double(index(ofLabel: name)))
    }
    if let group { groupNames?.append(group) }
    if score?.cluster != nil, clusterNames == nil {
      clusterNames = [UInt64](repeating: 0, count: count)
    }
    clusterNames?.append(score?.cluster ?? 0)
    lengthUnit = unit
    for (index, value) in values.enumerated() {
      if let value { columns[index]?.append(value) } else { columns[index] = nil }
    }
    count += 1
  }

  /// Puts the label's values in order. Call once, after the last record.
  package mutating func finish() {
    let sorted = labelIndex.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    var position = [Double](repeating: 0, count: sorted.count)
    for (rank, entry) in sorted.enumerated() { position[entry.value] = Double(rank) }
    labels = labels.map { position[Int($0)] }
    labelNames = sorted.map { String(decoding: $0.key, as: UTF8.self) }
    labelIndex = [:]
  }

  /// A finished table of some of the records, in the given order.
  package func selecting(_ records: [Int]) -> RecordTable {
    var result = self
    result.count = records.count
    result.columns = columns.map { column in column.map { values in records.map { values[$0] } } }
    if label != nil { result.labels = records.map { labels[$0] } }
    result.groupNames = groupNames.map { names in records.map { names[$0] } }
    result.clusterNames = clusterNames.map { names in records.map { names[$0] } }
    return result
  }

  private mutating func index(ofLabel name: [UInt8]) -> Int {
    if let index = labelIndex[name] { return index }
    labelIndex[name] = labelIndex.count
    return labelIndex.count - 1
  }

  private static func labelValue(
    of fields: RecordFields, path: FieldPath
  ) throws(RecordError) -> [UInt8] {
    guard let value = try path.find(in: fields) else {
      throw .missingField(fields.location, field: path.text)
    }
    if let text = FieldPath.text(value.kind, value.bytes) { return text }
    throw .wrongType(
      fields.location, field: path.text, expected: "string, number or boolean",
      found: value.kind.rawValue)
  }

  /// The record's length in the unit that the first record had.
  private func length(
    of fields: RecordFields, score: ScoreFields?
  ) throws(RecordError) -> (Int, LengthUnit) {
    if lengthUnit == nil || lengthUnit == .tokens {
      if let tokens = score?.tokens { return (tokens, .tokens) }
      if lengthUnit == .tokens {
        throw .missingField(fields.location, field: "\(RecordScore.key).tokens")
      }
    }
    if lengthUnit == nil || lengthUnit == .inputIDs {
      if let member = fields.member("input_ids") {
        guard let ids = try fields.value(of: member).elements else {
          throw .wrongType(
            fields.location, field: "input_ids", expected: "array of integers",
            found: member.kind.rawValue)
        }
        return (ids.count, .inputIDs)
      }
      if lengthUnit == .inputIDs { throw .missingField(fields.location, field: "input_ids") }
    }
    if requiresTokens {
      throw .missingField(fields.location, field: "\(RecordScore.key).tokens")
    }
    if let words = score?.words { return (words, .words) }
    return (WordCount.words(in: try layout.content(of: fields)), .words)
  }
}

/// White-space separated words.
enum WordCount {
  static func words(in content: RecordContent) -> Int {
    switch content {
    case .text(let text): words(in: text)
    case .promptCompletion(let prompt, let completion):
      words(in: prompt) + words(in: completion)
    case .conversation(let messages):
      messages.reduce(0) { $0 + words(in: $1.content) }
    case .tokens(let inputIDs, _): inputIDs.count
    }
  }

  /// Runs of anything but Unicode white space.
  static func words(in text: String) -> Int {
    var count = 0
    var isInside = false
    for scalar in text.unicodeScalars {
      let isSpace =
        scalar.value < 0x80
        ? scalar.value == 0x20 || (0x09...0x0d).contains(scalar.value)
        : scalar.properties.isWhitespace
      if !isSpace && !isInside { count += 1 }
      isInside = !isSpace
    }
    return count
  }
}
