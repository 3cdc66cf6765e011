// SPDX-License-Identifier: Apache-2.0
import Compute

/// A decoder with its frozen weights and its adapters on a device, and the buffers for one packed
/// row. `Forward.swift` and `Backward.swift` say what it computes.
final class Decoder {
  let config: DecoderConfig
  let device: any Device
  let weights: DecoderWeights
  let lora: LoRAParameters?
  let workspace: Workspace
  /// Which factors get gradients.
  var trainsA = true
  var trainsB = true
  /// Dropout on what the A factors read, in training.
  var dropout: RowPlaces?
  /// What passes leave of keys and values, where an answer is written token by token.
  var cache: KeyValueCache?
  /// Where the time of the passes since ``takeProfile()`` went, but for what lies between.
  var profile = StepProfile()
  private var ropeTables: [RopeTable]

  init(
    config: DecoderConfig, weights: DecoderWeights, lora: LoRAParameters?, plan: MemoryPlan,
    trains: Bool, device: any Device
  ) throws(ModelError) {
    self.config = config
    self.device = device
    self.weights = weights
    self.lora = lora
    workspace = try Workspace(
      plan: plan, config: config, modules: lora?.modules ?? [], trains: trains, device: device)
    ropeTables = config.ropes.map { RopeTable($0) }
  }

  /// The profile so far, which starts again; what it does not name of `seconds` is element-wise.
  func takeProfile(of seconds: Double) -> StepProfile {
    var taken = profile
    taken[.elements] = max(0, seconds - taken.total)
    profile = StepProfile()
    return taken
  }

  /// What all layers need to know of the row that passes through them.
  struct Row {
    let packed: PackedRow
    /// After its attention the last layer computes target rows only.
    let narrowsTop: Bool
    var rows: Int { packed.count }

    /// Rows of what follows attention in `layer`.
    func upperRows(_ layer: Int, of layerCount: Int) -> Int {
      narrowsTop && layer == layerCount - 1 ? packed.targets.count : rows
    }
  }

  /// Checks a row and writes its rope angles.
  ///
  /// - Parameters:
  ///   - wantsAllRows: the last hidden states of all rows are wanted, not of targets alone.
  ///   - places: the position of each row in its sequence, where they do not follow from the examples.
  func prepare(
    _ packed: PackedRow, wantsAllRows: Bool = false, places: [Int]? = nil
  ) throws(ModelError) -> Row {
    precondition(packed.count <= workspace.plan.rows, "row longer than planned")
    lora?.refresh(weights)
    for token in packed.tokens where token < 0 || Int(token) >= config.vocabularySize {
      throw .tokenOutsideVocabulary(token: Int(token), vocabulary: config.vocabularySize)
    }
    for index in ropeTables.indices {
      let values =
        places.map { ropeTables[index].values(places: $0) }
        ?? ropeTables[index].values(starts: packed.starts)
      let buffers = workspace.positions(index, rows: packed.count)
      values.cosines.withUnsafeBufferPointer { device.write($0, to: buffers.cosines) }
      values.sines.withUnsafeBufferPointer { device.write($0, to: buffers.sines) }
    }
    // Picking rows out costs two passes over them: not worth it for a few rows less.
    let isNarrow = 16 * packed.targets.count <= 15 * packed.count
    return Row(packed: packed, narrowsTop: isNarrow && !wantsAllRows)
  }

  func attentionShape(_ layer: Int, _ row: Row) -> AttentionShape {
    AttentionShape(
      starts: row.packed.starts, heads: config.headCount,
      keyValueHeads: config.keyValueHeadCount, headSize: config.headSize,
      scale: config.attentionScale, window: config.windows[layer],
      softcap: config.attentionSoftcap)
  }

  /// Rotates query and key heads of a layer, or undoes it.
  func rotate(_ layer: Int, _ row: Row, query: Buffer, key: Buffer, inverse: Bool) {
    guard let rope = config.ropeOfLayer[layer] else { return }
    let (cosines, sines) = workspace.positions(rope, rows: row.rows)
    let half = config.ropes[rope].rotarySize / 2
    for (x, heads) in [(query, config.headCount), (key, config.keyValueHeadCount)] {
      device.rotate(
        x, cosines: cosines, sines: sines, rows: row.rows, heads: heads,
        headSize: config.headSize, half: half, inverse: inverse)
    }
  }

  /// y = rmsNorm(x) · gain over `rows` vectors of `channels` values.
  func norm(_ y: Buffer, inverse: Buffer, x: Buffer, gain: Buffer, rows: Int, channels: Int) {
    device.rmsNormForward(
      y, inverseRMS: inverse, x: x, gain: gain, rows: rows, channels: channels,
      epsilon: config.normEpsilon)
  }

  func normBackward(
    _ dx: Buffer, dy: Buffer, x: Buffer, gain: Buffer, inverse: Buffer, rows: Int, channels: Int,
    accumulate: Bool
  ) {
    device.rmsNormBackward(
      dx, dy: dy, x: x, gain: gain, inverseRMS: inverse, rows: rows, channels: channels,
      accumulate: accumulate)
  }
}
