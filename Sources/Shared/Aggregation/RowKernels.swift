// SPDX-License-Identifier: Apache-2.0

/// Arithmetic on rows of float64. The order of every sum is fixed by the length alone.
enum RowKernels {
  private static func load(_ pointer: UnsafePointer<Double>, _ index: Int) -> SIMD8<Double> {
    UnsafeRawPointer(pointer + index).loadUnaligned(as: SIMD8<Double>.self)
  }

  /// ⟨x, y⟩.
  static func dot(_ x: UnsafePointer<Double>, _ y: UnsafePointer<Double>, _ count: Int) -> Double {
    var (first, second) = (SIMD8<Double>.zero, SIMD8<Double>.zero)
    var index = 0
    while index &+ 16 <= count {
      first += load(x, index) * load(y, index)
      second += load(x, index &+ 8) * load(y, index &+ 8)
      index &+= 16
    }
    var sum = (first + second).sum()
    while index < count {
      sum += x[index] * y[index]
      index &+= 1
    }
    return sum
  }

  /// y += a x.
  static func add(
    _ a: Double, _ x: UnsafePointer<Double>, to y: UnsafeMutablePointer<Double>, _ count: Int
  ) {
    for index in 0..<count { y[index] += a * x[index] }
  }

  /// (x, y) becomes (c x − s y, s x + c y).
  static func rotate(
    _ x: UnsafeMutablePointer<Double>, _ y: UnsafeMutablePointer<Double>, cosine c: Double,
    sine s: Double, _ count: Int
  ) {
    for index in 0..<count {
      let (left, right) = (x[index], y[index])
      x[index] = c * left - s * right
      y[index] = s * left + c * right
    }
  }
}

/// Rows of equal length, one after the other.
struct RowMatrix {
  let rows: Int
  let columns: Int
  var values: [Double]

  init(rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
    values = [Double](repeating: 0, count: rows * columns)
  }

  subscript(row: Int, column: Int) -> Double {
    get { values[row * columns + column] }
    set { values[row * columns + column] = newValue }
  }

  /// Calls `body` with the address of row 0.
  mutating func withRows<Result>(_ body: (UnsafeMutablePointer<Double>) -> Result) -> Result? {
    values.withUnsafeMutableBufferPointer { $0.baseAddress.map(body) }
  }
}
