// SPDX-License-Identifier: Apache-2.0
internal import Randomness
internal import Records
internal import Streams
internal import Synchronization

/// Decides for each line of a block, by itself, where it goes. Runs on any thread.
///
/// A record's key is the ``ContentHash`` of its line without the `cl_*` fields; `--group-by` gives the
/// members of a group one key. Block `key` of the Philox stream `partition/assign/client` is the
/// record's random number, and the client is the one whose part of the bin's shares it falls in. So
/// neither other records nor their order matter, and equal records stay together.
struct HashRouter: Sendable {
  struct Row: Sendable {
    /// The line in the block's bytes.
    let offset: Int32
    let count: Int32
    /// -1: outside `--keep`.
    let client: Int32
    let part: UInt8
    let bin: Int32
    /// NaN where the record lacks it; in the order of ``Axis/numeric``.
    let values: SIMD4<Double>
  }

  struct Piece: Sendable {
    let block: LineBlock
    let unit: LengthUnit?
  }

  struct Routed: Sendable {
    let block: LineBlock
    var rows: [Row] = []
    /// Bad lines in order; no line after one more than are tolerated was read.
    var bad: [RecordError] = []
  }

  struct State {
    var scan: FieldScan
    var labels: [UInt64: (bin: Int32, limits: [UInt64])] = [:]
  }

  /// Where the fields stand in ``state()``'s list; 2 to 4 are the other axes.
  private enum Field {
    static let (tokens, words, cluster, inputIDs, group, label) = (0, 1, 5, 6, 7, 8)
  }

  let request: PartitionRequest
  let bins: HashBins
  let labels = LabelRegistry()
  private let layout: RecordLayout
  private let skipLimit: Int
  private let limits: [[UInt64]]
  private let otherLimits: [UInt64]?
  private let clientNumbers: Philox
  private let partNumbers: Philox
  private let partLimits: [UInt64]
  private let required: [Bool]
  private let labelField: String?

  init(
    _ request: PartitionRequest, layout: RecordLayout, skipLimit: Int
  ) throws(PartitionError) {
    self.request = request
    self.layout = layout
    self.skipLimit = skipLimit
    bins = try HashBins(request)
    limits = bins.shares.map(HashBins.limits)
    otherLimits = bins.otherShares.map(HashBins.limits)
    clientNumbers = request.seed.stream("partition", "assign", "client")
    partNumbers = request.seed.stream("partition", "assign", "split")
    partLimits = HashBins.limits(request.split.parts.map(\.share))
    var axes = bins.parts.compactMap { part -> Axis? in
      if case .fixed(let binning) = part { binning.axis } else { nil }
    }
    if request.selection.range != nil { axes.append(.length) }
    required = Axis.numeric.map { axes.contains($0) }
    var field: String?
    for part in bins.parts {
      switch part {
      case .open(let name): field = name
      case .fixed(let binning): if case .label(let name) = binning.axis { field = name }
      }
    }
    labelField = field
  }

  /// What a thread keeps for itself.
  func state() -> State {
    let score = RecordScore.key
    var names = ["\(score).tokens", "\(score).words"]
    names += ["\(score).sentences", "\(score).quality", "\(score).score", "\(score).cluster"]
    names += ["input_ids", request.groupBy ?? "\(score).cluster"]
    if let labelField { names.append(labelField) }
    return State(scan: FieldScan(names))
  }

  /// What the first record's length is counted in; nil if nothing says it and nobody asks for it.
  func unit(of block: LineBlock) -> LengthUnit? {
    var state = state()
    var unit: LengthUnit?
    block.forEachLine { line, number in
      let place = RecordLocation(file: block.name, line: number)
      if unit != nil || Self.isBlank(line) { return }
      guard (try? state.scan.read(line, at: place)) != nil else { return }
      if state.scan[Field.tokens]?.kind == .number {
        unit = .tokens
      } else if state.scan[Field.inputIDs]?.kind == .array {
        unit = .inputIDs
      } else if state.scan[Field.words]?.kind == .number || required[0] {
        unit = .words
      }
    }
    return unit
  }

  func route(_ state: inout State, _ piece: Piece) -> Routed {
    let block = piece.block
    var routed = Routed(block: block)
    routed.rows.reserveCapacity(block.bytes.count / 512)
    block.forEachLine { line, number in
      if routed.bad.count > skipLimit || Self.isBlank(line) { return }
      do throws(RecordError) {
        routed.rows.append(
          try row(&state, line, RecordLocation(file: block.name, line: number), piece))
      } catch {
        routed.bad.append(error)
      }
    }
    return routed
  }

  static func isBlank(_ line: UnsafeRawBufferPointer) -> Bool {
    line.allSatisfy { $0 == 0x20 || $0 == 0x09 }
  }

  private func row(
    _ state: inout State, _ line: UnsafeRawBufferPointer, _ place: @autoclosure () -> RecordLocation,
    _ piece: Piece
  ) throws(RecordError) -> Row {
    try state.scan.read(line, at: place())
    let values = try values(&state, line, place, piece.unit)
    var hash = ContentHash()
    state.scan.forEachOwnPiece { hash.update($0) }
    var key = hash.value()
    if request.groupBy != nil, let name = name(&state, Field.group) { key = name }
    var client: Int32 = -1
    var bin: Int32 = 0
    if request.selection.range?.contains(values[0]) ?? true {
      let found = try self.bin(&state, values, place)
      bin = found.bin
      client = Int32(HashBins.client(clientNumbers.number(at: key), found.limits))
    }
    var part: UInt8 = 0
    if partLimits.count > 1 {
      let kept = name(&state, Field.cluster) ?? key
      part = UInt8(HashBins.client(partNumbers.number(at: kept), partLimits))
    }
    var offset = 0
    if let start = piece.block.bytes.baseAddress, let own = line.baseAddress { offset = own - start }
    return Row(
      offset: Int32(truncatingIfNeeded: offset), count: Int32(truncatingIfNeeded: line.count),
      client: client, part: part, bin: bin, values: values)
  }

  private func name(_ state: inout State, _ field: Int) -> UInt64? {
    guard let value = state.scan[field] else { return nil }
    return FieldPath.name(value.kind, state.scan.bytes(value))
  }

  /// Length, sentences, quality and score.
  private func values(
    _ state: inout State, _ line: UnsafeRawBufferPointer, _ place: () -> RecordLocation,
    _ unit: LengthUnit?
  ) throws(RecordError) -> SIMD4<Double> {
    var values = SIMD4<Double>(repeating: .nan)
    values[0] = try length(&state, line, place, unit) ?? .nan
    for index in 1..<4 {
      values[index] = try number(&state, index + 1, place, isCount: index == 1) ?? .nan
    }
    for index in 0..<4 where required[index] && values[index].isNaN {
      throw .missingField(
        place(), field: "\(RecordScore.key).\(index == 0 ? "tokens" : Axis.numeric[index].name)")
    }
    return values
  }

  private func number(
    _ state: inout State, _ field: Int, _ place: () -> RecordLocation, isCount: Bool
  ) throws(RecordError) -> Double? {
    guard let value = state.scan[field], value.kind != .null else { return nil }
    guard value.kind == .number, let number = try? JSONNumber.value(state.scan.bytes(value)),
      number.isFinite
    else {
      throw .wrongType(
        place(), field: state.scan.names[field], expected: "finite number", found: value.kind.rawValue)
    }
    if isCount, number < 0 || number != number.rounded() {
      throw .wrongType(
        place(), field: state.scan.names[field], expected: "count", found: "\(number)")
    }
    return number
  }

  private func length(
    _ state: inout State, _ line: UnsafeRawBufferPointer, _ place: () -> RecordLocation,
    _ unit: LengthUnit?
  ) throws(RecordError) -> Double? {
    switch unit {
    case nil: return nil
    case .tokens?: return try number(&state, Field.tokens, place, isCount: true)
    case .inputIDs?:
      guard let value = state.scan[Field.inputIDs], value.kind == .array else { return nil }
      var scanner = JSONScanner(state.scan.bytes(value))
      var count = 0
      do throws(JSONError) {
        try scanner.beginArray()
        while try scanner.nextElement() {
          try scanner.skipValue()
          count += 1
        }
      } catch { throw .malformedJSON(place(), error) }
      return Double(count)
    case .words?:
      if let words = try number(&state, Field.words, place, isCount: true) { return words }
      guard required[0] else { return nil }
      let fields = try RecordFields(line, at: place())
      return Double(WordCount.words(in: try layout.content(of: fields)))
    }
  }

  private func bin(
    _ state: inout State, _ values: SIMD4<Double>, _ place: () -> RecordLocation
  ) throws(RecordError) -> (bin: Int32, limits: [UInt64]) {
    var bin = 0
    for part in bins.parts {
      switch part {
      case .open: return try openBin(&state, place)
      case .fixed(let binning):
        if case .categories(let names) = binning.cuts {
          let (_, text) = try label(&state, place)
          guard let index = names.firstIndex(where: { $0.utf8.elementsEqual(text) }) else {
            // Counted with the last value; its shares are those of all records.
            return (Int32(max(0, limits.count - 1)), otherLimits ?? limits[0])
          }
          bin = bin * binning.count + index
        } else {
          let axis = Axis.numeric.firstIndex(of: binning.axis) ?? 0
          bin = bin * binning.count + binning.bin(of: values[axis])
        }
      }
    }
    return (Int32(bin), limits.count == 1 ? limits[0] : limits[bin])
  }

  private func label(
    _ state: inout State, _ place: () -> RecordLocation
  ) throws(RecordError) -> (hash: UInt64, text: [UInt8]) {
    guard let value = state.scan[Field.label] else {
      throw .missingField(place(), field: labelField ?? "")
    }
    guard let text = FieldPath.text(value.kind, state.scan.bytes(value)) else {
      throw .wrongType(
        place(), field: labelField ?? "", expected: "string, number or boolean",
        found: value.kind.rawValue)
    }
    return (text.withUnsafeBytes { ContentHash.hash(of: $0) }, text)
  }

  /// The bin of a value that no plan told: a new one where it is new.
  private func openBin(
    _ state: inout State, _ place: () -> RecordLocation
  ) throws(RecordError) -> (bin: Int32, limits: [UInt64]) {
    let (hash, text) = try label(&state, place)
    if let known = state.labels[hash] { return known }
    let bin = labels.number(of: text)
    let limits = HashBins.limits(shares(ofLabel: text))
    state.labels[hash] = (bin, limits)
    return (bin, limits)
  }

  func shares(ofLabel text: [UInt8]) -> [Double] {
    let binning = Binning(
      axis: .label(field: labelField ?? ""),
      cuts: .categories([String(decoding: text, as: UTF8.self)]))
    let name = RecordBins(binnings: [binning]).streamName(of: 0)
    return request.method.shares(ofBin: name, clients: request.clients, seed: request.seed) ?? []
  }
}

/// The values of a label that were met so far, by all threads.
final class LabelRegistry: Sendable {
  private struct Content {
    var numbers: [[UInt8]: Int32] = [:]
    var names: [[UInt8]] = []
  }
  private let content = Mutex(Content())

  func number(of name: [UInt8]) -> Int32 {
    content.withLock { content in
      if let number = content.numbers[name] { return number }
      let number = Int32(content.names.count)
      content.numbers[name] = number
      content.names.append(name)
      return number
    }
  }

  /// In the order of their numbers, which depends on the threads.
  var names: [[UInt8]] { content.withLock { $0.names } }
}
