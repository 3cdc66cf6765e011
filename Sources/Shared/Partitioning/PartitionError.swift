// SPDX-License-Identifier: Apache-2.0
package import Streams

/// Why records could not be divided over clients.
package enum PartitionError: Error, Equatable {
  /// No partitioner has this name; `valid` are those that exist.
  case unknownMethod(String, valid: [String])
  /// An option's value is out of its range or cannot be read.
  case invalidOption(String, value: String, expected: String)
  /// The method needs to know the property to divide by.
  case missingProperty(method: String, expected: String)
  /// The method has no use for this property or binning.
  case unsuitableProperty(method: String, property: String, expected: String)
  /// `clients` times `minimum` exceeds the number of records.
  case tooFewRecords(records: Int, clients: Int, minimum: Int)
  /// Fewer different values of the field than clients that are to own them.
  case tooFewOwners(owners: Int, clients: Int)
  /// Whole groups cannot give every client its minimum.
  case tooFewGroups(groups: Int, clients: Int, minimum: Int)
  /// No record has the field that groups are made by.
  case noGroups(field: String)
  /// One-pass assignment of what can only be divided with all records in sight.
  case needsPlan(String)
  /// A folder without shards.
  case noShards(path: String)
  /// A file that should be a plan.
  case unreadablePlan(path: String, reason: String)
  /// Bins times clients would not fit in memory.
  case tooManyCells(bins: Int, clients: Int, limit: Int)
  /// The second reading of an input gave other bytes than the first.
  case inputChanged(path: String)
  /// The output folder holds a shard that this partition would not replace.
  case foreignShard(path: String)
}

extension PartitionError: Diagnosable {
  package var category: FailureCategory {
    switch self {
    case .unknownMethod, .invalidOption, .missingProperty, .unsuitableProperty, .needsPlan: .usage
    case .tooFewRecords, .tooManyCells, .tooFewOwners, .tooFewGroups, .noGroups, .unreadablePlan:
      .badData
    case .noShards: .noInput
    case .inputChanged: .inputOutput
    case .foreignShard: .cannotCreate
    }
  }

  package var location: String? {
    switch self {
    case .inputChanged(let path), .foreignShard(let path), .unreadablePlan(let path, _),
      .noShards(let path):
      path
    default: nil
    }
  }

  package var message: String {
    switch self {
    case .unknownMethod(let name, let valid):
      "--method: expected one of \(valid.joined(separator: ", ")), found \"\(name)\""
    case .invalidOption(let option, let value, let expected):
      "\(option): expected \(expected), found \"\(value)\""
    case .missingProperty(let method, let expected):
      "--method \(method) needs --by: expected \(expected)"
    case .unsuitableProperty(let method, let property, let expected):
      "\(method): expected \(expected), found \"\(property)\""
    case .tooFewRecords(let records, let clients, let minimum):
      "\(records) records are too few for \(clients) clients with at least \(minimum) each"
    case .tooFewOwners(let owners, let clients):
      "\(owners) different values are no match for \(clients) clients"
    case .tooFewGroups(let groups, let clients, let minimum):
      "\(groups) whole groups cannot give \(clients) clients at least \(minimum) records each"
    case .needsPlan(let what): "--assign hash: \(what) has to see all records first"
    case .noShards: "no shards in it: expected *.jsonl or *.ndjson, plain or compressed"
    case .noGroups(let field): "--group-by: no record has the field \"\(field)\""
    case .unreadablePlan(_, let reason): "no plan: \(reason)"
    case .tooManyCells(let bins, let clients, let limit):
      "\(bins) bins for \(clients) clients are more than \(limit) cells"
    case .inputChanged: "changed while it was read"
    case .foreignShard: "left by another partition, and this one would not replace it"
    }
  }

  package var hint: String? {
    switch self {
    case .tooFewRecords(_, _, let minimum):
      minimum > 1 ? "ask for fewer --clients or a smaller --min-records" : "ask for fewer --clients"
    case .tooFewOwners: "leave --clients away, or ask for fewer"
    case .needsPlan:
      "give --bins edges:A,B,…, or make a plan of a sample by --plan-only and name it with --plan"
    case .tooFewGroups: "ask for fewer --clients or a smaller --min-records"
    case .tooManyCells: "divide by a property with fewer values, or by --bins quantile:10"
    case .foreignShard: "remove the folder, or name another one with -o"
    default: nil
    }
  }
}
