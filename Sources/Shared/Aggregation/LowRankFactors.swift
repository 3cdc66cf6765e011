// SPDX-License-Identifier: Apache-2.0

/// The best approximation of a sum of products at a rank (Eckart and Young 1936): M ≈ U_r Σ_r V_rᵀ,
/// kept as B = U_r Σ_r^½ and A = Σ_r^½ V_rᵀ.
///
/// M (out, in) is never formed. From the inner products of the stacked factors' rows follow their
/// triangular factors, a singular value decomposition of size K × K and the space of the r first
/// right singular vectors; M applied to that space, orthogonalized, gives both factors. Costs
/// K²(in + out) + K³, K the sum of the ranks.
package struct LowRankFactors: Sendable {
  package let rank: Int
  /// (out, rank).
  package let loraB: [Double]
  /// (rank, in).
  package let loraA: [Double]
  /// All of M, falling; those below 1e-7 of the first are rounding of the factors.
  package let singularValues: [Double]
  /// √(Σ_{j > rank} σ_j²) = ‖M − B·A‖.
  package var truncationError: Double { Self.norm(singularValues.dropFirst(rank)) }
  /// ‖M‖.
  package var norm: Double { Self.norm(singularValues[...]) }

  private static func norm(_ values: ArraySlice<Double>) -> Double {
    // From the smallest on, so that none is lost.
    values.reversed().reduce(0) { $0 + $1 * $1 }.squareRoot()
  }
}

/// How much of an update is kept.
package struct RankChoice: Sendable, Equatable {
  /// At most so many; nil: as many as `energy` takes.
  package var rank: Int?
  /// Share of ‖M‖² to keep, in (0, 1]; nil: all that `rank` allows.
  package var energy: Double?

  package init(rank: Int? = nil, energy: Double? = nil) {
    self.rank = rank
    self.energy = energy
  }

  /// Ranks to keep of falling singular values; at least 1.
  func count(_ values: [Double]) -> Int {
    guard let energy else { return rank ?? max(1, values.count) }
    let total = values.reversed().reduce(0) { $0 + $1 * $1 }
    var (kept, count) = (0.0, 0)
    while count < values.count, count < rank ?? .max, kept < energy * total {
      kept += values[count] * values[count]
      count += 1
    }
    return max(1, count)
  }
}

extension ProductSum {
  /// Singular values below this part of the largest are rounding.
  private static let negligible = 1e-12

  /// Signs: the largest component of each column of U is positive, the first of equal ones. Where M
  /// has fewer singular values than `choice` asks for, columns of zeros fill up.
  ///
  /// - Parameter floor: singular values up to here count as zero.
  package func lowRank(_ choice: RankChoice, floor: Double = 0) -> LowRankFactors {
    let balance = balancing()
    let left = PivotedCholesky(gram: gram(.left, scaledBy: balance))
    let right = PivotedCholesky(gram: gram(.right, scaledBy: balance.map { $0 > 0 ? 1 / $0 : 0 }))
    var core = Self.transposedProduct(left.factor, right.factor)
    JacobiRotations.orthogonalize(&core)
    let ranked = JacobiRotations.ranked(core)
    let largest = ranked.first?.length ?? 0
    let values = ranked.map(\.length).filter {
      $0 > max(floor, largest * Self.negligible)
    }
    let rank = choice.count(values)
    let used = min(rank, values.count)
    var space = RowMatrix(rows: used, columns: inputSize)
    for (index, item) in ranked.prefix(used).enumerated() {
      var v = (0..<core.columns).map { core[item.row, $0] / item.length }
      right.solveTransposed(&v)
      for (pivot, coefficient) in zip(right.pivots, v) {
        addRight(pivot, times: coefficient / balance[pivot], to: &space, row: index)
      }
    }
    Self.orthonormalize(&space)
    var image = applied(to: space)
    JacobiRotations.orthogonalize(&image, companion: &space)
    return Self.balanced(image, space, rank: rank, singularValues: values)
  }

  private static func balanced(
    _ image: RowMatrix, _ space: RowMatrix, rank: Int, singularValues: [Double]
  ) -> LowRankFactors {
    let (outputs, inputs) = (image.columns, space.columns)
    var loraB = [Double](repeating: 0, count: outputs * rank)
    var loraA = [Double](repeating: 0, count: rank * inputs)
    for (column, item) in JacobiRotations.ranked(image).enumerated() where item.length > 0 {
      var extreme = 0.0
      for output in 0..<outputs where image[item.row, output].magnitude > extreme.magnitude {
        extreme = image[item.row, output]
      }
      let root = item.length.squareRoot() * (extreme < 0 ? -1 : 1)
      for output in 0..<outputs { loraB[output * rank + column] = image[item.row, output] / root }
      for input in 0..<inputs { loraA[column * inputs + input] = space[item.row, input] * root }
    }
    return LowRankFactors(
      rank: rank, loraB: loraB, loraA: loraA, singularValues: singularValues)
  }

  /// Xᵀ Y of two matrices with as many rows.
  private static func transposedProduct(_ x: RowMatrix, _ y: RowMatrix) -> RowMatrix {
    var product = RowMatrix(rows: x.columns, columns: y.columns)
    product.withRows { target in
      y.values.withUnsafeBufferPointer { source in
        guard let base = source.baseAddress else { return }
        for row in 0..<x.rows {
          for column in 0..<x.columns where x[row, column] != 0 {
            RowKernels.add(
              x[row, column], base + row * y.columns, to: target + column * y.columns, y.columns)
          }
        }
      }
    }
    return product
  }

  /// Gram-Schmidt, twice: orthonormal to rounding. Rows that vanish become zero.
  private static func orthonormalize(_ matrix: inout RowMatrix) {
    let (count, size) = (matrix.rows, matrix.columns)
    matrix.withRows { rows in
      for row in 0..<count {
        let x = rows + row * size
        for _ in 0..<2 {
          for earlier in 0..<row {
            let y = rows + earlier * size
            RowKernels.add(-RowKernels.dot(x, y, size), y, to: x, size)
          }
        }
        let length = RowKernels.dot(x, x, size).squareRoot()
        for index in 0..<size { x[index] = length > 0 ? x[index] / length : 0 }
      }
    }
  }
}
