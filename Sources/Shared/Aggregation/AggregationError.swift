// SPDX-License-Identifier: Apache-2.0
package import Streams

/// Why adapters cannot be aggregated.
package enum AggregationError: Error, Equatable {
  /// No adapter at all.
  case noAdapters
  case unknownRule(String)
  /// The adapter belongs to another base model than the others.
  case otherBase(path: String, found: String, expected: String)
  /// The adapter lacks a module that the others have.
  case missingModule(path: String, module: String)
  /// The adapter has a module that the others lack.
  case extraModule(path: String, module: String)
  /// The sizes of a module differ from the others' ([in, out]).
  case otherSize(path: String, module: String, found: [Int], expected: [Int])
  /// The rank of a module differs from the others', and the rule needs equal ranks.
  case otherRank(path: String, module: String, found: Int, expected: Int)
  /// The adapter does not say the number that the weights are made of.
  case missingCount(path: String, weights: String)
  /// The file of weights does not name the adapter's client.
  case missingWeight(path: String, client: String?, file: String)
  /// A line of the file of weights cannot be read.
  case malformedWeight(file: String, line: Int, expected: String)
  /// The file of weights names a client twice.
  case repeatedWeight(file: String, line: Int, client: String)
  /// All weights are zero.
  case noWeight
  /// Fewer adapters were accepted than `--min-clients` asks for.
  case tooFewClients(accepted: Int, required: Int)
  case stream(StreamError)
}

extension AggregationError: Diagnosable {
  package var category: FailureCategory {
    switch self {
    case .unknownRule: .usage
    case .otherBase, .missingModule, .extraModule, .otherSize, .otherRank:
      .unsupportedConfiguration
    case .tooFewClients: .tooFewClients
    case .stream(let error): error.category
    case .noAdapters, .missingCount, .missingWeight, .malformedWeight, .repeatedWeight, .noWeight:
      .badData
    }
  }

  package var location: String? {
    switch self {
    case .otherBase(let path, _, _), .missingModule(let path, _), .extraModule(let path, _),
      .otherSize(let path, _, _, _), .otherRank(let path, _, _, _), .missingCount(let path, _),
      .missingWeight(let path, _, _):
      path
    case .malformedWeight(let file, let line, _), .repeatedWeight(let file, let line, _):
      "\(file):\(line)"
    case .stream(let error): error.location
    case .noAdapters, .unknownRule, .noWeight, .tooFewClients: nil
    }
  }

  package var message: String {
    switch self {
    case .noAdapters: "no adapters to aggregate"
    case .unknownRule(let name):
      "unknown rule \"\(name)\", known are: \(RuleCatalog.all.map(\.name).joined(separator: ", "))"
    case .otherBase(_, let found, let expected):
      "made for base model \(found.prefix(12)), the others for \(expected.prefix(12))"
    case .missingModule(_, let module): "module \"\(module)\" is missing, the others have it"
    case .extraModule(_, let module): "module \"\(module)\" is not in the others"
    case .otherSize(_, let module, let found, let expected):
      "module \"\(module)\": [in, out] is \(found), the others have \(expected)"
    case .otherRank(_, let module, let found, let expected):
      "module \"\(module)\": rank \(found), the others have \(expected)"
    case .missingCount(_, let weights): "does not say its \(weights), which the weights are made of"
    case .missingWeight(_, let client?, let file): "client \"\(client)\" has no weight in \(file)"
    case .missingWeight(_, nil, let file): "does not say its client, so \(file) gives it no weight"
    case .malformedWeight(_, _, let expected): "expected \(expected)"
    case .repeatedWeight(_, _, let client): "client \"\(client)\" has a weight already"
    case .noWeight: "all weights are zero"
    case .tooFewClients(let accepted, let required):
      "\(accepted) adapters were accepted, --min-clients asks for \(required)"
    case .stream(let error): error.message
    }
  }

  package var hint: String? {
    switch self {
    case .missingCount: "--weights uniform takes every adapter alike"
    case .noAdapters: "name adapters, or pipe them in: cat c*.safetensors | cl-aggregate"
    default: nil
    }
  }
}
