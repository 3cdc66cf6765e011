// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// Sorts lines into a ``Run``, by their type where a tool wrote them, else as scored records.
struct RunCollector {
  var run: Run
  /// Position in `run.shards` of each client.
  private var shardIndex: [ClientID?: Int] = [:]
  /// Position in `run.trainings` that further steps of a file belong to.
  private var openTraining: [String: Int] = [:]

  init(run: Run) { self.run = run }

  /// Takes one line.
  ///
  /// - Throws: ``RecordError`` where a field that the report needs has another type.
  mutating func add(_ fields: RecordFields, _ role: FileRole) throws(RecordError) {
    if let score = try RecordScore(of: fields) {
      try add(score, fields, role)
      return
    }
    guard let typeMember = fields.member("type"), typeMember.kind == .string,
      fields.member("v") != nil, let type = try fields.value(of: typeMember).text
    else {
      addUnscored(role)
      return
    }
    let line = LineFields(location: fields.location, value: try RunCollector.value(of: fields))
    switch type {
    case "score_summary": try addEvaluation(line, role)
    case "train_start": try addStart(line, role)
    case "step": try addStep(line, role)
    case "train_end": try addEnd(line, role)
    case "aggregate": try addAggregation(line, role)
    case "plan": run.plan = try Plan(line, source: role.source)
    case "manifest": try addManifest(line, fields, role)
    default: run.unknownLines[type, default: 0] += 1
    }
  }

  private static func value(of fields: RecordFields) throws(RecordError) -> JSONValue {
    do throws(JSONError) {
      return try JSONValue(parsing: fields.line)
    } catch {
      throw .malformedJSON(fields.location, error)
    }
  }

  // MARK: Records

  private mutating func shard(of client: ClientID?, _ role: FileRole) -> Int {
    let index: Int
    if let known = shardIndex[client] {
      index = known
    } else {
      index = run.shards.count
      run.shards.append(ShardScores(client: client))
      shardIndex[client] = index
    }
    if run.shards[index].sources.last != role.source,
      !run.shards[index].sources.contains(role.source)
    {
      run.shards[index].sources.append(role.source)
    }
    return index
  }

  private mutating func addUnscored(_ role: FileRole) {
    run.recordsWithoutScore += 1
    guard role.client != nil else { return }
    let index = shard(of: role.client, role)
    run.shards[index].records += 1
    run.shards[index].count(split: role.split ?? "all")
  }

  private mutating func add(
    _ score: RecordScore, _ fields: RecordFields, _ role: FileRole
  ) throws(RecordError) {
    var client = role.client
    var split = role.split
    if client == nil, let member = fields.member("cl_shard") {
      let shard = LineFields(location: fields.location, value: try fields.value(of: member))
      switch shard.value {
      case .string(let name): client = ClientID(name)
      case .integer(let number): client = ClientID(String(number))
      default:
        client = try shard.name("client").map(ClientID.init)
        split = try shard.text("split")
      }
    }
    let index = shard(of: client, role)
    run.shards[index].records += 1
    run.shards[index].count(split: split ?? "all")
    let length = (score.tokens ?? score.words).map(Double.init)
    if let length { run.shards[index].lengths.append(length) }
    if score.tokens == nil { run.shards[index].lengthUnit = "words" }
    if let sentences = score.sentences { run.shards[index].sentences.append(Double(sentences)) }
    if let quality = score.quality, quality.isFinite {
      run.shards[index].qualities.append(quality)
    }
    if let dual = score.score, dual.isFinite { run.shards[index].dualScores.append(dual) }
    if let nll = score.nll, nll.isFinite, abs(nll) < 1e100, let targets = score.targetTokens,
      targets > 0, targets <= LineFields.largestCount
    {
      run.recordLosses.append(
        RecordLoss(nll: nll, targetTokens: targets, length: length, quality: score.quality))
    }
  }

  // MARK: Lines of our tools

  private mutating func addEvaluation(_ line: LineFields, _ role: FileRole) throws(RecordError) {
    let adapter = try line.text("adapter")
    var evaluation = Evaluation(
      source: role.source,
      model: role.evaluation?.model
        ?? (adapter.map { .named(FileSystem.lastComponent($0)) } ?? .base),
      set: role.evaluation?.set ?? .named("records"))
    evaluation.arm = role.arm
    evaluation.round = role.round
    evaluation.records = try line.count("records") ?? 0
    evaluation.targetTokens = try line.count("target_tokens") ?? 0
    evaluation.nll = try line.number("nll")
    evaluation.tokenAccuracy = try line.number("token_accuracy")
    evaluation.tokens = try line.count("tokens")
    evaluation.cut = try RunCollector.cut(line)
    evaluation.modelPath = try line.text("model")
    evaluation.adapter = adapter
    evaluation.tasks = try TaskAccuracy(line)
    if evaluation.nll == nil && evaluation.tasks.isEmpty {
      run.scoreSummaries.append(evaluation)
    } else {
      run.evaluations.append(evaluation)
    }
  }

  private mutating func newTraining(_ line: LineFields, _ role: FileRole) throws(RecordError) -> Int
  {
    var training = Training(source: role.source)
    training.arm = role.arm
    training.round = try line.count("round") ?? role.round
    training.client = try line.name("client").map(ClientID.init) ?? role.client
    run.trainings.append(training)
    openTraining[role.source] = run.trainings.count - 1
    return run.trainings.count - 1
  }

  private mutating func addStart(_ line: LineFields, _ role: FileRole) throws(RecordError) {
    let index = try newTraining(line, role)
    run.trainings[index].cut = try RunCollector.cut(line)
    run.trainings[index].trainableParameters = try line.count("trainable_parameters")
    run.trainings[index].kernels = try line.text("kernels")
    run.trainings[index].threads = try line.count("threads")
    run.trainings[index].precision = try line.text("precision")
    run.trainings[index].privacy = try line.text("privacy")
  }

  private static func cut(_ line: LineFields) throws(RecordError) -> Cut {
    Cut(
      skippedRecords: try line.count("skipped_records"),
      truncatedRecords: try line.count("truncated_records"),
      truncatedTargetTokens: try line.count("truncated_target_tokens"),
      lostRecords: try line.count("lost_records"))
  }

  private mutating func addStep(_ line: LineFields, _ role: FileRole) throws(RecordError) {
    let step = Training.Step(
      step: try line.count("step") ?? 0, loss: try line.required("loss"),
      tokens: try line.count("tokens") ?? 0, targetTokens: try line.count("target_tokens") ?? 0,
      learningRate: try line.number("learning_rate"),
      gradientNorm: try line.number("gradient_norm"), seconds: try line.number("seconds"))
    var index = openTraining[role.source]
    if index == nil { index = try newTraining(line, role) }
    if let index { run.trainings[index].steps.append(step) }
  }

  private mutating func addEnd(_ line: LineFields, _ role: FileRole) throws(RecordError) {
    var end = Training.End()
    end.steps = try line.count("steps")
    end.tokens = try line.count("tokens")
    end.targetTokens = try line.count("target_tokens")
    end.lossFirst = try line.number("loss_first")
    end.lossLast = try line.number("loss_last")
    end.seconds = try line.number("seconds")
    end.peakMemoryBytes = try line.count("peak_memory_bytes")
    end.adapterBytes = try line.count("adapter_bytes")
    end.adapter = try line.text("adapter")
    end.floatingPointOperations = try line.number("flops")
    var index = openTraining[role.source]
    if index == nil { index = try newTraining(line, role) }
    guard let index else { return }
    run.trainings[index].end = end
    if let client = try line.name("client") { run.trainings[index].client = ClientID(client) }
    if let round = try line.count("round") { run.trainings[index].round = round }
    openTraining[role.source] = nil
  }

  private mutating func addAggregation(_ line: LineFields, _ role: FileRole) throws(RecordError) {
    var aggregation = Aggregation(source: role.source)
    aggregation.arm = role.arm
    aggregation.round = try line.count("round") ?? role.round
    aggregation.rule = try line.text("rule")
    aggregation.weights = try line.text("weights")
    for part in try line.objects("clients") {
      aggregation.clients.append(
        Aggregation.Client(
          id: ClientID(try part.name("client") ?? String(aggregation.clients.count)),
          weight: try part.number("weight"), records: try part.count("records"),
          tokens: try part.count("tokens"), targetTokens: try part.count("target_tokens"),
          adapter: try part.text("adapter")))
    }
    for element in try line.elements("refused") ?? [] {
      let client = element["client"]?.text.map { ClientID($0).label }
      let name = element.text ?? client ?? element["file"]?.text ?? "?"
      aggregation.refused.append(name + (element["reason"]?.text.map { ": \($0)" } ?? ""))
    }
    aggregation.effectiveClients = try line.number("effective_clients")
    aggregation.rank = try line.count("rank")
    aggregation.adapter = try line.text("adapter")
    aggregation.bytesIn = try line.count("bytes_in")
    aggregation.bytesOut = try line.count("bytes_out")
    aggregation.drift = try line.number("drift")
    for module in try line.objects("modules") {
      aggregation.modules.append(
        Aggregation.Module(
          name: try module.text("module") ?? "?", norm: try module.number("norm"),
          drift: try module.number("drift")))
    }
    aggregation.guarantees = try RunCollector.guarantees(line)
    run.aggregations.append(aggregation)
  }

  private static func guarantees(_ line: LineFields) throws(RecordError) -> [String] {
    var found: [String] = []
    for key in ["privacy", "record_privacy"] {
      guard let part = try line.object(key) else { continue }
      let epsilon = try part.number("epsilon").map { NumberText.significant($0, 4) } ?? "?"
      let delta = try part.number("delta").map { NumberText.significant($0, 3) } ?? "?"
      found.append("\(try part.text("level") ?? "?")-level, ε \(epsilon) at δ \(delta)")
    }
    if try line.object("secure_aggregation") != nil {
      found.append("secure aggregation, simulated")
    }
    return found
  }

  private mutating func addManifest(
    _ line: LineFields, _ fields: RecordFields, _ role: FileRole
  ) throws(RecordError) {
    // A seed uses all 64 bits; it is shown as it stands.
    let seed = fields.member("seed").map { String(decoding: fields.bytes(of: $0), as: UTF8.self) }
    run.manifests.append(
      ManifestLine(
        source: role.source, tool: try line.text("tool") ?? "?",
        version: try line.text("version") ?? "?", arguments: try line.texts("arguments") ?? [],
        seed: seed, kernels: try line.text("kernels"),
        inputs: try RunCollector.files(line, "inputs"),
        outputs: try RunCollector.files(line, "outputs")))
  }

  private static func files(
    _ line: LineFields, _ key: String
  ) throws(RecordError) -> [ManifestLine.File] {
    var files: [ManifestLine.File] = []
    for file in try line.objects(key) {
      files.append(
        ManifestLine.File(
          name: try file.text("name") ?? "?", bytes: try file.count("bytes"),
          sha256: try file.text("sha256") ?? "?"))
    }
    return files
  }
}
