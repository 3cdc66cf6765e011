// SPDX-License-Identifier: Apache-2.0
import Compute
import LanguageModels

/// The ranks that stay as they start: rows of A and columns of B, the last of each module.
final class FrozenRanks {
  private let lora: LoRAParameters
  private let device: any Device
  /// Values of the frozen ranks, zero elsewhere.
  private let start: Buffer
  /// By module: 1 for each trained rank, then 0.
  private let keeps: [Buffer]

  /// nil if nothing is frozen.
  init?(_ lora: LoRAParameters, _ device: any Device) throws(TrainingError) {
    guard lora.modules.contains(where: { $0.frozenRank > 0 }) else { return nil }
    self.lora = lora
    self.device = device
    do {
      var keeps: [Buffer] = []
      for module in lora.modules {
        let keep = try device.allocate(module.rank, label: "frozen ranks")
        device.fill(keep.slice(at: 0, count: module.rank - module.frozenRank), with: 1)
        keeps.append(keep)
      }
      self.keeps = keeps
      start = try device.allocate(lora.count, label: "frozen ranks")
    } catch {
      throw .model(.device(error))
    }
    let trained = try Self.copy(of: lora.values, device)
    clear(trained)
    device.scale(trained, by: -1)
    device.copy(lora.values, to: start)
    device.add(start, trained)
    device.release(trained)
  }

  deinit {
    device.release(start)
    for keep in keeps { device.release(keep) }
  }

  private static func copy(of buffer: Buffer, _ device: any Device) throws(TrainingError) -> Buffer {
    do {
      let copy = try device.allocate(buffer.count, label: "frozen ranks")
      device.copy(buffer, to: copy)
      return copy
    } catch {
      throw .model(.device(error))
    }
  }

  /// Sets the frozen ranks of a buffer laid out like the factors to zero.
  func clear(_ buffer: Buffer) {
    for (index, module) in lora.modules.enumerated() where module.frozenRank > 0 {
      let a = lora.range(index, isA: true)
      let frozen = module.frozenRank * module.inputs
      device.fill(buffer.slice(at: a.upperBound - frozen, count: frozen), with: 0)
      let b = lora.range(index, isA: false)
      let values = buffer.slice(at: b.lowerBound, count: b.count)
      device.scaleColumns(
        values, x: values, by: keeps[index], rows: module.outputs, columns: module.rank,
        accumulate: false)
    }
  }

  /// Gives the frozen ranks their values again.
  func restore() {
    clear(lora.values)
    device.add(lora.values, start)
  }
}
