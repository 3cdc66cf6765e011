// SPDX-License-Identifier: Apache-2.0
package import Records
package import Streams

/// What a partition has to know of each record: one number an axis, 8 bytes each, in memory up to a
/// bound and in temporary files beyond it.
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
  private let groupPath: FieldPath?
  private let labelPath: FieldPath?
  /// In the order of ``Axis/numeric``; nil once a record lacked it.
  private var columns: [Column<Double>?]
  /// The different values of each of ``columns``, after ``finish()``.
  private var runs: [ValueRuns?]
  private var labels = Column<UInt32>()
  /// The place of each label's value in ``labelNames``, after ``finish()``.
  private var labelPlaces: [UInt32] = []
  private var labelIndex: [[UInt8]: Int] = [:]
  private var groups: Column<UInt64>?
  /// From the first record on that has one.
  private var clusters: Column<UInt64>?
  private var firstCluster = 0
  private let folder: String
  private let memoryBound: Int

  /// Records that a partition can hold: their numbers are stored in 32 bits.
  package static let limit = Int(Int32.max)
  /// Bytes of all columns beyond which they move to files.
  package static let memoryBound = 32 << 20

  /// - Parameters:
  ///   - groupBy: the field, or dotted path, whose equal values keep records together.
  ///   - folder: where temporary files may be.
  package init(
    choice: PropertyChoice?, layout: RecordLayout = RecordLayout(), groupBy: String? = nil,
    folder: String = ShardFolder.temporary, memoryBound: Int = Self.memoryBound
  ) {
    let axes = choice?.axes ?? []
    label = axes.first { $0.isLabel }
    if case .label(let field)? = label { labelPath = FieldPath(field) } else { labelPath = nil }
    groupPath = groupBy.map(FieldPath.init)
    groups = groupBy == nil ? nil : Column()
    required = Set(axes).union([.length])
    requiresTokens = choice?.requiresTokens ?? false
    self.layout = layout
    self.folder = folder
    self.memoryBound = memoryBound
    columns = Axis.numeric.map { _ in Column() }
    runs = Axis.numeric.map { _ in nil }
  }

  /// The values of an axis in record order; nil if some record lacks it. A label's value is its
  /// index in ``labelNames``, after ``finish()``.
  package func values(of axis: Axis) -> [Double]? {
    guard let axis = self[axis] else { return nil }
    return (0..<count).map { axis[$0] }
  }

  /// One axis of a finished table.
  struct AxisValues {
    fileprivate let numbers: Column<Double>?
    fileprivate let labels: Column<UInt32>
    fileprivate let places: [UInt32]

    subscript(record: Int) -> Double {
      if let numbers { return numbers[record] }
      return Double(places[Int(labels[record])])
    }
  }

  /// An axis that all records have; nil if one lacks it.
  subscript(axis: Axis) -> AxisValues? {
    if axis.isLabel {
      return axis == label ? AxisValues(numbers: nil, labels: labels, places: labelPlaces) : nil
    }
    guard let index = Axis.numeric.firstIndex(of: axis), let numbers = columns[index] else {
      return nil
    }
    return AxisValues(numbers: numbers, labels: labels, places: [])
  }

  func has(_ axis: Axis) -> Bool { self[axis] != nil }

  /// Calls `body` with the number of each record, in order. What `body` looks at of the table beside
  /// that record is read from the temporary files again.
  func sweep(_ body: (Int) -> Void) {
    for start in stride(from: 0, to: count, by: 1 << 18) {
      for record in start..<min(start + 1 << 18, count) { body(record) }
      release()
    }
  }

  private func release() {
    for column in columns { column?.release() }
    labels.release()
    groups?.release()
    clusters?.release()
  }

  /// The different values of an axis that all records have.
  func runs(of axis: Axis) -> ValueRuns {
    if let index = Axis.numeric.firstIndex(of: axis), let known = runs[index] { return known }
    guard let values = self[axis] else { return ValueRuns(of: []) }
    return ValueRuns { take in sweep { take(values[$0]) } }
  }

  /// The values of an axis for methods that rank or share out; nil if some record lacks it.
  func ranked(by axis: Axis) -> RankedValues? {
    guard let values = self[axis] else { return nil }
    let runs = runs(of: axis)
    var runOf = [Int32](repeating: 0, count: count)
    sweep { runOf[$0] = Int32(runs.run(of: values[$0])) }
    return RankedValues(runs: runs, runOf: runOf)
  }

  /// Whether `--group-by` was asked for.
  var hasGroups: Bool { groups != nil }
  /// What `--group-by` gives a record as a name; 0 without one.
  func group(of record: Int) -> UInt64 { groups?[record] ?? 0 }
  /// Whether any record has a cluster of near-duplicates (`cl_score.cluster`).
  var hasClusters: Bool { clusters != nil }
  /// The name of a record's cluster, 0 without one.
  func cluster(of record: Int) -> UInt64 {
    record < firstCluster ? 0 : clusters?[record - firstCluster] ?? 0
  }

  /// The axes that all records have.
  package var axes: [Axis] {
    (Axis.numeric + (label.map { [$0] } ?? [])).filter { has($0) }
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
      if value == nil && required.contains(axis) {
        throw .missingField(fields.location, field: field)
      }
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
      labels.append(UInt32(index(ofLabel: name)))
    }
    if let group { groups?.append(group) }
    if score?.cluster != nil, clusters == nil { (clusters, firstCluster) = (Column(), count) }
    clusters?.append(score?.cluster ?? 0)
    lengthUnit = unit
    for (index, value) in values.enumerated() {
      if let value { columns[index]?.append(value) } else { columns[index] = nil }
    }
    count += 1
  }

  /// Moves the columns to temporary files if they have grown beyond the bound. To be called now and
  /// then while records are added.
  package func spillIfLarge() throws(StreamError) {
    var memory = labels.memory + (groups?.memory ?? 0) + (clusters?.memory ?? 0)
    for column in columns { memory += column?.memory ?? 0 }
    guard memory > memoryBound else { return }
    for column in columns { try column?.spill(to: folder) }
    try labels.spill(to: folder)
    try groups?.spill(to: folder)
    try clusters?.spill(to: folder)
  }

  /// Makes the table ready to be read. Call once, after the last record.
  package mutating func finish() throws(StreamError) {
    let sorted = labelIndex.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    labelPlaces = [UInt32](repeating: 0, count: sorted.count)
    for (rank, entry) in sorted.enumerated() { labelPlaces[entry.value] = UInt32(rank) }
    labelNames = sorted.map { String(decoding: $0.key, as: UTF8.self) }
    labelIndex = [:]
    try seal()
  }

  private mutating func seal() throws(StreamError) {
    for column in columns { try column?.seal() }
    try labels.seal()
    try groups?.seal()
    try clusters?.seal()
    for (index, axis) in Axis.numeric.enumerated() where columns[index] != nil {
      runs[index] = nil
      runs[index] = runs(of: axis)
    }
  }

  /// A finished table of some of the records, in ascending order.
  func selecting(_ records: [Int32]) throws(StreamError) -> RecordTable {
    var result = self
    result.count = records.count
    result.columns = columns.map { $0.map { _ in Column() } }
    result.labels = Column()
    result.groups = groups.map { _ in Column() }
    result.clusters = clusters.map { _ in Column() }
    result.firstCluster = 0
    for (place, record) in records.enumerated() {
      let record = Int(record)
      for (index, column) in columns.enumerated() {
        if let column { result.columns[index]?.append(column[record]) }
      }
      if label != nil { result.labels.append(labels[record]) }
      result.groups?.append(group(of: record))
      result.clusters?.append(cluster(of: record))
      if place & 0xffff == 0xffff {
        try result.spillIfLarge()
        release()
      }
    }
    try result.seal()
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
