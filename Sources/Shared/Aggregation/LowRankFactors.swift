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
  /// Singular values below this part of the largest are rounding, by rotations.
  private static let negligible = 1e-12
  /// The same by eigenvalues, which are their squares.
  private static let negligibleSquared = 0x1p-46
  /// Up to this size rotations are as fast, and find small values better.
  private static let largestForRotations = 96

  /// Falling singular values of `core`, and its right singular vectors as rows, at least as many as
  /// `count` asks for of those values.
  private static func spectrum(
    of core: RowMatrix, _ count: ([Double]) -> Int
  ) -> (values: [Double], vectors: RowMatrix) {
    if core.rows <= largestForRotations {
      var turned = core
      JacobiRotations.orthogonalize(&turned)
      let ranked = JacobiRotations.ranked(turned)
      let largest = ranked.first?.length ?? 0
      let kept = ranked.filter { $0.length > largest * negligible }
      var vectors = RowMatrix(rows: kept.count, columns: core.columns)
      for (row, item) in kept.enumerated() {
        for column in 0..<core.columns {
          vectors[row, column] = turned[item.row, column] / item.length
        }
      }
      return (kept.map(\.length), vectors)
    }
    func roots(_ squares: [Double]) -> [Double] {
      let least = (squares.first ?? 0) * negligibleSquared
      return squares.filter { $0 > least }.map { $0.squareRoot() }
    }
    let eigen = SymmetricEigen(
      RowGram.lowerTriangle(core.values, rows: core.rows, size: core.columns)
    ) { min(count(roots($0)), roots($0).count) }
    let values = roots(eigen.values)
    // vᵀ = uᵀ C / σ.
    var vectors = RowMatrix(rows: eigen.vectors.rows, columns: core.columns)
    vectors.withRows { target in
      core.values.withUnsafeBufferPointer { source in
        guard let base = source.baseAddress else { return }
        for row in 0..<eigen.vectors.rows {
          for other in 0..<core.rows {
            RowKernels.add(
              eigen.vectors[row, other] / values[row], base + other * core.columns,
              to: target + row * core.columns, core.columns)
          }
        }
      }
    }
    return (values, vectors)
  }

  /// Signs: the largest component of each column of U is positive, the first of equal ones. Where M
  /// has fewer singular values than `choice` asks for, columns of zeros fill up.
  ///
  /// - Parameter floor: singular values up to here count as zero.
  package func lowRank(_ choice: RankChoice, floor: Double = 0) -> LowRankFactors {
    let balance = balancing()
    let left = PivotedCholesky(gram: gram(.left, scaledBy: balance))
    let right = PivotedCholesky(gram: gram(.right, scaledBy: balance.map { $0 > 0 ? 1 / $0 : 0 }))
    let core = Self.transposedProduct(left.factor, right.factor)
    let spectrum = Self.spectrum(of: core) { values in
      choice.count(values.filter { $0 > floor })
    }
    let values = spectrum.values.filter { $0 > floor }
    let rank = choice.count(values)
    let used = min(rank, values.count, spectrum.vectors.rows)
    var space = RowMatrix(rows: used, columns: inputSize)
    for row in 0..<used {
      var v = (0..<core.columns).map { spectrum.vectors[row, $0] }
      right.solveTransposed(&v)
      for (pivot, coefficient) in zip(right.pivots, v) {
        addRight(pivot, times: coefficient / balance[pivot], to: &space, row: row)
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
    RowGram.products(transposed(x), transposed(y))
  }

  private static func transposed(_ x: RowMatrix) -> RowMatrix {
    var result = RowMatrix(rows: x.columns, columns: x.rows)
    for row in 0..<x.rows {
      for column in 0..<x.columns { result[column, row] = x[row, column] }
    }
    return result
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
