// SPDX-License-Identifier: Apache-2.0

// Frozen weights that the file holds as bfloat16 are cells already: pairs of them are copied, not
// expanded to float32 and rounded again.

extension WeightSource {
  /// The bytes of a row (in matrix order) of bfloat16 numbers; nil in other formats.
  @inline(__always)
  func bfloat16Row(_ row: Int) -> UnsafeRawPointer? {
    guard host.format == .bfloat16, let start = host.bytes.baseAddress else { return nil }
    return UnsafeRawPointer(start) + host.order.fileRow(of: matrix.firstRow + row) * host.rowBytes
  }
}

/// A row of `columns` bfloat16 numbers as cells, the last one filled up with 0.
func copyPairs(_ cells: UnsafeMutablePointer<Int32>, from row: UnsafeRawPointer, columns: Int) {
  if columns % 2 != 0 { cells[columns / 2] = 0 }
  UnsafeMutableRawPointer(cells).copyMemory(from: row, byteCount: 2 * columns)
}

/// As ``zipRows(_:_:panelStride:_:_:columns:)``, of rows of bfloat16 numbers.
func zipPairs(
  _ panels: UnsafeMutablePointer<Int32>, panelStride: Int, _ first: UnsafeRawPointer,
  _ second: UnsafeRawPointer?, columns: Int
) {
  typealias Halves = SIMD16<UInt16>
  typealias Words = SIMD16<UInt32>
  @inline(__always)
  func words(_ row: UnsafeRawPointer, _ n: Int) -> Words {
    let bytes = row + 2 &* n
    if n &+ laneCount <= columns {
      return Words(truncatingIfNeeded: bytes.loadUnaligned(as: Halves.self))
    }
    var halves = Halves.zero
    for lane in 0..<max(0, columns &- n) {
      halves[lane] = bytes.loadUnaligned(fromByteOffset: 2 &* lane, as: UInt16.self)
    }
    return Words(truncatingIfNeeded: halves)
  }
  var (n, to) = (0, panels)
  while n < columns {
    for part in 0..<2 {
      let m = n &+ part &* laneCount
      let high = second.map { words($0, m) &<< 16 } ?? .zero
      to.store(Cells(truncatingIfNeeded: words(first, m) | high), at: part &* laneCount)
    }
    n = n &+ blockColumns
    to += panelStride
  }
}
