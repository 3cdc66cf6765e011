// SPDX-License-Identifier: Apache-2.0
import Streams

/// One tensor as the header describes it.
package struct TensorInfo: Sendable, Equatable {
  package let name: String
  package let dtype: DType
  /// Row-major; the last axis is the fastest. Empty for a scalar.
  package let shape: [Int]
  /// Where its bytes lie in the data part of the file.
  package let range: Range<Int>

  /// Number of values.
  package var elementCount: Int { range.count / dtype.byteCount }
}

/// The header of a safetensors file, read and checked.
///
/// Holds when the initialiser returns: names are unique; every tensor's size is its shape times its
/// type; the tensors cover the data part from 0 to ``dataBytes`` without holes or overlap.
package struct SafetensorsHeader: Sendable {
  /// Longest header that is accepted, as in the reference implementation.
  package static let maximumBytes = 100_000_000

  /// In the order of their names' bytes.
  package let tensors: [TensorInfo]
  package let metadata: [String: String]
  /// Bytes of the data part.
  package let dataBytes: Int
  private let positions: [String: Int]

  /// Reads the JSON part, without the eight bytes of its length.
  package init(
    parsing json: UnsafeRawBufferPointer, path: String
  ) throws(SafetensorsError) {
    guard json.first == UInt8(ascii: "{") else {
      throw SafetensorsError(.headerNotAnObject, path: path)
    }
    var parser = HeaderParser(json, path: path)
    do {
      try parser.parse()
    } catch {
      switch error {
      case .json(let error): throw SafetensorsError(.malformedHeader(error), path: path)
      case .problem(let problem): throw SafetensorsError(problem, path: path)
      }
    }
    if let problem = Self.firstGap(parser.tensors) { throw SafetensorsError(problem, path: path) }
    dataBytes = parser.tensors.map(\.range.upperBound).max() ?? 0
    metadata = parser.metadata
    tensors = parser.tensors.sorted { precedes($0.name, $1.name) }
    positions = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1.name, $0) })
  }

  /// The length of the JSON part, from the first eight bytes of a file.
  package static func jsonBytes(
    prefix: UnsafeRawBufferPointer, path: String
  ) throws(SafetensorsError) -> Int {
    guard prefix.count >= 8 else {
      throw SafetensorsError(.truncated(expectedBytes: 8, foundBytes: prefix.count), path: path)
    }
    let length = UInt64(littleEndian: prefix.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(maximumBytes) else {
      throw SafetensorsError(.headerTooLarge(bytes: length), path: path)
    }
    return Int(length)
  }

  package subscript(name: String) -> TensorInfo? { positions[name].map { tensors[$0] } }

  private static func firstGap(_ tensors: [TensorInfo]) -> SafetensorsError.Problem? {
    let ordered = tensors.sorted {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }
    var end = 0
    for tensor in ordered {
      if tensor.range.lowerBound != end { return .notContiguous(tensor: tensor.name) }
      end = tensor.range.upperBound
    }
    return nil
  }
}

/// Byte order of names: the order in which everything is written.
package func precedes(_ left: String, _ right: String) -> Bool {
  left.utf8.lexicographicallyPrecedes(right.utf8)
}

/// The JSON part as it is read.
private struct HeaderParser {
  enum Failure: Error {
    case json(JSONError)
    case problem(SafetensorsError.Problem)
  }

  var tensors: [TensorInfo] = []
  var metadata: [String: String] = [:]
  private var scanner: JSONScanner
  private var names: Set<String> = []
  private var hasMetadata = false

  init(_ json: UnsafeRawBufferPointer, path: String) { scanner = JSONScanner(json) }

  mutating func parse() throws(Failure) {
    do {
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        let name = try key.decoded()
        if name == "__metadata__" {
          if hasMetadata { throw JSONError(.duplicateKey(name), at: key.offset) }
          hasMetadata = true
          try parseMetadata()
        } else {
          if !names.insert(name).inserted {
            throw JSONError(.duplicateKey(name), at: key.offset)
          }
          try parseTensor(name)
        }
      }
      try scanner.finish()
    } catch let error as JSONError {
      throw .json(error)
    } catch let error as Failure {
      throw error
    } catch {
      throw .problem(.headerNotAnObject)
    }
  }

  private mutating func parseMetadata() throws {
    guard try scanner.peekKind() == .object else {
      throw Failure.problem(.invalidMetadata(key: "__metadata__"))
    }
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      let name = try key.decoded()
      if metadata[name] != nil { throw JSONError(.duplicateKey(name), at: key.offset) }
      guard try scanner.peekKind() == .string else {
        throw Failure.problem(.invalidMetadata(key: name))
      }
      metadata[name] = try scanner.string().decoded()
    }
  }

  private mutating func parseTensor(_ name: String) throws {
    guard try scanner.peekKind() == .object else {
      throw invalid(name, "(entry)", "an object")
    }
    var dtype: DType?
    var shape: [Int]?
    var offsets: [Int]?
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      let field = try key.decoded()
      let isRepeated =
        field == "dtype" && dtype != nil || field == "shape" && shape != nil
        || field == "data_offsets" && offsets != nil
      if isRepeated { throw JSONError(.duplicateKey(field), at: key.offset) }
      switch field {
      case "dtype":
        guard try scanner.peekKind() == .string else { throw invalid(name, field, "a string") }
        let text = try scanner.string().decoded()
        guard let known = DType(rawValue: text) else {
          throw Failure.problem(.unknownDType(tensor: name, dtype: text))
        }
        dtype = known
      case "shape": shape = try naturalNumbers(name, field)
      case "data_offsets": offsets = try naturalNumbers(name, field)
      default: throw invalid(name, field, "dtype, shape and data_offsets only")
      }
    }
    guard let dtype else { throw invalid(name, "dtype", "a string, found nothing") }
    guard let shape else { throw invalid(name, "shape", "an array, found nothing") }
    guard let offsets, offsets.count == 2, offsets[0] <= offsets[1] else {
      throw invalid(name, "data_offsets", "[begin, end] with begin <= end")
    }
    var bytes = dtype.byteCount
    for extent in shape {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: extent)
      if overflow { throw Failure.problem(.sizeOverflow(tensor: name, shape: shape)) }
      bytes = product
    }
    let span = offsets[1] - offsets[0]
    guard bytes == span else {
      throw Failure.problem(
        .sizeMismatch(tensor: name, shape: shape, dtype: dtype, bytes: span))
    }
    tensors.append(
      TensorInfo(name: name, dtype: dtype, shape: shape, range: offsets[0]..<offsets[1]))
  }

  private mutating func naturalNumbers(_ tensor: String, _ field: String) throws -> [Int] {
    let expected = "an array of natural numbers"
    guard try scanner.peekKind() == .array else { throw invalid(tensor, field, expected) }
    var values: [Int] = []
    try scanner.beginArray()
    while try scanner.nextElement() {
      guard try scanner.peekKind() == .number, let value = try? scanner.integer(), value >= 0
      else { throw invalid(tensor, field, expected) }
      values.append(value)
    }
    return values
  }

  private func invalid(_ tensor: String, _ field: String, _ expected: String) -> Failure {
    .problem(.invalidField(tensor: tensor, field: field, expected: expected))
  }
}
