// SPDX-License-Identifier: Apache-2.0
import Streams

/// Where an adapter comes from: the `cl` object in its metadata
/// (Documentation/formats/adapters.md). What a client says of itself is a claim.
package struct AdapterProvenance: Sendable, Equatable {
  package static let version = 1

  /// Program and version, for example `cl-train 0.1.0`.
  package var tool: String
  /// Digest of the base model.
  package var base: String?
  /// Digest of the adapter that training started from.
  package var parent: String?
  package var client: String?
  package var round: Int?
  package var seed: UInt64?
  /// Records that training saw in this round, counted once each.
  package var records: Int?
  package var tokens: Int?
  package var targetTokens: Int?
  /// Sum over the records of quality times tokens.
  package var qualityTokens: Double?
  /// Optimizer steps.
  package var steps: Int?
  /// Which factors were trained: `AB`, `A`, `B`.
  package var trained: String?
  /// Of an aggregated adapter: the rule, the weights, and the clients in it.
  package var rule: String?
  package var weights: String?
  package var clients: [String]?
  /// What was done with the aggregate before it became this adapter.
  package var server: String?
  /// Which privacy guarantee this adapter has; nil: none.
  package var privacy: String?

  package init(tool: String) { self.tool = tool }

  init(parsing json: [UInt8]) throws(AdapterError.Problem) {
    let value: JSONValue
    do { value = try JSONValue(parsing: json) } catch {
      throw .invalidProvenance(field: "(all)", expected: "JSON, found \(error.message)")
    }
    guard let object = value.object else {
      throw .invalidProvenance(field: "(all)", expected: "an object")
    }
    guard object["v"]?.int == Self.version else {
      throw .invalidProvenance(field: "v", expected: "\(Self.version)")
    }
    func text(_ field: String) throws(AdapterError.Problem) -> String? {
      guard let value = object[field], !value.isNull else { return nil }
      guard let text = value.text else {
        throw .invalidProvenance(field: field, expected: "a string")
      }
      return text
    }
    func count(_ field: String) throws(AdapterError.Problem) -> Int? {
      guard let value = object[field], !value.isNull else { return nil }
      guard let count = value.int, count >= 0 else {
        throw .invalidProvenance(field: field, expected: "a natural number")
      }
      return count
    }
    tool = try text("tool") ?? ""
    base = try text("base")
    parent = try text("parent")
    client = try text("client")
    round = try count("round")
    // A seed beyond Int comes as a rounded number: not worth keeping, no reason to refuse.
    seed = object["seed"]?.int.flatMap { UInt64(exactly: $0) }
    records = try count("records")
    tokens = try count("tokens")
    targetTokens = try count("target_tokens")
    steps = try count("steps")
    trained = try text("trained")
    if let trained, !["A", "B", "AB"].contains(trained) {
      throw .invalidProvenance(field: "trained", expected: "\"A\", \"B\" or \"AB\"")
    }
    if let value = object["quality_tokens"], !value.isNull {
      guard let number = value.number, number.isFinite, number >= 0 else {
        throw .invalidProvenance(field: "quality_tokens", expected: "a number from 0")
      }
      qualityTokens = number
    }
    rule = try text("rule")
    weights = try text("weights")
    server = try text("server")
    privacy = try text("privacy")
    if let value = object["clients"], !value.isNull {
      let names = value.elements?.compactMap(\.text)
      guard let names, names.count == value.elements?.count else {
        throw .invalidProvenance(field: "clients", expected: "a list of strings")
      }
      clients = names
    }
  }

  /// One line of JSON. `base`, `parent` and `client` are always there, the rest where it is known.
  package var json: String {
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("v", Self.version)
      writer.field("tool", tool)
      for (key, value) in [("base", base), ("parent", parent), ("client", client)] {
        writer.field(key, value.map { JSONValue.string($0) } ?? .null)
      }
      writer.field("round", ifPresent: round)
      if let seed {
        writer.key("seed")
        writer.raw("\(seed)".utf8)
      }
      writer.field("records", ifPresent: records)
      writer.field("tokens", ifPresent: tokens)
      writer.field("target_tokens", ifPresent: targetTokens)
      writer.field("quality_tokens", ifPresent: qualityTokens)
      writer.field("steps", ifPresent: steps)
      writer.field("trained", ifPresent: trained)
      writer.field("rule", ifPresent: rule)
      writer.field("weights", ifPresent: weights)
      if let clients { writer.field("clients", clients) }
      writer.field("server", ifPresent: server)
      writer.field("privacy", ifPresent: privacy)
    }
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}
