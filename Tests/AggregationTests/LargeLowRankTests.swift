// SPDX-License-Identifier: Apache-2.0
import Aggregation
import Testing

/// Products of more ranks than rotations are used for, against what they were made of.
@Suite struct LargeLowRankTests {
  /// Σ σ_k u_k v_kᵀ in pieces whose factors fill more than a hundred dimensions and cancel:
  /// (b + r)(v + q)ᵀ − r (v + q)ᵀ − b qᵀ = b vᵀ.
  private func sum(_ values: [Double], inputs: Int, outputs: Int) -> ProductSum {
    let (u, v) = (orthonormal(values.count, outputs, 1), orthonormal(values.count, inputs, 2))
    var generator = Generator(seed: 3)
    var sum = ProductSum(inputSize: inputs, outputSize: outputs)
    let pieces = 120 / values.count
    for (index, value) in values.enumerated() {
      for _ in 0..<pieces {
        let b = u[index].map { $0 * value / Double(pieces) }
        let r = (0..<outputs).map { _ in Double(generator.next()) }
        let q = (0..<inputs).map { _ in Double(generator.next()) }
        let a = zip(v[index], q).map { $0 + $1 }
        sum.add(loraB: zip(b, r).map { $0 + $1 }, loraA: a, rank: 1)
        sum.add(loraB: r.map { -$0 }, loraA: a, rank: 1)
        sum.add(loraB: b.map { -$0 }, loraA: q, rank: 1)
      }
    }
    return sum
  }

  private func orthonormal(_ count: Int, _ size: Int, _ seed: UInt64) -> [[Double]] {
    var generator = Generator(seed: seed)
    var rows: [[Double]] = []
    for _ in 0..<count {
      var x = (0..<size).map { _ in Double(generator.next()) }
      for _ in 0..<2 {
        for y in rows {
          let product = zip(x, y).reduce(0) { $0 + $1.0 * $1.1 }
          for place in x.indices { x[place] -= product * y[place] }
        }
      }
      let length = Dense.norm(x)
      rows.append(x.map { $0 / length })
    }
    return rows
  }

  @Test(arguments: [
    [5.0, 4, 3, 2, 1, 0.5, 0.25, 0.1],
    // Equal values, one of them at the cut.
    [2, 2, 2, 1, 1, 1, 1, 1e-3],
    [1, 0.999999, 0.999998, 1e-5, 1e-5],
  ])
  func valuesAndFactorsAreThoseItWasMadeOf(values: [Double]) {
    let (inputs, outputs) = (110, 104)
    let sum = sum(values, inputs: inputs, outputs: outputs)
    for rank in 1...values.count {
      let found = sum.lowRank(RankChoice(rank: rank))
      for (value, expected) in zip(found.singularValues, values) {
        #expect(abs(value - expected) < 1e-6 * values[0])
      }
      let product = Dense.product(found.loraB, found.loraA, outputs, rank, inputs, 1)
      let floor = values.dropFirst(rank).reduce(0) { $0 + $1 * $1 }.squareRoot()
      let u = orthonormal(values.count, outputs, 1)
      let v = orthonormal(values.count, inputs, 2)
      var exact = [Double](repeating: 0, count: inputs * outputs)
      for (index, value) in values.enumerated() {
        for row in 0..<outputs {
          for column in 0..<inputs {
            exact[row * inputs + column] += value * u[index][row] * v[index][column]
          }
        }
      }
      #expect(abs(Dense.distance(product, exact) - floor) < 1e-6 * values[0])
    }
    let share = 1 - 1e-4
    let kept = sum.lowRank(RankChoice(energy: share)).rank
    let total = values.reduce(0) { $0 + $1 * $1 }
    let least = (1...values.count).first {
      values.prefix($0).reduce(0) { $0 + $1 * $1 } >= share * total
    }
    #expect(kept == least)
  }
}
