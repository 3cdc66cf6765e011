// SPDX-License-Identifier: Apache-2.0
package import Compute

/// A slice of a B factor that adds to one projection.
struct LoRAPart {
  let projection: Projection
  /// (outputs of the projection, rank)
  let b: Buffer
  let dB: Buffer
  let outputs: Int
  let rank: Int
  /// First column of the module in the group's hidden values.
  let offset: Int
  let scale: Float
  /// An earlier part of the same fused module shares these columns.
  let isContinuation: Bool
  /// (rank, inputs), the module's own A.
  let a: Buffer
  /// With DoRA.
  let lengths: RowLengths?
}

/// What DoRA knows of the rows of a projection: y = magnitude / ‖W + s·B·A‖ · (W + s·B·A)·x, the norm
/// taken as a constant in the backward pass. All (outputs of the projection).
struct RowLengths {
  let magnitude: Buffer
  let dMagnitude: Buffer
  /// ‖W + s·B·A‖ of the current factors.
  let norms: Buffer
  /// magnitude / norms.
  let gain: Buffer
}

/// The adapters of all modules that read the same input: one product with the stacked A factors
/// serves them all.
struct LoRAGroup {
  /// (rank, inputs), the A factors one after the other.
  let a: Buffer
  let dA: Buffer
  let inputs: Int
  /// Sum of the modules' ranks.
  let rank: Int
  let parts: [LoRAPart]
}

/// The LoRA factors of a model and their gradients, on a device.
///
/// All A factors lie in one buffer, all B factors behind them, then all magnitudes, in the order of
/// ``modules``, so that an optimizer sees three runs of numbers and the A factors that share an input
/// are adjacent.
package final class LoRAParameters {
  package let modules: [LoRAModule]
  /// All factors: A first, then B, then magnitudes.
  package let values: Buffer
  package let gradients: Buffer
  /// Number of values in all A factors.
  package let countA: Int
  package let countB: Int
  /// Number of magnitudes; 0 without DoRA.
  package let countMagnitude: Int
  /// Norms, then gains, of all decomposed rows; nil without DoRA.
  private let lengths: Buffer?
  /// The factors changed since norms and gains were computed.
  private(set) var isStale = true
  private let device: any Device
  private let offsetsA: [Int]
  private let offsetsB: [Int]
  private let offsetsMagnitude: [Int]
  /// By layer and stage.
  private var groups: [[LoRAGroup?]]

  /// Zeroed factors for `modules`, which are in the order of computation.
  ///
  /// - Throws: ``ModelError/device(_:)``.
  package init(
    modules: [LoRAModule], config: DecoderConfig, device: any Device
  ) throws(ModelError) {
    self.modules = modules
    self.device = device
    var (a, b, magnitude) = ([0], [0], [0])
    for module in modules {
      a.append((a.last ?? 0) + module.rank * module.inputs)
      b.append((b.last ?? 0) + module.rank * module.outputs)
      magnitude.append((magnitude.last ?? 0) + (module.isDecomposed ? module.outputs : 0))
    }
    (offsetsA, offsetsB, offsetsMagnitude) = (a, b, magnitude)
    (countA, countB, countMagnitude) = (a.last ?? 0, b.last ?? 0, magnitude.last ?? 0)
    let count = countA + countB + countMagnitude
    do {
      values = try device.allocate(count, label: "LoRA factors")
      gradients = try device.allocate(count, label: "LoRA gradients")
      lengths =
        countMagnitude > 0 ? try device.allocate(2 * countMagnitude, label: "row norms") : nil
    } catch {
      throw .device(error)
    }
    groups = Array(
      repeating: Array(repeating: nil, count: Stage.allCases.count), count: config.layerCount)
    for layer in 0..<config.layerCount {
      for stage in Stage.allCases {
        groups[layer][stage.rawValue] = group(layer: layer, stage: stage, config: config)
      }
    }
  }

  deinit {
    device.release(values)
    device.release(gradients)
    if let lengths { device.release(lengths) }
  }

  package var count: Int { countA + countB + countMagnitude }

  func group(layer: Int, stage: Stage) -> LoRAGroup? { groups[layer][stage.rawValue] }

  /// Sum of the ranks of the modules that read the input of `stage`.
  func rank(layer: Int, stage: Stage) -> Int { group(layer: layer, stage: stage)?.rank ?? 0 }

  /// The first layer and stage with an adapter: no gradient is needed below it.
  var lowest: (layer: Int, stage: Stage)? {
    for layer in groups.indices {
      for stage in Stage.allCases where groups[layer][stage.rawValue] != nil {
        return (layer, stage)
      }
    }
    return nil
  }

  /// A (rank, inputs) of module `index`.
  package func a(_ index: Int) -> Buffer { sliceA(values, index) }
  /// B (outputs, rank) of module `index`.
  package func b(_ index: Int) -> Buffer { sliceB(values, index) }
  package func gradientA(_ index: Int) -> Buffer { sliceA(gradients, index) }
  package func gradientB(_ index: Int) -> Buffer { sliceB(gradients, index) }

  /// Says that ``values`` was written to directly.
  package func markChanged() { isStale = true }

  /// Computes norms and gains of the current factors, if they are not yet.
  func refresh(_ weights: DecoderWeights) {
    guard isStale else { return }
    isStale = false
    if countMagnitude == 0 { return }
    for (layer, stages) in groups.enumerated() {
      for group in stages {
        for part in group?.parts ?? [] {
          guard let lengths = part.lengths else { continue }
          device.decompose(
            gain: lengths.gain, norms: lengths.norms, magnitude: lengths.magnitude,
            weight: weights.layers[layer].matrices[part.projection.rawValue], a: part.a, b: part.b,
            rank: part.rank, scale: part.scale)
        }
      }
    }
  }

  /// Sets all magnitudes to the norms of the current rows, so that the model stays as it is.
  func resetMagnitudes(_ weights: DecoderWeights) {
    guard let lengths else { return }
    isStale = true
    refresh(weights)
    device.copy(
      lengths.slice(at: 0, count: countMagnitude),
      to: values.slice(at: countA + countB, count: countMagnitude))
    isStale = true
  }

  /// Where the magnitudes of module `index` lie; empty without DoRA.
  package func magnitudeRange(_ index: Int) -> Range<Int> {
    let start = countA + countB
    return start + offsetsMagnitude[index]..<start + offsetsMagnitude[index + 1]
  }

  /// Where A or B of module `index` lies in ``values`` and in buffers laid out like it.
  package func range(_ index: Int, isA: Bool) -> Range<Int> {
    isA
      ? offsetsA[index]..<offsetsA[index + 1]
      : countA + offsetsB[index]..<countA + offsetsB[index + 1]
  }

  private func sliceA(_ buffer: Buffer, _ index: Int) -> Buffer {
    let range = range(index, isA: true)
    return buffer.slice(at: range.lowerBound, count: range.count)
  }

  private func sliceB(_ buffer: Buffer, _ index: Int) -> Buffer {
    let range = range(index, isA: false)
    return buffer.slice(at: range.lowerBound, count: range.count)
  }

  private func group(layer: Int, stage: Stage, config: DecoderConfig) -> LoRAGroup? {
    let members = modules.indices.filter {
      modules[$0].layer == layer && config.modules[modules[$0].module].stage == stage
    }
    guard let first = members.first, let last = members.last else { return nil }
    var parts: [LoRAPart] = []
    var offset = 0
    for index in members {
      let module = modules[index]
      var row = 0
      for part in config.modules[module.module].parts {
        let (start, count) = (row * module.rank, part.rows * module.rank)
        parts.append(
          LoRAPart(
            projection: part.projection, b: b(index).slice(at: start, count: count),
            dB: gradientB(index).slice(at: start, count: count), outputs: part.rows,
            rank: module.rank, offset: offset, scale: module.scale, isContinuation: row > 0,
            a: a(index), lengths: rowLengths(index, rows: row..<row + part.rows)))
        row += part.rows
      }
      offset += module.rank
    }
    let count = offsetsA[last + 1] - offsetsA[first]
    return LoRAGroup(
      a: values.slice(at: offsetsA[first], count: count),
      dA: gradients.slice(at: offsetsA[first], count: count), inputs: modules[first].inputs,
      rank: offset, parts: parts)
  }
}

extension LoRAParameters {
  private func rowLengths(_ index: Int, rows: Range<Int>) -> RowLengths? {
    guard modules[index].isDecomposed, let lengths else { return nil }
    let start = magnitudeRange(index).lowerBound + rows.lowerBound
    let place = offsetsMagnitude[index] + rows.lowerBound
    return RowLengths(
      magnitude: values.slice(at: start, count: rows.count),
      dMagnitude: gradients.slice(at: start, count: rows.count),
      norms: lengths.slice(at: place, count: rows.count),
      gain: lengths.slice(at: countMagnitude + place, count: rows.count))
  }

  /// Sets A of module `index`.
  ///
  /// - Precondition: rank · inputs values.
  package func write(a values: [Float], at index: Int) {
    precondition(values.count == a(index).count, "A is (rank, inputs)")
    values.withUnsafeBufferPointer { device.write($0, to: a(index)) }
    isStale = true
  }

  /// Sets B of module `index`.
  ///
  /// - Precondition: outputs · rank values.
  package func write(b values: [Float], at index: Int) {
    precondition(values.count == b(index).count, "B is (outputs, rank)")
    values.withUnsafeBufferPointer { device.write($0, to: b(index)) }
    isStale = true
  }

  /// Sets the magnitudes of module `index`.
  ///
  /// - Precondition: as many values as outputs, of a module with magnitudes.
  package func write(magnitude: [Float], at index: Int) {
    let range = magnitudeRange(index)
    precondition(magnitude.count == range.count, "one magnitude a row")
    magnitude.withUnsafeBufferPointer {
      device.write($0, to: values.slice(at: range.lowerBound, count: range.count))
    }
    isStale = true
  }

  /// The magnitudes of module `index`; nil without DoRA.
  package func readMagnitude(_ index: Int) -> [Float]? {
    let range = magnitudeRange(index)
    if range.isEmpty { return nil }
    return device.read(values.slice(at: range.lowerBound, count: range.count))
  }

  /// A of module `index`, rank · inputs values.
  package func readA(_ index: Int) -> [Float] { device.read(a(index)) }
  /// B of module `index`, outputs · rank values.
  package func readB(_ index: Int) -> [Float] { device.read(b(index)) }
}
