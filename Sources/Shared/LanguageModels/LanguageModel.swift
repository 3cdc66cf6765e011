// SPDX-License-Identifier: Apache-2.0
package import Compute
package import Randomness

/// A base model with adapters on a device: likelihoods of tokens, and gradients of the adapters.
///
/// Buffers are allocated for the largest row seen or announced and used again for every row.
package final class LanguageModel {
  package let config: DecoderConfig
  package let device: any Device
  /// The adapters; nil for the base model alone.
  package let lora: LoRAParameters?
  let store: TensorStore
  private let weights: DecoderWeights
  private let mappedBytes: Int
  private var decoder: Decoder?
  private var isTraining = false
  /// Where the time of all passes so far went; the optimizer's part is whoever updates the factors'.
  package private(set) var profile = StepProfile()

  /// Loads the frozen weights (mapped, not copied) and makes zeroed factors for `modules`.
  ///
  /// - Throws: ``ModelError``.
  package init(
    config: DecoderConfig, store: TensorStore, modules: [LoRAModule] = [], device: any Device
  ) throws(ModelError) {
    self.config = config
    self.device = device
    weights = try DecoderWeights(config: config, store: store, device: device)
    mappedBytes = store.byteCount
    self.store = store
    lora =
      modules.isEmpty
      ? nil : try LoRAParameters(modules: modules, config: config, device: device)
  }

  package convenience init(
    base: BaseModel, modules: [LoRAModule] = [], device: any Device
  ) throws(ModelError) {
    try self.init(config: base.config, store: base.store, modules: modules, device: device)
  }

  /// The buffers in use; nil before the first row.
  package var plan: MemoryPlan? { decoder?.workspace.plan }

  /// What buffers for rows of `rows` tokens would take.
  package func memoryPlan(
    rows: Int, trains: Bool, budget: Int? = nil, context: Int? = nil
  ) -> MemoryPlan {
    MemoryPlan(
      config: config, modules: lora?.modules ?? [], rows: rows, budget: budget, context: context,
      mappedBytes: mappedBytes, trains: trains)
  }

  /// The floating-point operations of training on examples of these lengths.
  package func trainingWork(lengths: [Int], targets: Int) -> DecoderWork {
    DecoderWork(
      lengths: lengths, targets: targets, config: config, modules: lora?.modules ?? [],
      trains: true)
  }

  /// What a device takes that gets the calls of one pass over each of `rows` and computes nothing:
  /// all buffers of `plan` but the adapters', and what operations need for their own duration.
  package func rehearse(
    _ plan: MemoryPlan, rows: [PackedRow], trains: Bool
  ) throws(ModelError) -> DeviceMemory {
    guard let stage = device.rehearsal() else { return DeviceMemory() }
    let decoder = try Decoder(
      config: config, weights: weights, lora: lora, plan: plan, trains: trains, device: stage)
    for row in rows {
      let prepared = try decoder.prepare(row)
      decoder.forward(prepared)
      _ = trains ? decoder.backward(prepared, gradientScale: 1) : decoder.losses(prepared)
    }
    return stage.memory
  }

  /// Gives the buffers of ``allocate(_:trains:)`` back; the adapters stay.
  package func releaseBuffers() {
    decoder = nil
    isTraining = false
  }

  /// Allocates buffers as planned.
  package func allocate(_ plan: MemoryPlan, trains: Bool) throws(ModelError) {
    decoder = nil
    decoder = try Decoder(
      config: config, weights: weights, lora: lora, plan: plan, trains: trains, device: device)
    isTraining = trains
  }

  /// Losses of a row's targets, in order.
  ///
  /// - Throws: ``ModelError/tokenOutsideVocabulary(token:vocabulary:)``, ``ModelError/device(_:)``.
  package func score(_ row: PackedRow) throws(ModelError) -> [TargetLoss] {
    let decoder = try decoder(rows: row.count, trains: false)
    let prepared = try decoder.prepare(row)
    if row.targets.isEmpty { return [] }
    let start = monotonicSeconds()
    decoder.forward(prepared)
    let losses = decoder.losses(prepared)
    profile += decoder.takeProfile(of: monotonicSeconds() - start)
    return losses
  }

  /// Losses of a row's targets, and the gradients of `gradientScale` · Σ nll, added to those of the
  /// adapters.
  ///
  /// - Parameters:
  ///   - trainsA, trainsB: which factors get gradients.
  ///   - dropout: of what the A factors read; one stream an example.
  package func accumulateGradients(
    _ row: PackedRow, gradientScale: Float, trainsA: Bool = true, trainsB: Bool = true,
    dropout: RowDropout? = nil
  ) throws(ModelError) -> [TargetLoss] {
    let decoder = try decoder(rows: row.count, trains: true)
    let prepared = try decoder.prepare(row)
    decoder.dropout = dropout.map { RowPlaces($0, row) }
    defer { decoder.dropout = nil }
    if row.targets.isEmpty { return [] }
    decoder.trainsA = trainsA
    decoder.trainsB = trainsB
    let start = monotonicSeconds()
    decoder.forward(prepared)
    let losses = decoder.backward(prepared, gradientScale: gradientScale)
    profile += decoder.takeProfile(of: monotonicSeconds() - start)
    return losses
  }

  /// Draws every A from its module's own stream, leaves B zero, and with DoRA takes the lengths of
  /// the rows as they are: the model computes what its base does.
  package func initialise(seed: Seed) {
    lora?.initialise(seed: seed)
    resetMagnitudes()
  }

  func resetMagnitudes() { lora?.resetMagnitudes(weights) }

  /// The logits of every position of a row: (N, V). For tests and tools; memory N·V.
  package func logits(_ row: PackedRow) throws(ModelError) -> [Float] {
    let decoder = try decoder(rows: row.count, trains: false)
    let prepared = try decoder.prepare(row, wantsAllRows: true)
    decoder.forward(prepared)
    return try decoder.logits(prepared)
  }

  func decoder(rows: Int, trains: Bool) throws(ModelError) -> Decoder {
    if let decoder, decoder.workspace.plan.rows >= rows, isTraining || !trains { return decoder }
    let trains = trains || isTraining
    let largest = max(rows, decoder?.workspace.plan.rows ?? 0)
    try allocate(memoryPlan(rows: largest, trains: trains), trains: trains)
    guard let decoder else { preconditionFailure("allocated above") }
    return decoder
  }
}

extension Decoder {
  /// The logits of every position of a row whose forward pass has run.
  func logits(_ row: Row) throws(ModelError) -> [Float] {
    let (n, c) = (row.rows, config.hiddenSize)
    let normed = workspace.scratch(.normed, rows: n, width: c)
    norm(
      normed, inverse: workspace.scratch(.inverseRMS, rows: n, width: 1),
      x: workspace.residual(config.layerCount, rows: n), gain: weights.finalNorm, rows: n,
      channels: c)
    let logits: Buffer
    do { logits = try device.allocate(n * config.vocabularySize, label: "logits") } catch {
      throw .device(error)
    }
    defer { device.release(logits) }
    device.logits(
      logits, hidden: normed, head: weights.head, rows: n, softcap: config.logitSoftcap)
    return device.read(logits)
  }
}

extension LoRAParameters {
  /// Draws every A from its module's own stream; B stays zero.
  package func initialise(seed: Seed) {
    for (index, module) in modules.enumerated() {
      write(a: module.initialA(seed: seed), at: index)
    }
  }
}
