// SPDX-License-Identifier: Apache-2.0

/// What the evaluations of a run say when put side by side. Means are sums over target tokens.
package struct Outcome {
  /// Several evaluations as one: nats and target tokens added up.
  package struct Pooled {
    package let evaluations: [Evaluation]

    package init?(_ evaluations: [Evaluation]) {
      let usable = evaluations.filter { $0.loss != nil }
      if usable.isEmpty { return nil }
      self.evaluations = usable
    }

    package var targetTokens: Int { evaluations.map(\.targetTokens).total }
    package var records: Int { evaluations.map(\.records).total }
    package var loss: Double {
      evaluations.reduce(0) { $0 + ($1.nll ?? 0) } / Double(max(1, targetTokens))
    }
    package var accuracy: Double? {
      var correct = 0.0
      for evaluation in evaluations {
        guard let share = evaluation.tokenAccuracy else { return nil }
        correct += share * Double(evaluation.targetTokens)
      }
      return correct / Double(max(1, targetTokens))
    }
  }

  private let run: Run

  package init(_ run: Run) { self.run = run }

  /// The base model on the held-out records.
  package var base: Pooled? {
    Pooled(run.evaluations.filter { $0.model == .base && $0.set == .heldout })
  }

  /// The global model of the last evaluated round on the held-out records.
  package var global: Pooled? { Pooled(last(of: global(on: .heldout))) }

  /// The clients' own models of the last round, without any aggregation, on the held-out records;
  /// in a run without that arm, the models that the clients handed in for the last round.
  package var own: Pooled? { Pooled(last(of: own(on: .heldout))) }

  /// The model trained on all records at one place.
  package var pooled: Pooled? { Pooled(last(of: pooled(on: .heldout))) }

  /// Whose answers are asked for.
  enum Subject { case base, own, global, pooled }

  /// The evaluations on the held-out records that put questions to `subject`, of its last round.
  func asked(_ subject: Subject) -> [Evaluation] {
    let all =
      switch subject {
      case .base: run.evaluations.filter { $0.model == .base && $0.set == .heldout }
      case .own: own(on: .heldout)
      case .global: global(on: .heldout)
      case .pooled: pooled(on: .heldout)
      }
    return last(of: all).filter { !$0.tasks.isEmpty }
  }

  /// False where ``own`` had to fall back on the models handed in for aggregation.
  package var hasLocalArm: Bool { run.evaluations.contains { $0.arm == "local" } }

  /// What tables call ``own``.
  package var ownName: String {
    hasLocalArm ? "local (own data only)" : "local (before aggregation)"
  }

  /// The last round with an evaluation of the global model.
  package var lastRound: Int? { global(on: .heldout).compactMap(\.round).max() }

  /// The aggregations of the arm whose model is evaluated, by round.
  var aggregations: [Aggregation] {
    run.aggregations.sorted { ($0.round ?? 0, $0.source) < ($1.round ?? 0, $1.source) }
  }

  /// Which privacy holds for the last global model, or for what clients trained where there is none;
  /// nil of a run without either.
  package var guarantee: String? {
    if let last = aggregations.last { return last.guarantee }
    if run.trainings.isEmpty { return nil }
    let texts = Set(run.trainings.map { $0.privacy ?? "none" }).sorted()
    return texts.joined(separator: "; ")
  }

  package var rounds: [Int] {
    let all =
      run.evaluations.map(\.round) + run.trainings.map(\.round) + run.aggregations.map(\.round)
    return Set(all.compactMap { $0 }).sorted()
  }

  func global(on set: Evaluation.RecordSet) -> [Evaluation] {
    run.evaluations.filter { $0.model == .global && $0.set == set && $0.arm != "pooled" }
  }

  func own(on set: Evaluation.RecordSet) -> [Evaluation] {
    let arm = hasLocalArm ? "local" : "federated"
    return run.evaluations.filter {
      if case .client = $0.model { $0.arm == arm && $0.set == set } else { false }
    }
  }

  func pooled(on set: Evaluation.RecordSet) -> [Evaluation] {
    run.evaluations.filter { $0.arm == "pooled" && $0.set == set }
  }

  func last(of evaluations: [Evaluation]) -> [Evaluation] {
    let last = evaluations.compactMap(\.round).max()
    return evaluations.filter { $0.round == last }
  }

  /// The three models on one client's own held-out records.
  package struct ClientRow {
    package let client: ClientID
    package let base: Evaluation?
    package let own: Evaluation?
    package let global: Evaluation?
  }

  /// One row a client that has any evaluation on its own records.
  package var clients: [ClientRow] {
    run.clients.compactMap { client in
      let set = Evaluation.RecordSet.client(client)
      let row = ClientRow(
        client: client,
        base: run.evaluations.last { $0.model == .base && $0.set == set },
        own: last(of: own(on: set)).last { $0.model == .client(client) },
        global: last(of: global(on: set)).last)
      return row.base == nil && row.own == nil && row.global == nil ? nil : row
    }
  }

  /// The client on whose own records the global model does worst.
  package var worst: ClientRow? {
    clients.filter { $0.global?.loss != nil }
      .max { ($0.global?.loss ?? 0) < ($1.global?.loss ?? 0) }
  }

  // MARK: The answer in words

  /// The findings in plain sentences, from the data alone.
  package var sentences: [String] {
    var sentences: [String] = []
    if let global {
      var text = "On the held-out records the global model"
      if let round = lastRound { text += " of round \(round)" }
      text += " has a loss of \(Self.nats(global.loss)) nats per target token"
      if let base { text += ", \(Self.change(from: base.loss, to: global.loss, "the base model"))" }
      sentences.append(text + ".")
    }
    if let own {
      let count = own.evaluations.count
      let subject =
        hasLocalArm
        ? "A client's model trained on its own data only has"
        : "Before aggregation a client's model has"
      var text = "\(subject) \(Self.nats(own.loss)) on the same records"
      if count > 1 { text += ", averaged over \(NumberText.counted(count, "client"))" }
      if let global {
        let gain = own.loss - global.loss
        text +=
          abs(gain) < 0.0005
          ? ", the same as the global model"
          : gain > 0
            ? "; federation is better by \(Self.nats(gain))"
            : "; federation is worse by \(Self.nats(-gain))"
      }
      sentences.append(text + ".")
    }
    if let worst, let loss = worst.global?.loss {
      var text =
        "The global model does worst on the records of \(worst.client.label): \(Self.nats(loss))"
      if let own = worst.own?.loss { text += ", where its own model has \(Self.nats(own))" }
      let pairs = clients.compactMap { row in
        row.global?.loss.flatMap { global in row.own?.loss.map { (global, $0) } }
      }
      let better = pairs.count { $0.0 < $0.1 }
      if !pairs.isEmpty {
        text +=
          "; it beats the client's own model for \(better) of "
          + NumberText.counted(pairs.count, "client")
      }
      sentences.append(text + ".")
    }
    return sentences
  }

  static func nats(_ loss: Double) -> String { NumberText.fixed(loss, 3) }

  private static func change(from old: Double, to new: Double, _ what: String) -> String {
    let difference = new - old
    if abs(difference) < 0.0005 { return "the same as \(what)" }
    return "\(nats(abs(difference))) \(difference < 0 ? "below" : "above") \(what) "
      + "(\(nats(old)))"
  }
}
