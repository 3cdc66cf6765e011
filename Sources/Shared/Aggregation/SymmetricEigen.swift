// SPDX-License-Identifier: Apache-2.0

/// Eigenvalues of a symmetric matrix, and the eigenvectors of the largest: Householder's reduction to
/// tridiagonal form, implicit QL on that, inverse iteration (Golub and Van Loan, Matrix Computations,
/// 4th ed., sections 8.3 and 8.2.3). 4/3 n³ operations and little more, where only few vectors are asked
/// for.
struct SymmetricEigen {
  /// Falling.
  let values: [Double]
  /// (asked for, n): orthonormal eigenvectors of the first values.
  let vectors: RowMatrix

  /// - Parameters:
  ///   - matrix: the lower triangle is read.
  ///   - count: of the eigenvalues in falling order, how many vectors to compute.
  init(_ matrix: RowMatrix, vectors count: ([Double]) -> Int) {
    let size = matrix.rows
    var work = matrix
    var diagonal = [Double](repeating: 0, count: size)
    var offDiagonal = [Double](repeating: 0, count: size)
    var scales = [Double](repeating: 0, count: size)
    Self.reduce(&work, &diagonal, &offDiagonal, &scales)
    let values = Self.eigenvalues(diagonal, offDiagonal)
    let wanted = min(size, max(0, count(values)))
    var vectors = RowMatrix(rows: wanted, columns: size)
    Self.inverseIteration(diagonal, offDiagonal, values, &vectors)
    Self.turnBack(work, scales, &vectors)
    self.values = values
    self.vectors = vectors
  }

  /// Column k below the diagonal is reflected onto its first entry: A ← H A H, H = 1 − β v vᵀ. v stays in
  /// row k of `work` (by symmetry), from place k + 1 on; β in `scales[k]`.
  private static func reduce(
    _ work: inout RowMatrix, _ diagonal: inout [Double], _ offDiagonal: inout [Double],
    _ scales: inout [Double]
  ) {
    let size = work.rows
    // The upper triangle in rows: row k from place k on is what is left of row k.
    for row in 0..<size {
      for column in row + 1..<max(size, row + 1) { work[row, column] = work[column, row] }
    }
    var product = [Double](repeating: 0, count: size)
    work.withRows { rows in
      for k in 0..<size {
        diagonal[k] = rows[k * size + k]
        guard k + 1 < size else { continue }
        let count = size - k - 1
        let v = rows + k * size + k + 1
        let length = RowKernels.dot(v, v, count).squareRoot()
        let tail = count > 1 ? RowKernels.dot(v + 1, v + 1, count - 1) : 0
        guard tail > 0 else {
          offDiagonal[k] = v[0]
          continue
        }
        let first = v[0]
        let image = first > 0 ? -length : length
        offDiagonal[k] = image
        v[0] = first - image
        let beta = 2 / RowKernels.dot(v, v, count)
        scales[k] = beta
        // p = β A v over the rest, from the upper triangle's rows.
        product.withUnsafeMutableBufferPointer { buffer in
          guard let p = buffer.baseAddress else { return }
          for index in 0..<count { p[index] = 0 }
          for index in 0..<count {
            let row = rows + (k + 1 + index) * size + k + 1 + index
            let left = count - index
            p[index] += RowKernels.dot(row, v + index, left)
            if left > 1 { RowKernels.add(v[index], row + 1, to: p + index + 1, left - 1) }
          }
          for index in 0..<count { p[index] *= beta }
          // w = p − (β/2)(pᵀv) v, then A ← A − v wᵀ − w vᵀ.
          RowKernels.add(-beta / 2 * RowKernels.dot(p, v, count), v, to: p, count)
          for index in 0..<count {
            let row = rows + (k + 1 + index) * size + k + 1 + index
            let left = count - index
            let (vi, pi) = (v[index], p[index])
            for place in 0..<left {
              row[place] -= vi * p[index &+ place] + pi * v[index &+ place]
            }
          }
        }
      }
    }
  }

  /// Falling; QL steps with implicit shifts.
  private static func eigenvalues(_ diagonal: [Double], _ offDiagonal: [Double]) -> [Double] {
    var (d, e) = (diagonal, offDiagonal)
    let size = d.count
    for low in 0..<size {
      for _ in 0..<60 {
        var high = low
        while high + 1 < size {
          let scale = abs(d[high]) + abs(d[high + 1])
          if abs(e[high]) <= 0x1p-53 * scale { break }
          high += 1
        }
        if high == low { break }
        var g = (d[low + 1] - d[low]) / (2 * e[low])
        var r = (g * g + 1).squareRoot()
        g = d[high] - d[low] + e[low] / (g + (g < 0 ? -r : r))
        var (s, c, p) = (1.0, 1.0, 0.0)
        var index = high - 1
        var isSplit = false
        while index >= low {
          let f = s * e[index]
          let b = c * e[index]
          r = (f * f + g * g).squareRoot()
          e[index + 1] = r
          if r == 0 {
            d[index + 1] -= p
            e[high] = 0
            isSplit = true
            break
          }
          s = f / r
          c = g / r
          g = d[index + 1] - p
          r = (d[index] - g) * s + 2 * c * b
          p = s * r
          d[index + 1] = g + p
          g = c * r - b
          index -= 1
        }
        if isSplit { continue }
        d[low] -= p
        e[low] = g
        e[high] = 0
      }
    }
    return d.sorted(by: >)
  }

  /// Vectors of the tridiagonal matrix, each kept orthogonal to those before, so that equal values get
  /// different ones.
  private static func inverseIteration(
    _ diagonal: [Double], _ offDiagonal: [Double], _ values: [Double], _ vectors: inout RowMatrix
  ) {
    let size = diagonal.count
    let scale = max(abs(values.first ?? 0), abs(values.last ?? 0), .leastNormalMagnitude)
    let rows = vectors.rows
    var shift = Double.infinity
    vectors.withRows { base in
      for index in 0..<rows {
        // Equal values are taken apart by what rounding makes of them anyway.
        shift = min(values[index], shift - 4 * 0x1p-52 * scale)
        let x = base + index * size
        var state: UInt64 = 0x9e37_79b9_7f4a_7c15 &* UInt64(index + 1)
        for place in 0..<size {
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          x[place] = Double(Int64(bitPattern: state) >> 32) * 0x1p-31
        }
        let factors = TridiagonalFactors(diagonal, offDiagonal, shift: shift, tiny: 0x1p-52 * scale)
        for _ in 0..<4 {
          for _ in 0..<2 {
            for earlier in 0..<index {
              let y = base + earlier * size
              RowKernels.add(-RowKernels.dot(x, y, size), y, to: x, size)
            }
          }
          normalize(x, size)
          factors.solve(x)
          normalize(x, size)
        }
        for _ in 0..<2 {
          for earlier in 0..<index {
            let y = base + earlier * size
            RowKernels.add(-RowKernels.dot(x, y, size), y, to: x, size)
          }
        }
        normalize(x, size)
      }
    }
  }

  private static func normalize(_ x: UnsafeMutablePointer<Double>, _ size: Int) {
    var largest = 0.0
    for place in 0..<size { largest = max(largest, x[place].magnitude) }
    guard largest > 0, largest.isFinite else { return }
    // Scaled first: a solve near an eigenvalue may give numbers whose squares overflow.
    for place in 0..<size { x[place] /= largest }
    let length = RowKernels.dot(x, x, size).squareRoot()
    for place in 0..<size { x[place] /= length }
  }

  /// Vectors of the matrix itself: the reflections in reverse order.
  private static func turnBack(
    _ work: RowMatrix, _ scales: [Double], _ vectors: inout RowMatrix
  ) {
    let (size, rows) = (work.rows, vectors.rows)
    work.values.withUnsafeBufferPointer { buffer in
      guard let reflections = buffer.baseAddress else { return }
      vectors.withRows { base in
        for k in stride(from: size - 2, through: 0, by: -1) where scales[k] != 0 {
          let v = reflections + k * size + k + 1
          let count = size - k - 1
          for row in 0..<rows {
            let x = base + row * size + k + 1
            RowKernels.add(-scales[k] * RowKernels.dot(v, x, count), v, to: x, count)
          }
        }
      }
    }
  }
}

/// T − shift = P L U of a tridiagonal T with row exchanges.
private struct TridiagonalFactors {
  private var main: [Double]
  private var upper: [Double]
  private var second: [Double]
  private var multipliers: [Double]
  private var isExchanged: [Bool]

  init(_ diagonal: [Double], _ offDiagonal: [Double], shift: Double, tiny: Double) {
    let size = diagonal.count
    main = diagonal.map { $0 - shift }
    upper = offDiagonal
    second = [Double](repeating: 0, count: size)
    multipliers = [Double](repeating: 0, count: size)
    isExchanged = [Bool](repeating: false, count: size)
    for row in 0..<max(0, size - 1) {
      let below = offDiagonal[row]
      let nextUpper = row + 1 < size - 1 ? offDiagonal[row + 1] : 0
      if main[row].magnitude >= below.magnitude {
        let pivot = main[row].magnitude < tiny ? (main[row] < 0 ? -tiny : tiny) : main[row]
        main[row] = pivot
        multipliers[row] = below / pivot
        main[row + 1] -= multipliers[row] * upper[row]
      } else {
        isExchanged[row] = true
        multipliers[row] = main[row] / below
        let (oldUpper, oldMain) = (upper[row], main[row + 1])
        main[row] = below
        upper[row] = oldMain
        second[row] = nextUpper
        main[row + 1] = oldUpper - multipliers[row] * oldMain
        if row + 1 < size - 1 { upper[row + 1] = -multipliers[row] * nextUpper }
      }
    }
    if let last = main.last, last.magnitude < tiny { main[size - 1] = last < 0 ? -tiny : tiny }
  }

  func solve(_ x: UnsafeMutablePointer<Double>) {
    let size = main.count
    for row in 0..<max(0, size - 1) {
      if isExchanged[row] {
        let value = x[row]
        x[row] = x[row + 1]
        x[row + 1] = value
      }
      x[row + 1] -= multipliers[row] * x[row]
    }
    for row in stride(from: size - 1, through: 0, by: -1) {
      var value = x[row]
      if row + 1 < size { value -= upper[row] * x[row + 1] }
      if row + 2 < size { value -= second[row] * x[row + 2] }
      x[row] = value / main[row]
    }
  }
}
