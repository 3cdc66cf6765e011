// SPDX-License-Identifier: Apache-2.0

/// Where a view of a frozen matrix can be read as float32.
struct WeightSource {
  let host: HostMatrix
  let matrix: Matrix
  /// The rows themselves where the file holds float32 in natural order, else nil: they have to be
  /// expanded.
  let inPlace: UnsafePointer<Float>?

  init(host: HostMatrix, matrix: Matrix) {
    self.host = host
    self.matrix = matrix
    precondition(matrix.firstRow + matrix.rows <= host.rows, "rows outside matrix")
    guard host.format == .float32, host.order == .natural,
      let start = host.bytes.baseAddress, UInt(bitPattern: start) % 4 == 0
    else {
      inPlace = nil
      return
    }
    inPlace = (start + matrix.firstRow * host.rowBytes).assumingMemoryBound(to: Float.self)
  }

  /// Rows `range` of the view: in place, or expanded into `storage`, which has room for them.
  func rows(_ range: Range<Int>, storage: UnsafeMutablePointer<Float>) -> UnsafePointer<Float> {
    if let inPlace { return inPlace + range.lowerBound * matrix.columns }
    expandRows(
      of: host, first: matrix.firstRow + range.lowerBound, count: range.count, into: storage)
    return UnsafePointer(storage)
  }
}

extension CPUDevice {
  func source(_ matrix: Matrix) -> WeightSource {
    WeightSource(host: host(matrix), matrix: matrix)
  }
}
