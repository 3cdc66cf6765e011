// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// How uneven any shards are, whoever made them: a client for each file, or for the files of its parts.
package struct ShardDescription: Sendable {
  /// One client.
  package struct Client: Sendable, Equatable {
    package let name: String
    package internal(set) var files: [String]
  }
  package let clients: [Client]
  package let lengthUnit: LengthUnit
  package let recordCount: Int
  package let amounts: Amounts
  package let imbalance: Imbalance

  private static let endings = [".jsonl", ".ndjson"]
  private static let compressions = [".gz", ".bz2", ".xz", ".zst"]
  private static let splits: Set<String> = ["train", "validation", "valid", "val", "dev", "test"]

  /// The shards in a folder, in the order of their names: `*.jsonl`, `*.ndjson`, plain or compressed.
  ///
  /// - Throws: `StreamError`, ``PartitionError/noShards(path:)``.
  package static func files(in folder: String) throws -> [String] {
    let names = try FileSystem.entries(of: folder).filter { stem(of: $0) != nil }
    if names.isEmpty { throw PartitionError.noShards(path: folder) }
    let base = folder.hasSuffix("/") ? String(folder.dropLast()) : folder
    return names.map { "\(base)/\($0)" }
  }

  /// The name of a shard's client: the file's name without folder, endings and part.
  static func clientName(of path: String) -> String {
    let name = FileSystem.lastComponent(path)
    guard let stem = stem(of: name) else { return name }
    if let dot = stem.lastIndex(of: "."), dot != stem.startIndex,
      splits.contains(String(stem[stem.index(after: dot)...]))
    {
      return String(stem[..<dot])
    }
    return stem
  }

  /// A shard's name without its endings; nil for other files.
  private static func stem(of name: String) -> String? {
    var name = name
    for ending in compressions where name.hasSuffix(ending) {
      name.removeLast(ending.count)
      break
    }
    for ending in endings where name.hasSuffix(ending) && name.count > ending.count {
      return String(name.dropLast(ending.count))
    }
    return nil
  }

  /// - Parameters:
  ///   - paths: the shards that `scan` has read, in its order.
  package init(paths: [String], scan: RecordScan) throws(PartitionError) {
    var clients: [Client] = []
    var number: [String: Int] = [:]
    var clientOf: [Int32] = []
    for (path, input) in zip(paths, scan.inputs) {
      let name = Self.clientName(of: path)
      let client = number[name] ?? clients.count
      if client == clients.count {
        number[name] = client
        clients.append(Client(name: name, files: []))
      }
      clients[client].files.append(FileSystem.lastComponent(path))
      clientOf += [Int32](repeating: Int32(client), count: input.records)
    }
    self.clients = clients
    recordCount = scan.table.count
    lengthUnit = scan.table.lengthUnit ?? .words
    amounts = Amounts(table: scan.table, clientOf: clientOf, clients: clients.count)
    imbalance = try Imbalance(table: scan.table, clientOf: clientOf, clients: clients.count)
  }

  /// For people: a table of the clients, a picture, and a table of indices.
  package func text(_ picture: Picture) -> String {
    let names = clients.map(\.name)
    let columns = amounts.named
    let width = max(6, names.map(\.count).max() ?? 0)
    var lines: [String] = []
    var header = picture.pad("client", width)
    for column in columns { header += picture.pad(title(column.name), 14, right: true) }
    lines.append(header + picture.pad("mean \(lengthUnit.rawValue)", 15, right: true))
    for client in clients.indices {
      var line = picture.pad(names[client], width)
      for column in columns {
        line += picture.pad("\(Int(column.values[client].rounded()))", 14, right: true)
      }
      let mean = amounts.length[client] / max(1, amounts.records[client])
      lines.append(line + picture.pad(PlanSummary.decimals(mean), 15, right: true))
    }
    lines.append("")
    lines += picture.lines(names: names, records: amounts.records, axes: imbalance.axes)
    lines.append("")
    lines += PlanSummary.table(imbalance)
    return lines.joined(separator: "\n") + "\n"
  }

  private func title(_ name: String) -> String { name == "length" ? lengthUnit.rawValue : name }

  /// For programs: one JSON object on one line.
  package func json(tool: String) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("type", "description")
      writer.field("v", Plan.version)
      writer.field("tool", tool)
      writer.field("records", recordCount)
      writer.field("length_unit", lengthUnit.rawValue)
      writer.array("clients") { writer in
        for (number, client) in clients.enumerated() {
          writer.object { writer in
            writer.field("client", client.name)
            for amount in amounts.named { writer.number(amount.name, amount.values[number]) }
            writer.field("files", client.files)
          }
        }
      }
      writer.object("imbalance") { imbalance.write(to: &$0) }
    }
    writer.newline()
    return writer.bytes
  }
}
