// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

/// How the clients' updates of one module lie to one another and to the result, all from one pair of
/// inner-product matrices of the stacked factors. Costs K²(in + out), K the sum of all ranks.
struct ModuleGeometry {
  /// ⟨ΔW_i, ΔW_j⟩, (N, N).
  let gram: RowMatrix
  /// ‖M‖².
  let exact: Double
  /// ‖M − BA‖², BA the result.
  let residual: Double
  /// Of the result, falling.
  let singularValues: [Double]

  /// - Parameter isMean: the result's factors are the weighted means of the clients' (folded) factors.
  ///   Then M − B̄Ā is taken from the differences to them, which loses nothing where clients are alike.
  init(_ round: AggregationRound, module index: Int, result: Adapter, isMean: Bool) {
    let module = result.modules[index]
    let scale = result.scale(of: module)
    let mean = (b: module.loraB.map(Double.init), a: module.loraA.map(Double.init))
    var stack = ProductSum(inputSize: module.inputSize, outputSize: module.outputSize)
    stack.add(loraB: mean.b.map { scale * $0 }, loraA: mean.a, rank: module.rank)
    let folds = isMean ? FactorFold(round).factors(round, module: index) : []
    for (client, contribution) in round.clients.enumerated() {
      let views = contribution.file.modules[index]
      let (b, a) = (ClientFactors.values(views.loraB), ClientFactors.values(views.loraA))
      if isMean {
        let fold = folds[client]
        stack.add(
          loraB: zip(b, mean.b).map { scale * (fold * $0 - $1) },
          loraA: zip(a, mean.a).map { fold * $0 - $1 }, rank: module.rank)
      } else {
        stack.add(loraB: b.map { views.scale * $0 }, loraA: a, rank: views.rank)
      }
    }
    let sides = (stack.leftGram(), stack.rightGram())
    let ranks = [module.rank] + round.clients.map { $0.file.modules[index].rank }
    let parts = Parts(ranks: ranks, sides.0, sides.1)
    (gram, exact, residual) =
      isMean ? parts.centred(round.weights) : parts.plain(round.weights)
    singularValues = Self.singularValues(module, scale)
  }

  private static func singularValues(_ module: AdapterModule, _ scale: Double) -> [Double] {
    let found = ClientFactors.sum(of: module, scale: scale).lowRank(RankChoice(rank: 1))
    return found.singularValues
  }

  /// Blocks of two matrices of inner products of rows; part 0 is the result.
  private struct Parts {
    let starts: [Int]
    let ranks: [Int]
    let left: RowMatrix
    let right: RowMatrix

    init(ranks: [Int], _ left: RowMatrix, _ right: RowMatrix) {
      self.ranks = ranks
      self.left = left
      self.right = right
      var (starts, sum) = ([Int](), 0)
      for rank in ranks {
        starts.append(sum)
        sum += rank
      }
      self.starts = starts
    }

    private func at(_ matrix: RowMatrix, _ i: Int, _ j: Int) -> Double {
      i >= j ? matrix[i, j] : matrix[j, i]
    }

    /// ⟨X_i, X_j⟩ = Σ over ranks of left times right.
    private func product(_ i: Int, _ j: Int) -> Double {
      var sum = 0.0
      for p in starts[i]..<starts[i] + ranks[i] {
        for q in starts[j]..<starts[j] + ranks[j] { sum += at(left, p, q) * at(right, p, q) }
      }
      return sum
    }

    /// Parts are whole updates.
    func plain(_ weights: [Double]) -> (RowMatrix, Double, Double) {
      let count = weights.count
      var gram = RowMatrix(rows: count, columns: count)
      for i in 0..<count {
        for j in 0...i {
          gram[i, j] = product(i + 1, j + 1)
          gram[j, i] = gram[i, j]
        }
      }
      var (exact, cross) = (0.0, 0.0)
      for i in 0..<count {
        cross += weights[i] * product(i + 1, 0)
        for j in 0..<count { exact += weights[i] * weights[j] * gram[i, j] }
      }
      return (gram, max(0, exact), max(0, exact - 2 * cross + product(0, 0)))
    }

    /// Part 0 is (B̄, Ā), the others (B_i − B̄, A_i − Ā), all of one rank.
    func centred(_ weights: [Double]) -> (RowMatrix, Double, Double) {
      let (count, rank) = (weights.count, ranks[0])
      var gram = RowMatrix(rows: count, columns: count)
      var residual = 0.0
      for i in 0..<count {
        for j in 0...i {
          var (sum, covariance) = (0.0, 0.0)
          for p in 0..<rank {
            for q in 0..<rank {
              let (x, y) = (starts[i + 1] + p, starts[j + 1] + q)
              let (l, r) = (at(left, x, y), at(right, x, y))
              covariance += l * r
              sum +=
                (at(left, p, q) + at(left, p, y) + at(left, x, q) + l)
                * (at(right, p, q) + at(right, p, y) + at(right, x, q) + r)
            }
          }
          gram[i, j] = sum
          gram[j, i] = sum
          residual += (i == j ? 1 : 2) * weights[i] * weights[j] * covariance
        }
      }
      var exact = 0.0
      for i in 0..<count {
        for j in 0..<count { exact += weights[i] * weights[j] * gram[i, j] }
      }
      return (gram, max(0, exact), max(0, residual))
    }
  }
}

/// What an N × N matrix of inner products says of clients with weights.
struct ClientGeometry {
  /// ‖ΔW_i‖.
  let norms: [Double]
  /// Of ΔW_i and M; nil where either is zero.
  let cosinesToMean: [Double?]
  /// ‖M − M₋ᵢ‖ / ‖M‖ with M₋ᵢ the mean of the others; nil where there are none or M is zero.
  let leaveOneOut: [Double?]
  /// cos(ΔW_i, M₋ᵢ).
  let agreement: [Double?]
  private let gram: RowMatrix

  init(_ gram: RowMatrix, weights: [Double]) {
    let count = weights.count
    let products = (0..<count).map { i in
      (0..<count).reduce(0) { $0 + gram[i, $1] * weights[$1] }
    }
    let mean = max(0, zip(weights, products).reduce(0) { $0 + $1.0 * $1.1 })
    func cosine(_ product: Double, _ x: Double, _ y: Double) -> Double? {
      x > 0 && y > 0 ? min(1, max(-1, product / (x.squareRoot() * y.squareRoot()))) : nil
    }
    norms = (0..<count).map { max(0, gram[$0, $0]).squareRoot() }
    cosinesToMean = (0..<count).map { cosine(products[$0], gram[$0, $0], mean) }
    leaveOneOut = (0..<count).map { i in
      let rest = 1 - weights[i]
      guard rest > 0, mean > 0 else { return nil }
      let distance = max(0, gram[i, i] - 2 * products[i] + mean)
      return weights[i] / rest * (distance / mean).squareRoot()
    }
    agreement = (0..<count).map { i in
      let (w, rest) = (weights[i], 1 - weights[i])
      guard rest > 0 else { return nil }
      let others = (mean - 2 * w * products[i] + w * w * gram[i, i]) / (rest * rest)
      return cosine((products[i] - w * gram[i, i]) / rest, gram[i, i], others)
    }
    self.gram = gram
  }

  func cosine(_ i: Int, _ j: Int) -> Double? {
    let product = norms[i] * norms[j]
    return product > 0 ? min(1, max(-1, gram[i, j] / product)) : nil
  }

  func distance(_ i: Int, _ j: Int) -> Double {
    max(0, gram[i, i] + gram[j, j] - 2 * gram[i, j]).squareRoot()
  }

  /// Over all pairs; nil without any.
  var meanCosine: Double? {
    var values: [Double] = []
    for i in norms.indices { for j in 0..<i { if let value = cosine(i, j) { values.append(value) } } }
    return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }
}
