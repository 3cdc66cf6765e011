// SPDX-License-Identifier: Apache-2.0
internal import CInstructions

// Frozen weights to float32, row by row. Each product is rounded and each sum is rounded, as in the
// formats' reference, so the values are those of ``ReferenceDequantize`` to the bit. The inner loops
// are written for the compiler's vectoriser: fixed trip counts, no calls, no checks.

/// Rows `first ..< first + count` (in matrix order) of `matrix` as float32, one after the other.
func expandRows(
  of matrix: HostMatrix, first: Int, count: Int, into output: UnsafeMutablePointer<Float>
) {
  guard count > 0, let start = matrix.bytes.baseAddress else { return }
  let (columns, rowBytes) = (matrix.columns, matrix.rowBytes)
  for row in 0..<count {
    expandRow(
      start + matrix.order.fileRow(of: first + row) * rowBytes, format: matrix.format,
      into: output + row * columns, columns: columns)
  }
}

extension HostMatrix {
  /// One row (in matrix order) as float32.
  package func floats(row: Int) -> [Float] {
    precondition(row >= 0 && row < rows, "row outside matrix")
    return [Float](unsafeUninitializedCapacity: columns) { values, count in
      if let start = values.baseAddress {
        expandRows(of: self, first: row, count: 1, into: start)
      }
      count = columns
    }
  }
}

/// One row of `columns` values from its bytes.
func expandRow(
  _ bytes: UnsafeRawPointer, format: WeightFormat, into y: UnsafeMutablePointer<Float>,
  columns: Int
) {
  let blocks = columns / format.blockSize
  switch format {
  case .float32: UnsafeMutableRawPointer(y).copyMemory(from: bytes, byteCount: 4 * columns)
  case .float16: expandFloat16(bytes, y, columns)
  case .bfloat16: expandBFloat16(bytes, y, columns)
  case .q4_0: expandQ4_0(bytes, y, blocks)
  case .q4_1: expandQ4_1(bytes, y, blocks)
  case .q5_0: expandQ5_0(bytes, y, blocks)
  case .q5_1: expandQ5_1(bytes, y, blocks)
  case .q8_0: expandQ8_0(bytes, y, blocks)
  case .q2_K: expandQ2_K(bytes, y, blocks)
  case .q3_K: expandQ3_K(bytes, y, blocks)
  case .q4_K: expandQ4_K(bytes, y, blocks)
  case .q5_K: expandQ5_K(bytes, y, blocks)
  case .q6_K: expandQ6_K(bytes, y, blocks)
  }
}

/// The half-precision number at `offset`.
@inline(__always)
func half(_ bytes: UnsafeRawPointer, _ offset: Int) -> Float {
  Float(Float16(bitPattern: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
}

/// The 16 bytes at `offset`, as integers of 32 bits.
@inline(__always)
func bytes16(_ bytes: UnsafeRawPointer, _ offset: Int) -> SIMD16<Int32> {
  cl_widen(bytes + offset)
}

/// The 16 signed bytes at `offset`.
@inline(__always)
func signedBytes16(_ bytes: UnsafeRawPointer, _ offset: Int) -> SIMD16<Int32> {
  cl_widen_signed(bytes + offset)
}

/// Whole numbers as floats. The initialisers of SIMD types become calls for each lane.
@inline(__always)
func floats(_ values: SIMD16<Int32>) -> Lanes { cl_from_integers(values) }

private func expandFloat16(_ b: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>, _ count: Int) {
  for i in 0..<count { y[i] = half(b, 2 &* i) }
}

private func expandBFloat16(_ b: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>, _ count: Int) {
  for i in 0..<count {
    let bits = UInt32(b.loadUnaligned(fromByteOffset: 2 &* i, as: UInt16.self))
    y[i] = Float(bitPattern: bits &<< 16)
  }
}

private func expandQ4_0(_ b: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let (b, y) = (b + 18 &* block, y + 32 &* block)
    let d = half(b, 0)
    let q = bytes16(b, 2)
    y.store(d * floats((q & 15) &- 8), at: 0)
    y.store(d * floats((q &>> 4) &- 8), at: 16)
  }
}

private func expandQ4_1(_ b: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let (b, y) = (b + 20 &* block, y + 32 &* block)
    let (d, m) = (half(b, 0), half(b, 2))
    let q = bytes16(b, 4)
    y.store(d * floats(q & 15) + m, at: 0)
    y.store(d * floats(q &>> 4) + m, at: 16)
  }
}

/// Bit l of `word` as 16 in lane l: the fifth bit of 16 values.
@inline(__always)
private func fifthBits(_ word: UInt32) -> SIMD16<Int32> {
  let lanes = SIMD16<UInt32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  let bits = (SIMD16<UInt32>(repeating: word) &>> lanes) & 1
  return unsafeBitCast(bits, to: SIMD16<Int32>.self) &<< 4
}

private func expandQ5_0(_ b: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let (b, y) = (b + 22 &* block, y + 32 &* block)
    let d = half(b, 0)
    let high = b.loadUnaligned(fromByteOffset: 2, as: UInt32.self)
    let q = bytes16(b, 6)
    y.store(d * floats(((q & 15) | fifthBits(high)) &- 16), at: 0)
    y.store(d * floats(((q &>> 4) | fifthBits(high &>> 16)) &- 16), at: 16)
  }
}

private func expandQ5_1(_ b: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let (b, y) = (b + 24 &* block, y + 32 &* block)
    let (d, m) = (half(b, 0), half(b, 2))
    let high = b.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
    let q = bytes16(b, 8)
    y.store(d * floats((q & 15) | fifthBits(high)) + m, at: 0)
    y.store(d * floats((q &>> 4) | fifthBits(high &>> 16)) + m, at: 16)
  }
}

private func expandQ8_0(_ b: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let (b, y) = (b + 34 &* block, y + 32 &* block)
    let d = half(b, 0)
    y.store(d * floats(signedBytes16(b, 2)), at: 0)
    y.store(d * floats(signedBytes16(b, 18)), at: 16)
  }
}
