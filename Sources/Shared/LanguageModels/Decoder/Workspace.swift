// SPDX-License-Identifier: Apache-2.0
import Compute

/// All buffers that a row of tokens passes through, allocated once for the largest row.
final class Workspace {
  /// A buffer that every layer uses anew.
  enum Scratch: Int, CaseIterable {
    /// The normed input of attention, then of feed-forward; (N, C).
    case normed
    /// Gradient of ``normed``; (N, C).
    case dNormed
    /// Gradient of the residual stream; (N, C).
    case dResidual
    /// The gated product, or what attention returned at target rows; (N, max(intermediate, C, H·D)).
    case wide
    /// Gradient of ``wide``, and of what attention returns; (N, max(intermediate, H·D)).
    case dWide
    case dQuery, dKey, dValue
    /// Gradient of a group's hidden values.
    case dHidden
    /// Inverse RMS of a row, where it is not kept.
    case inverseRMS
    /// What dropout leaves of an adapter's input, and its gradient; only with dropout.
    case dropped
    /// A projection before its gain, and its gradient; only with DoRA.
    case product
  }

  let plan: MemoryPlan
  private let device: any Device
  private let widths: [Int]
  private let scratch: [Buffer]
  /// Inputs of the trained layers and the output of the last layer.
  private let residuals: [Buffer]
  /// Activations by half of the layers that keep them, topmost first, then those that layers share.
  private let attentionHalves: [Buffer]
  private let upperHalves: [Buffer]
  private let layerWidths: [[Int]]
  private let layerCount: Int
  private let hiddenSize: Int
  private let positions: [(cosines: Buffer, sines: Buffer)]
  private let halves: [Int]

  init(
    plan: MemoryPlan, config: DecoderConfig, modules: [LoRAModule], trains: Bool,
    device: any Device
  ) throws(ModelError) {
    self.plan = plan
    self.device = device
    layerCount = config.layerCount
    hiddenSize = config.hiddenSize
    layerWidths = (0..<config.layerCount).map { layer in
      Saved.allCases.map { tensor in
        tensor.width(config) {
          MemoryPlan.rank(config, modules: modules, layer: layer, stage: $0)
        }
      }
    }
    let widest = MemoryPlan.halfWidths(config, modules: modules)
    widths = Self.scratchWidths(config, modules: modules, trains: trains).map(\.width)
    halves = config.ropes.map { $0.rotarySize / 2 }
    let rows = plan.rows
    func allocate(_ width: Int, _ label: String) throws(ModelError) -> Buffer {
      let (count, overflow) = width.multipliedReportingOverflow(by: rows)
      if overflow || count > Int.max / 8 {
        throw .device(.outOfMemory(label: label, bytes: Int.max))
      }
      do { return try device.allocate(count, label: label) } catch { throw .device(error) }
    }
    var scratch: [Buffer] = []
    for kind in Scratch.allCases {
      scratch.append(try allocate(widths[kind.rawValue], "\(kind)"))
    }
    self.scratch = scratch
    var residuals: [Buffer] = []
    for _ in 0...plan.trainedLayers { residuals.append(try allocate(hiddenSize, "residuals")) }
    self.residuals = residuals
    func allocateHalves(_ width: Int, kept: Int) throws(ModelError) -> [Buffer] {
      var buffers: [Buffer] = []
      for _ in 0..<kept + (kept < config.layerCount ? 1 : 0) {
        buffers.append(try allocate(width, "activations"))
      }
      return buffers
    }
    attentionHalves = try allocateHalves(
      widest.attention, kept: plan.keptLayers + plan.attentionLayers)
    upperHalves = try allocateHalves(widest.upper, kept: plan.keptLayers)
    var positions: [(cosines: Buffer, sines: Buffer)] = []
    for half in halves {
      positions.append((try allocate(half, "cosines"), try allocate(half, "sines")))
    }
    self.positions = positions
  }

  deinit {
    for buffer in scratch + residuals + attentionHalves + upperHalves { device.release(buffer) }
    for pair in positions {
      device.release(pair.cosines)
      device.release(pair.sines)
    }
  }

  /// Width of each scratch buffer, values a token, and of the rope tables.
  static func scratchWidths(
    _ config: DecoderConfig, modules: [LoRAModule], trains: Bool
  ) -> [(name: String, width: Int)] {
    let attention = config.headCount * config.headSize
    let keyValue = config.keyValueHeadCount * config.headSize
    var rank = 0
    for layer in 0..<config.layerCount {
      for stage in Stage.allCases {
        rank = max(
          rank, MemoryPlan.rank(config, modules: modules, layer: layer, stage: stage))
      }
    }
    let backward = trains ? 1 : 0
    return Scratch.allCases.map { kind in
      let width =
        switch kind {
        case .normed, .dNormed: config.hiddenSize
        case .dResidual: backward * config.hiddenSize
        case .wide: max(config.intermediateSize, config.hiddenSize, attention)
        case .dWide: backward * max(config.intermediateSize, attention)
        case .dQuery: backward * attention
        case .dKey, .dValue: backward * keyValue
        case .dHidden: backward * rank
        case .inverseRMS: 1
        case .dropped:
          modules.contains { $0.hasDropout }
            ? backward * (Stage.allCases.map(config.inputs(of:)).max() ?? 0) : 0
        case .product:
          modules.contains { $0.isDecomposed }
            ? Projection.allCases.map(config.outputs(of:)).max() ?? 0 : 0
        }
      return ("\(kind)", width)
    } + config.ropes.map { ("rope", $0.rotarySize) }
  }

  /// A scratch buffer cut to `rows` tokens of `width` values.
  func scratch(_ kind: Scratch, rows: Int, width: Int) -> Buffer {
    scratch[kind.rawValue].slice(at: 0, count: rows * width)
  }

  /// The input of `layer`, or for `layer` = layer count the output of the last one.
  ///
  /// Layers below the lowest trained one share one buffer: their inputs are not needed again.
  func residual(_ layer: Int, rows: Int) -> Buffer {
    let index = max(0, layer - (layerCount - plan.trainedLayers))
    return residuals[index].slice(at: 0, count: rows * hiddenSize)
  }

  func activations(_ layer: Int, _ row: Decoder.Row) -> LayerActivations {
    let depth = layerCount - 1 - layer
    return LayerActivations(
      attention: attentionHalves[min(depth, attentionHalves.count - 1)],
      upper: upperHalves[min(depth, upperHalves.count - 1)],
      widths: layerWidths[layer], rows: row.rows,
      upperRows: row.upperRows(layer, of: layerCount))
  }

  func positions(_ rope: Int, rows: Int) -> (cosines: Buffer, sines: Buffer) {
    let count = rows * halves[rope]
    return (
      positions[rope].cosines.slice(at: 0, count: count),
      positions[rope].sines.slice(at: 0, count: count)
    )
  }
}
