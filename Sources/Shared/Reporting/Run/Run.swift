// SPDX-License-Identifier: Apache-2.0

/// What a run folder or a stream holds, as far as it was there. Every part names its file.
package struct Run {
  /// The folder's last name, or the stream's.
  package let name: String
  /// True for a run folder, false for a stream of lines.
  package let isFolder: Bool
  package var plan: Plan?
  package var shards: [ShardScores] = []
  package var evaluations: [Evaluation] = []
  package var trainings: [Training] = []
  package var aggregations: [Aggregation] = []
  package var manifests: [ManifestLine] = []
  package var adapters: [AdapterOrigin] = []
  /// Digests that manifests and the plan give, compared with the files.
  package var checkedFiles: [CheckedFile] = []
  /// Summaries of scoring without a model.
  package var scoreSummaries: [Evaluation] = []
  /// Loss of each record by its length and quality, where records carry it.
  package var recordLosses: [RecordLoss] = []
  /// Lines with a type that this version does not know, by type.
  package var unknownLines: [String: Int] = [:]
  package var recordsWithoutScore = 0
  /// Paths of the files that were read, in order; none for standard input.
  package var filesRead: [String] = []

  package init(name: String, isFolder: Bool) {
    self.name = name
    self.isFolder = isFolder
  }

  package var isEmpty: Bool {
    plan == nil && shards.isEmpty && evaluations.isEmpty && trainings.isEmpty
      && aggregations.isEmpty && manifests.isEmpty && adapters.isEmpty && scoreSummaries.isEmpty
  }

  /// All clients that any part names, in order.
  package var clients: [ClientID] {
    var found = Set<ClientID>()
    for client in plan?.clients ?? [] { found.insert(client.id) }
    for shard in shards { if let client = shard.client { found.insert(client) } }
    for training in trainings { if let client = training.client { found.insert(client) } }
    for aggregation in aggregations { for part in aggregation.clients { found.insert(part.id) } }
    for evaluation in evaluations {
      if case .client(let client) = evaluation.model { found.insert(client) }
    }
    return found.sorted()
  }
}

/// Scores of the records of one shard, all its splits together.
package struct ShardScores {
  package var client: ClientID?
  /// Files that the records came from, in order.
  package var sources: [String] = []
  package var records = 0
  package var bySplit: [(name: String, records: Int)] = []
  /// Tokens, or words where there are none.
  package var lengths: [Double] = []
  package var lengthUnit = "tokens"
  package var sentences: [Double] = []
  package var qualities: [Double] = []
  package var dualScores: [Double] = []

  mutating func count(split: String) {
    if let index = bySplit.firstIndex(where: { $0.name == split }) {
      bySplit[index].records += 1
    } else {
      bySplit.append((split, 1))
    }
  }
}

/// One scored record with a likelihood.
package struct RecordLoss {
  package let nll: Double
  package let targetTokens: Int
  package let length: Double?
  package let quality: Double?
}

/// What a limit on the context took away, and what was passed over.
package struct Cut {
  package var skippedRecords: Int?
  package var truncatedRecords: Int?
  package var truncatedTargetTokens: Int?
  /// Records without any target left.
  package var lostRecords: Int?
}

/// One evaluation: a model on a set of records, as `cl-score --summary` writes it.
package struct Evaluation {
  /// What was evaluated, told by the file's name.
  package enum Model: Hashable {
    case base, global
    case client(ClientID)
    /// Another name, such as `pooled`.
    case named(String)
  }
  /// On which records.
  package enum RecordSet: Hashable {
    case heldout
    case client(ClientID)
    case named(String)
  }

  package var source: String
  package var model: Model
  package var set: RecordSet
  package var arm: String?
  package var round: Int?
  package var records = 0
  package var targetTokens = 0
  /// Sum over the target tokens, nats; nil when nothing was evaluated.
  package var nll: Double?
  package var tokenAccuracy: Double?
  /// Questions that the model got right.
  package var tasks = TaskAccuracy()
  package var tokens: Int?
  package var cut = Cut()
  package var modelPath: String?
  package var adapter: String?

  /// Nats per target token.
  package var loss: Double? {
    guard let nll, targetTokens > 0 else { return nil }
    return nll / Double(targetTokens)
  }
}

/// The events of one training: one client in one round.
package struct Training {
  package struct Step {
    package let step: Int
    /// Mean over the step's target tokens before its update, nats.
    package let loss: Double
    package let tokens: Int
    package let targetTokens: Int
    package let learningRate: Double?
    package let gradientNorm: Double?
    package let seconds: Double?
  }
  package struct End {
    package var steps: Int?
    package var tokens: Int?
    package var targetTokens: Int?
    package var lossFirst: Double?
    package var lossLast: Double?
    package var seconds: Double?
    package var peakMemoryBytes: Int?
    package var adapterBytes: Int?
    package var adapter: String?
    package var floatingPointOperations: Double?
  }

  package var source: String
  package var arm: String?
  package var round: Int?
  package var client: ClientID?
  package var steps: [Step] = []
  package var cut = Cut()
  package var trainableParameters: Int?
  package var kernels: String?
  package var threads: Int?
  package var precision: String?
  /// The guarantee of record-level privacy, in words.
  package var privacy: String?
  package var end: End?

  package var stepCount: Int { end?.steps ?? steps.count }
  package var tokens: Int { end?.tokens ?? steps.map(\.tokens).total }
  package var targetTokens: Int { end?.targetTokens ?? steps.map(\.targetTokens).total }
  package var seconds: Double? {
    end?.seconds ?? (steps.isEmpty ? nil : steps.reduce(0) { $0 + ($1.seconds ?? 0) })
  }
}

/// What cl-aggregate says about one round.
package struct Aggregation {
  package struct Client {
    package let id: ClientID
    package let weight: Double?
    package let records: Int?
    package let tokens: Int?
    package let targetTokens: Int?
    package let adapter: String?
  }
  package struct Module {
    package let name: String
    package let norm: Double?
    package let drift: Double?
  }

  package var source: String
  package var arm: String?
  package var round: Int?
  package var rule: String?
  package var weights: String?
  package var clients: [Client] = []
  package var refused: [String] = []
  package var effectiveClients: Double?
  package var rank: Int?
  package var adapter: String?
  package var bytesIn: Int?
  package var bytesOut: Int?
  package var drift: Double?
  package var modules: [Module] = []
  /// Guarantees of privacy, in words; none if empty.
  package var guarantees: [String] = []

  /// What holds for the aggregate.
  package var guarantee: String { guarantees.isEmpty ? "none" : guarantees.joined(separator: "; ") }
}

/// A manifest: what a tool did.
package struct ManifestLine {
  package struct File {
    package let name: String
    package let bytes: Int?
    package let sha256: String
  }
  package var source: String
  package var tool: String
  package var version: String
  package var arguments: [String]
  package var seed: String?
  package var kernels: String?
  package var inputs: [File]
  package var outputs: [File]
}
