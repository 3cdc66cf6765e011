// SPDX-License-Identifier: Apache-2.0

/// Singular values by one-sided Jacobi rotations (Hestenes 1958; Demmel and Veselić 1992,
/// https://doi.org/10.1137/0613074): rows are turned pair by pair until all are orthogonal.
enum JacobiRotations {
  /// Cosine between two rows below which they count as orthogonal.
  private static let tolerance = 0x1p-47
  /// A row so much shorter than the longest is rounding.
  private static let negligible = 0x1p-50
  private static let maximumSweeps = 60

  /// Turns `rows` into Uᵀ X = Σ Vᵀ: orthogonal rows, whose lengths are the singular values, not
  /// sorted. `companion`, with as many rows, is turned alike.
  static func orthogonalize(_ matrix: inout RowMatrix, companion: inout RowMatrix) {
    let (count, size, width) = (matrix.rows, matrix.columns, companion.columns)
    guard count > 1, size > 0 else { return }
    matrix.withRows { rows in
      companion.withRows { others in
        sweep(rows, count, size, others, width)
      }
    }
  }

  /// As ``orthogonalize(_:companion:)``, nothing turned along.
  static func orthogonalize(_ matrix: inout RowMatrix) {
    let (count, size) = (matrix.rows, matrix.columns)
    guard count > 1, size > 0 else { return }
    matrix.withRows { sweep($0, count, size, $0, 0) }
  }

  private static func sweep(
    _ rows: UnsafeMutablePointer<Double>, _ count: Int, _ size: Int,
    _ others: UnsafeMutablePointer<Double>, _ width: Int
  ) {
    for _ in 0..<maximumSweeps {
      var norms = (0..<count).map { RowKernels.dot(rows + $0 * size, rows + $0 * size, size) }
      let floor = (norms.max() ?? 0) * negligible * negligible
      var isOrthogonal = true
      for left in 0..<count - 1 {
        for right in left + 1..<count where norms[left] > floor && norms[right] > floor {
          let (x, y) = (rows + left * size, rows + right * size)
          let product = RowKernels.dot(x, y, size)
          if product.magnitude <= tolerance * (norms[left] * norms[right]).squareRoot() {
            continue
          }
          isOrthogonal = false
          let zeta = (norms[right] - norms[left]) / (2 * product)
          let tangent = (zeta < 0 ? -1 : 1) / (zeta.magnitude + (1 + zeta * zeta).squareRoot())
          let cosine = 1 / (1 + tangent * tangent).squareRoot()
          let sine = cosine * tangent
          RowKernels.rotate(x, y, cosine: cosine, sine: sine, size)
          RowKernels.rotate(
            others + left * width, others + right * width, cosine: cosine, sine: sine, width)
          norms[left] = max(0, norms[left] - tangent * product)
          norms[right] += tangent * product
        }
      }
      if isOrthogonal { return }
    }
  }

  /// Indices of the rows, longest first, and their lengths; equal ones keep their order.
  static func ranked(_ matrix: RowMatrix) -> [(row: Int, length: Double)] {
    let lengths = (0..<matrix.rows).map { row -> Double in
      matrix.values.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress, matrix.columns > 0 else { return 0 }
        let start = base + row * matrix.columns
        return RowKernels.dot(start, start, matrix.columns).squareRoot()
      }
    }
    return lengths.enumerated().map { ($0.offset, $0.element) }.sorted {
      $0.1 != $1.1 ? $0.1 > $1.1 : $0.0 < $1.0
    }
  }
}
