// SPDX-License-Identifier: Apache-2.0
package import Adapters
import Compute
import Randomness
import Safetensors
import Streams

/// What can be said of one adapter without its base model: `cl-aggregate --describe`
/// (Documentation/formats/aggregate.md).
package struct AdapterDescription: Sendable {
  package struct Module: Sendable {
    package let path: String
    /// ‖A‖, ‖B‖ and ‖ΔW‖, Frobenius.
    package let normA: Double
    package let normB: Double
    package let norm: Double
    /// Of ΔW, falling.
    package let singularValues: [Double]
  }

  package let file: AdapterFile
  /// Empty if a value is no finite number.
  package let modules: [Module]
  /// The first value that is no finite number.
  package let fault: AdapterError?

  package init(_ file: AdapterFile, threads: Int) {
    self.file = file
    do throws(AdapterError) {
      try file.checkFinite()
      fault = nil
    } catch {
      fault = error
      modules = []
      return
    }
    modules = ParallelFor(threads: threads).map(file.modules.count) { index in
      let module = file.modules[index]
      func norm(_ view: TensorView) -> Double {
        ClientFactors.values(view).reduce(0) { $0 + $1 * $1 }.squareRoot()
      }
      let product = ClientFactors.sum([file], [1], module: index)
      return Module(
        path: module.path, normA: norm(module.loraA), normB: norm(module.loraB),
        norm: product.squaredNorm().squareRoot(),
        singularValues: product.lowRank(RankChoice(rank: 1)).singularValues)
    }
  }

  /// exp(−Σ p ln p) of p = σ / Σσ (Roy and Vetterli 2007); 0 without values.
  static func effectiveRank(_ values: [Double]) -> Double {
    let sum = values.reduce(0, +)
    guard sum > 0 else { return 0 }
    let entropy = values.reduce(0) { total, value in
      let share = value / sum
      return share > 0 ? total - share * PortableMath.log(share) : total
    }
    return PortableMath.exp(entropy)
  }

  /// One line of JSON, with its line feed.
  package var line: [UInt8] {
    var writer = JSONWriter()
    let config = file.config
    writer.object { writer in
      writer.field("type", "adapter")
      writer.field("v", 1)
      writer.field("file", file.path)
      writer.field("adapter", file.digest())
      writer.field("bytes", file.byteCount)
      writer.field("parameters", file.modules.reduce(0) {
        $0 + $1.loraA.elementCount + $1.loraB.elementCount
      })
      writer.field("finite", fault == nil)
      writer.field("fault", ifPresent: fault?.message)
      writer.field("base_model", ifPresent: config.baseModelName)
      writer.field("rank", config.rank)
      writer.field("lora_alpha", config.alpha)
      writer.field("use_rslora", config.isRankStabilized)
      switch config.targets {
      case .modules(let names): writer.field("target_modules", names)
      case .pattern(let text): writer.field("target_modules", text)
      }
      if let layers = config.layers { writer.field("layers", layers) }
      if let json = file.provenance?.json {
        writer.key("cl")
        writer.raw(json.utf8)
      }
      let norm = modules.reduce(0) { $0 + $1.norm * $1.norm }.squareRoot()
      if fault == nil { writer.field("norm", norm) }
      writer.array("modules") { writer in
        for (index, module) in file.modules.enumerated() {
          writer.object { writer in
            writer.field("module", module.path)
            writer.field("rank", module.rank)
            writer.field("in", module.inputSize)
            writer.field("out", module.outputSize)
            writer.field("scale", module.scale)
            writer.field("dtype", module.loraA.dtype.rawValue)
            guard index < modules.count else { return }
            let found = modules[index]
            writer.field("norm_a", Float(found.normA))
            writer.field("norm_b", Float(found.normB))
            writer.field("norm", Float(found.norm))
            writer.array("singular_values") { writer in
              for value in found.singularValues { writer.value(Float(value)) }
            }
            writer.field(
              "effective_rank", Float(Self.effectiveRank(found.singularValues)))
          }
        }
      }
    }
    writer.newline()
    return writer.bytes
  }
}
