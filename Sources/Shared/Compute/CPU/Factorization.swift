// SPDX-License-Identifier: Apache-2.0
import COpenBLAS
import Glibc

/// Factorizations of one matrix by LAPACK, which Debian's OpenBLAS contains; on the calling thread.
package struct Factorization {
  private typealias Integer = openblas_int
  private typealias SingularValues = @convention(c) (
    UnsafePointer<CChar>, UnsafePointer<Integer>, UnsafePointer<Integer>,
    UnsafeMutablePointer<Float>, UnsafePointer<Integer>, UnsafeMutablePointer<Float>,
    UnsafeMutablePointer<Float>, UnsafePointer<Integer>, UnsafeMutablePointer<Float>,
    UnsafePointer<Integer>, UnsafeMutablePointer<Float>, UnsafePointer<Integer>,
    UnsafeMutablePointer<Integer>, UnsafeMutablePointer<Integer>
  ) -> Void
  private typealias Reflectors = @convention(c) (
    UnsafePointer<Integer>, UnsafePointer<Integer>, UnsafeMutablePointer<Float>,
    UnsafePointer<Integer>, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>,
    UnsafePointer<Integer>, UnsafeMutablePointer<Integer>
  ) -> Void
  private typealias Orthogonal = @convention(c) (
    UnsafePointer<Integer>, UnsafePointer<Integer>, UnsafePointer<Integer>,
    UnsafeMutablePointer<Float>, UnsafePointer<Integer>, UnsafeMutablePointer<Float>,
    UnsafeMutablePointer<Float>, UnsafePointer<Integer>, UnsafeMutablePointer<Integer>
  ) -> Void

  private let singularValues: SingularValues
  private let reflectors: Reflectors
  private let orthogonal: Orthogonal

  /// - Throws: ``DeviceError/libraryMissing(name:reason:)``.
  package init() throws(DeviceError) {
    _ = try OpenBLAS()  // its choice of kernels comes before the library is opened
    let name = "libopenblas.so.0"
    guard let library = dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
      throw .libraryMissing(name: name, reason: dlerror().map { String(cString: $0) } ?? "unknown")
    }
    guard let gesdd = dlsym(library, "sgesdd_"), let geqrf = dlsym(library, "sgeqrf_"),
      let orgqr = dlsym(library, "sorgqr_")
    else { throw .libraryMissing(name: name, reason: "it has no LAPACK") }
    singularValues = unsafeBitCast(gesdd, to: SingularValues.self)
    reflectors = unsafeBitCast(geqrf, to: Reflectors.self)
    orthogonal = unsafeBitCast(orgqr, to: Orthogonal.self)
  }

  /// w (rows, columns), row-major, is left · diag(values) · right, values falling; left (rows, k),
  /// right (k, columns), k the smaller extent. nil if LAPACK does not converge.
  package func singular(
    _ w: [Float], rows: Int, columns: Int
  ) -> (left: [Float], values: [Float], right: [Float])? {
    precondition(w.count == rows * columns)
    // Row-major w is column-major wᵀ (columns, rows) = U·S·Vᵀ: U holds the rows of `right`, Vᵀ in
    // column order is `left` row by row.
    let k = min(rows, columns)
    var a = w
    var values = [Float](repeating: 0, count: k)
    var right = [Float](repeating: 0, count: columns * k)
    var left = [Float](repeating: 0, count: k * rows)
    var integers = [Integer](repeating: 0, count: 8 * max(1, k))
    var info: Integer = 0
    var size = [Float](repeating: 0, count: 1)
    for pass in 0..<2 {
      let length = pass == 0 ? -1 : Integer(size[0])
      var work = pass == 0 ? size : [Float](repeating: 0, count: max(1, Int(length)))
      singularValues(
        [CChar(UInt8(ascii: "S"))], [Integer(columns)], [Integer(rows)], &a, [Integer(columns)],
        &values, &right, [Integer(columns)], &left, [Integer(k)], &work, [length], &integers, &info)
      if info != 0 { return nil }
      if pass == 0 { size = work }
    }
    return (left, values, right)
  }

  /// The first `count` columns of Q (rows, count) and rows of R (count, columns) in w = Q·R, w
  /// (rows, columns), all row-major; Householder reflections, so that R's diagonal has any sign.
  ///
  /// - Precondition: `count` is at most the smaller extent.
  package func triangular(
    _ w: [Float], rows: Int, columns: Int, count: Int
  ) -> (q: [Float], r: [Float])? {
    precondition(w.count == rows * columns && count <= min(rows, columns))
    var a = [Float](repeating: 0, count: w.count)
    for i in 0..<rows { for j in 0..<columns { a[i + j * rows] = w[i * columns + j] } }
    var scales = [Float](repeating: 0, count: min(rows, columns))
    var info: Integer = 0
    var work = [Float](repeating: 0, count: 64 * max(rows, columns, 1))
    let size = Integer(work.count)
    reflectors(
      [Integer(rows)], [Integer(columns)], &a, [Integer(rows)], &scales, &work, [size], &info)
    if info != 0 { return nil }
    var r = [Float](repeating: 0, count: count * columns)
    for i in 0..<count { for j in i..<columns { r[i * columns + j] = a[i + j * rows] } }
    orthogonal(
      [Integer(rows)], [Integer(count)], [Integer(count)], &a, [Integer(rows)], &scales, &work,
      [size], &info)
    if info != 0 { return nil }
    var q = [Float](repeating: 0, count: rows * count)
    for i in 0..<rows { for j in 0..<count { q[i * count + j] = a[i + j * rows] } }
    return (q, r)
  }
}
