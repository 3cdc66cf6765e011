// SPDX-License-Identifier: Apache-2.0
import Adapters
import Safetensors
import Streams

/// What the weight of a client is made of.
package enum WeightChoice: Sendable, Equatable {
  case records
  case tokens
  case targetTokens
  /// Optimizer steps.
  case steps
  /// Sum of quality times tokens.
  case quality
  case uniform
  /// A file of client and weight.
  case file(String)

  var isFile: Bool {
    if case .file = self { true } else { false }
  }

  /// A word, or else the path of a file.
  package init(_ text: String) {
    self =
      switch text {
      case "records": .records
      case "tokens": .tokens
      case "target-tokens": .targetTokens
      case "steps": .steps
      case "quality": .quality
      case "uniform": .uniform
      default: .file(text)
      }
  }

  /// As on the command line; a file is only called `file`, so that its place changes no byte.
  package var name: String {
    switch self {
    case .records: "records"
    case .tokens: "tokens"
    case .targetTokens: "target-tokens"
    case .steps: "steps"
    case .quality: "quality"
    case .uniform: "uniform"
    case .file: "file"
    }
  }
}

/// Turns a choice into numbers.
package struct ClientWeights: Sendable {
  private let choice: WeightChoice
  private let table: [String: Double]

  /// Reads the file of weights, if there is one.
  package init(_ choice: WeightChoice) throws(AggregationError) {
    self.choice = choice
    if case .file(let path) = choice {
      table = try Self.readTable(path)
    } else {
      table = [:]
    }
  }

  /// The weight of an adapter before all are divided by their sum.
  func weight(of file: AdapterFile) throws(AggregationError) -> Double {
    let claims = file.provenance
    let count: Double?
    switch choice {
    case .records: count = claims?.records.map(Double.init)
    case .tokens: count = claims?.tokens.map(Double.init)
    case .targetTokens: count = claims?.targetTokens.map(Double.init)
    case .steps: count = claims?.steps.map(Double.init)
    case .quality: count = claims?.qualityTokens
    case .uniform: count = 1
    case .file(let path):
      guard let client = claims?.client, let weight = table[client] else {
        throw .missingWeight(path: file.path, client: claims?.client, file: path)
      }
      count = weight
    }
    guard let count else { throw .missingCount(path: file.path, weights: choice.name) }
    return count
  }

  /// The client's part of all that a file of weights holds, whoever takes part; nil for other choices.
  func fixedShare(of file: AdapterFile) throws(AggregationError) -> Double? {
    guard case .file = choice else { return nil }
    let sum = table.keys.sorted(by: precedes).reduce(0) { $0 + (table[$1] ?? 0) }
    guard sum > 0 else { throw .noWeight }
    return try weight(of: file) / sum
  }

  /// Divides by the sum; clients in a fixed order, so that the sum is the same in every run.
  ///
  /// - Throws: ``AggregationError/noWeight`` if the sum is zero.
  package static func normalized(_ weights: [Double]) throws(AggregationError) -> [Double] {
    // Scaled first: large counts must not overflow the sum.
    guard let largest = weights.max(), largest > 0 else { throw .noWeight }
    let scaled = weights.map { $0 / largest }
    let sum = scaled.reduce(0, +)
    return scaled.map { $0 / sum }
  }

  private static let expectedLine =
    #"{"client":ID,"weight":NUMBER} or ID, a tab and a number; weights from 0"#

  private static func readTable(_ path: String) throws(AggregationError) -> [String: Double] {
    let text: [UInt8]
    do { text = try InputSource(path: path).readAll() } catch { throw .stream(error) }
    var table: [String: Double] = [:]
    let lines = text.split(separator: 0x0a, omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() where !line.isEmpty {
      if index == 0 && line.elementsEqual("client\tweight".utf8) { continue }
      guard let (client, weight) = entry(Array(line)) else {
        throw .malformedWeight(file: path, line: index + 1, expected: expectedLine)
      }
      guard table.updateValue(weight, forKey: client) == nil else {
        throw .repeatedWeight(file: path, line: index + 1, client: client)
      }
    }
    return table
  }

  private static func entry(_ line: [UInt8]) -> (client: String, weight: Double)? {
    let client: String?
    let weight: Double?
    if line.first == UInt8(ascii: "{") {
      let value = try? JSONValue(parsing: line)
      client = value?["client"]?.text
      weight = value?["weight"]?.number
    } else {
      let fields = line.split(separator: 0x09, omittingEmptySubsequences: false)
      guard fields.count == 2 else { return nil }
      client = String(decoding: fields[0], as: UTF8.self)
      weight = Double(String(decoding: fields[1], as: UTF8.self))
    }
    guard let client, let weight, weight.isFinite, weight >= 0 else { return nil }
    return (client, weight)
  }
}
