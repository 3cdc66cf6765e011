// SPDX-License-Identifier: Apache-2.0
internal import Streams

/// What the place of a file in a run folder says about its content.
struct FileRole {
  /// Path below the run folder, or the stream's name: what tables give as the source.
  let source: String
  var arm: String?
  var round: Int?
  var client: ClientID?
  var split: String?
  /// For files below `eval/`: the model and the records.
  var evaluation: (model: Evaluation.Model, set: Evaluation.RecordSet)?

  /// - Parameter path: relative to the run folder, such as
  ///   `arm-federated/round-002/eval/global.heldout.json`.
  init(path: String) {
    source = path
    let parts = path.split(separator: "/").map(String.init)
    for part in parts.dropLast() {
      if part.hasPrefix("arm-") { arm = String(part.dropFirst(4)) }
      if part.hasPrefix("round-") { round = Int(part.dropFirst(6)) }
    }
    guard let file = parts.last else { return }
    client = ClientID(fileName: file)
    let names = file.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    if parts.dropLast().last == "eval", names.count > 1 {
      let set = names.count > 2 ? names[1] : "heldout"
      evaluation = (FileRole.model(names[0]), FileRole.recordSet(set))
      client = nil
    } else if parts.dropLast().last == "shards", names.count > 2 {
      split = names[1]
    }
  }

  static func model(_ name: String) -> Evaluation.Model {
    if let client = ClientID(fileName: name) { return .client(client) }
    return name == "base" ? .base : name == "global" ? .global : .named(name)
  }

  static func recordSet(_ name: String) -> Evaluation.RecordSet {
    if let client = ClientID(fileName: name) { return .client(client) }
    return name == "heldout" ? .heldout : .named(name)
  }
}
