// SPDX-License-Identifier: Apache-2.0
import Compute
package import Randomness

/// How the factors of a new adapter start.
package enum LoRAInitialisation: String, Sendable, CaseIterable {
  /// A uniform in ±1/√inputs, B zero: PEFT's default (He et al. 2015 with a = √5).
  case kaiming
  /// A normal with deviation 1/rank, B zero.
  case gaussian
  /// The largest singular values: W = U·S·Vᵀ, A₀ = √(S/s)·Vᵀ, B₀ = U·√(S/s) of the first r, trained
  /// against the rest W - s·B₀·A₀ (Meng et al. 2024, https://arxiv.org/abs/2404.02948).
  case pissa
  /// W = Q·R, A₀ the first r rows of R, B₀ the first r columns of Q, trained against W - s·B₀·A₀
  /// (Büyükakyüz 2024, https://arxiv.org/abs/2406.01775).
  case olora

  /// The factors start from the weights, which lose what the factors take.
  ///
  /// Such an adapter has twice the rank: [A; A₀] and [B, -B₀] with the second half frozen, so that
  /// W + s·[B, -B₀]·[A; A₀] is W - s·B₀·A₀ + s·B·A and any reader takes it for plain LoRA.
  package var takesFromWeights: Bool { self == .pissa || self == .olora }
}

extension LanguageModel {
  /// Sets all factors of new adapters, and with DoRA the lengths of the rows as they are: the model
  /// then computes what its base does.
  ///
  /// - Throws: ``ModelError/device(_:)`` without LAPACK; ``ModelError/unsupportedAdapter(field:value:)``
  ///   where a factorization does not exist.
  package func initialise(seed: Seed, _ initialisation: LoRAInitialisation) throws(ModelError) {
    guard let lora else { return }
    switch initialisation {
    case .kaiming: break
    case .gaussian:
      for (index, module) in lora.modules.enumerated() {
        var stream = seed.stream("lora-init", module.path)
        var values = [Float](repeating: 0, count: module.rank * module.inputs)
        values.withUnsafeMutableBufferPointer {
          stream.fillNormal($0, standardDeviation: 1 / Double(module.rank))
        }
        lora.write(a: values, at: index)
      }
      resetMagnitudes()
      return
    case .pissa, .olora:
      let library: Factorization
      do { library = try Factorization() } catch { throw .device(error) }
      for (index, module) in lora.modules.enumerated() {
        let (a, b) = try factors(of: module, initialisation, library)
        lora.write(a: a + a, at: index)
        lora.write(b: Self.besideItsNegative(b, rank: module.rank / 2), at: index)
      }
      resetMagnitudes()
      return
    }
    initialise(seed: seed)
  }

  /// A₀ (r, inputs) and B₀ (outputs, r), r half the module's rank.
  private func factors(
    of module: LoRAModule, _ initialisation: LoRAInitialisation, _ library: Factorization
  ) throws(ModelError) -> (a: [Float], b: [Float]) {
    let rank = module.rank / 2
    let (outputs, inputs) = (module.outputs, module.inputs)
    func refusal(_ reason: String) -> ModelError {
      .unsupportedAdapter(field: "--lora-init \(initialisation.rawValue)", value: reason)
    }
    guard rank <= min(outputs, inputs) else {
      throw refusal("rank \(rank) of \(module.path), which is \(outputs) by \(inputs)")
    }
    let matrix = try store.matrix(module.path + ".weight", rows: outputs, columns: inputs)
    var weight: [Float] = []
    weight.reserveCapacity(outputs * inputs)
    for row in 0..<outputs { weight += matrix.floats(row: row) }
    if initialisation == .olora {
      guard
        let (q, r) = library.triangular(weight, rows: outputs, columns: inputs, count: rank)
      else { throw refusal("no factors of \(module.path)") }
      return (r, q)
    }
    guard let (left, values, right) = library.singular(weight, rows: outputs, columns: inputs)
    else { throw refusal("no singular values of \(module.path)") }
    let count = min(outputs, inputs)
    let roots = values.map { ($0 / module.scale).squareRoot() }
    var (a, b) = ([Float](), [Float]())
    for r in 0..<rank { a += right[r * inputs..<(r + 1) * inputs].map { $0 * roots[r] } }
    for row in 0..<outputs { for r in 0..<rank { b.append(left[row * count + r] * roots[r]) } }
    return (a, b)
  }

  /// [B, -B] for B (outputs, rank).
  private static func besideItsNegative(_ b: [Float], rank: Int) -> [Float] {
    var result: [Float] = []
    result.reserveCapacity(2 * b.count)
    for start in stride(from: 0, to: b.count, by: rank) {
      result += b[start..<start + rank]
      result += b[start..<start + rank].map { -$0 }
    }
    return result
  }
}
