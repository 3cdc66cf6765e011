// SPDX-License-Identifier: Apache-2.0
package import Adapters
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
  /// A DoRA adapter, and a rule that knows nothing of magnitudes.
  case magnitudes(path: String)
  /// DoRA among plain LoRA, or the other way round.
  case otherKind(path: String, isDecomposed: Bool)
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
  /// The rule has no such option.
  case unusedOption(RuleOption, rule: String)
  case invalidOption(RuleOption, expected: String)
  /// A number of ``WeightShaping`` outside of its range.
  case invalidShaping(option: String, expected: String)
  /// The rule takes all clients alike, but weights were asked for.
  case unusedWeights(rule: String)
  /// The rule withstands so many hostile clients only among more.
  case tooFewForRule(String, found: Int, required: Int, hostile: Int)
  /// The factor that must be common to all clients differs from the first client's.
  case otherFactor(path: String, module: String, factor: LoRAFactor, first: String)
  /// The adapter does not say that one factor alone was trained, the same as in the others.
  case notAlternating(path: String, trained: String?, expected: String)
  /// A client started from another adapter than `--parent`.
  case otherParent(path: String, found: String, expected: String)
  /// A client claims what cannot be, or far more than the others.
  case implausibleClaim(path: String, claim: String, limit: String)
  /// An update is longer than `--max-norm` allows.
  case tooLong(path: String, norm: Double, limit: Double)
  /// The parent's adapter is needed and was not given.
  case missingParent(needs: String)
  /// The scale of a module differs from the parent's.
  case otherScale(path: String)
  /// Two options that cannot hold together.
  case illegalCombination(String, String, reason: String)
  /// The result overflows float32.
  case infiniteResult(module: String)
  case stream(StreamError)
}

extension AggregationError: Diagnosable {
  package var category: FailureCategory {
    switch self {
    case .unknownRule, .unusedOption, .invalidOption, .invalidShaping, .unusedWeights,
      .missingParent, .illegalCombination:
      .usage
    case .otherBase, .missingModule, .extraModule, .otherSize, .otherRank, .otherFactor,
      .notAlternating, .otherParent, .otherScale, .magnitudes, .otherKind:
      .unsupportedConfiguration
    case .tooFewClients, .tooFewForRule: .tooFewClients
    case .stream(let error): error.category
    case .noAdapters, .missingCount, .missingWeight, .malformedWeight, .repeatedWeight, .noWeight,
      .implausibleClaim, .tooLong, .infiniteResult:
      .badData
    }
  }

  package var location: String? {
    switch self {
    case .otherBase(let path, _, _), .missingModule(let path, _), .extraModule(let path, _),
      .otherSize(let path, _, _, _), .otherRank(let path, _, _, _), .missingCount(let path, _),
      .missingWeight(let path, _, _), .otherFactor(let path, _, _, _),
      .notAlternating(let path, _, _), .otherParent(let path, _, _),
      .implausibleClaim(let path, _, _), .tooLong(let path, _, _), .otherScale(let path),
      .magnitudes(let path), .otherKind(let path, _):
      path
    case .malformedWeight(let file, let line, _), .repeatedWeight(let file, let line, _):
      "\(file):\(line)"
    case .stream(let error): error.location
    case .noAdapters, .unknownRule, .noWeight, .tooFewClients, .unusedOption, .invalidOption,
      .invalidShaping, .unusedWeights, .tooFewForRule, .missingParent, .illegalCombination,
      .infiniteResult:
      nil
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
    case .magnitudes: "DoRA's magnitudes make the update no product of A and B"
    case .otherKind(_, let isDecomposed):
      isDecomposed ? "a DoRA adapter, the others are plain LoRA" : "plain LoRA, the others are DoRA"
    case .missingCount(_, let weights): "does not say its \(weights), which the weights are made of"
    case .missingWeight(_, let client?, let file): "client \"\(client)\" has no weight in \(file)"
    case .missingWeight(_, nil, let file): "does not say its client, so \(file) gives it no weight"
    case .malformedWeight(_, _, let expected): "expected \(expected)"
    case .repeatedWeight(_, _, let client): "client \"\(client)\" has a weight already"
    case .noWeight: "all weights are zero"
    case .tooFewClients(let accepted, let required):
      "\(accepted) adapters were accepted, --min-clients asks for \(required)"
    case .unusedOption(let option, let rule): "rule \"\(rule)\" has no --\(option.rawValue)"
    case .invalidOption(let option, let expected): "--\(option.rawValue): expected \(expected)"
    case .invalidShaping(let option, let expected): "--\(option): expected \(expected)"
    case .unusedWeights(let rule):
      "rule \"\(rule)\" takes all clients alike, weights would change nothing"
    case .tooFewForRule(let rule, let found, let required, let hostile):
      "rule \"\(rule)\" needs \(required) adapters against \(hostile) hostile ones, found \(found)"
    case .otherFactor(_, let module, let factor, let first):
      "module \"\(module)\": \(factor.rawValue) differs from that in \(first), the rule needs it common"
    case .notAlternating(_, let trained, let expected):
      "trained is \(trained.map { "\"\($0)\"" } ?? "not said"), expected \"\(expected)\" in all"
    case .otherParent(_, let found, let expected):
      "started from adapter \(found.prefix(12)), --parent is \(expected.prefix(12))"
    case .implausibleClaim(_, let claim, let limit): "claims \(claim), at most \(limit) can be"
    case .tooLong(_, let norm, let limit): "its update has norm \(norm), --max-norm allows \(limit)"
    case .missingParent(let needs):
      "\(needs) needs the adapter that the clients started from: --parent"
    case .otherScale: "scales (alpha over rank) differ between parent and clients"
    case .illegalCombination(let first, let second, let reason):
      "\(first) cannot be combined with \(second): \(reason)"
    case .infiniteResult(let module): "module \"\(module)\": the result is beyond float32"
    case .stream(let error): error.message
    }
  }

  package var hint: String? {
    switch self {
    case .magnitudes: "--rule fedavg averages magnitudes like the factors"
    case .missingCount: "--weights uniform takes every adapter alike"
    case .noAdapters: "name adapters, or pipe them in: cat c*.safetensors | cl-aggregate"
    case .implausibleClaim: "--weights uniform or a file of weights takes no client's word"
    case .otherRank: "--rule svd and --rule stack take any ranks"
    case .otherFactor, .notAlternating:
      "cl-train --freeze A|B trains one factor; --rule svd and --rule stack are exact without it"
    default: nil
    }
  }
}
