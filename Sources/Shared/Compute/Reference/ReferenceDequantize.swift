// SPDX-License-Identifier: Apache-2.0

/// Expands one row of a matrix in the plainest way: value by value, as the formats are written down
/// in GGUF's reference (ggml-quants.c), in float32 arithmetic.
enum ReferenceDequantize {
  /// Row `row` (in matrix order) of `matrix` as `matrix.columns` floats.
  static func row(_ row: Int, of matrix: HostMatrix) -> [Float] {
    precondition(row >= 0 && row < matrix.rows, "row outside matrix")
    let start = matrix.order.fileRow(of: row) * matrix.rowBytes
    let bytes = UnsafeRawBufferPointer(rebasing: matrix.bytes[start..<start + matrix.rowBytes])
    let format = matrix.format
    var values: [Float] = []
    values.reserveCapacity(matrix.columns)
    for block in 0..<matrix.columns / format.blockSize {
      let offset = block * format.blockBytes
      values += self.block(
        Block(bytes: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + format.blockBytes])),
        format: format)
    }
    return values
  }

  /// The bytes of one block, with the readers that the formats share.
  struct Block {
    let bytes: UnsafeRawBufferPointer

    subscript(_ index: Int) -> Int { Int(bytes[index]) }
    func signed(_ index: Int) -> Int { Int(Int8(bitPattern: bytes[index])) }
    func half(_ offset: Int) -> Float {
      Float(Float16(bitPattern: UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8))
    }
    func word(_ offset: Int) -> UInt32 {
      (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) }
    }
    /// Bit `bit` of the little-endian word at `offset`, times 16: the fifth bit of Q5_0 and Q5_1.
    func fifth(_ bit: Int, at offset: Int) -> Int { Int(word(offset) >> UInt32(bit) & 1) << 4 }
  }

  static func block(_ b: Block, format: WeightFormat) -> [Float] {
    switch format {
    case .float32: [Float(bitPattern: b.word(0))]
    case .float16: [b.half(0)]
    case .bfloat16: [Float(bitPattern: UInt32(b[0]) << 16 | UInt32(b[1]) << 24)]
    case .q4_0: nibbles(b, at: 2) { v, _ in b.half(0) * Float(v - 8) }
    case .q4_1: nibbles(b, at: 4) { v, _ in b.half(0) * Float(v) + b.half(2) }
    case .q5_0: nibbles(b, at: 6) { v, j in b.half(0) * Float((v | b.fifth(j, at: 2)) - 16) }
    case .q5_1:
      nibbles(b, at: 8) { v, j in b.half(0) * Float(v | b.fifth(j, at: 4)) + b.half(2) }
    case .q8_0: (0..<32).map { b.half(0) * Float(b.signed(2 + $0)) }
    case .q2_K: q2_K(b)
    case .q3_K: q3_K(b)
    case .q4_K: q4_K(b, fifthBits: nil, quants: 16)
    case .q5_K: q4_K(b, fifthBits: 16, quants: 48)
    case .q6_K: q6_K(b)
    }
  }

  /// 32 values from 16 bytes: the low nibbles first, then the high ones.
  private static func nibbles(_ b: Block, at offset: Int, _ value: (Int, Int) -> Float) -> [Float] {
    (0..<32).map { j in value(j < 16 ? b[offset + j] & 15 : b[offset + j - 16] >> 4, j) }
  }

  private static func q2_K(_ b: Block) -> [Float] {
    let (d, dMin) = (b.half(80), b.half(82))
    return (0..<256).map { index in
      let (j, l) = (index / 16, index % 16)
      let (n, k, half) = (j / 8, j % 8 / 2, j & 1)
      let v = b[16 + 32 * n + 16 * half + l] >> (2 * k) & 3
      return (d * Float(b[j] & 15)) * Float(v) - dMin * Float(b[j] >> 4)
    }
  }

  private static func q3_K(_ b: Block) -> [Float] {
    let d = b.half(108)
    return (0..<256).map { index in
      let (j, l) = (index / 16, index % 16)
      let (n, k, i) = (j / 8, j % 8 / 2, 16 * (j & 1) + l)
      let low = j < 8 ? b[96 + j] & 15 : b[96 + j - 8] >> 4
      let high = b[96 + 8 + j % 4] >> (2 * (j / 4)) & 3
      let scale = (low | high << 4) - 32
      let v = (b[32 + 32 * n + i] >> (2 * k) & 3) - (b[i] >> (4 * n + k) & 1 == 1 ? 0 : 4)
      return (d * Float(scale)) * Float(v)
    }
  }

  /// Q4_K, and Q5_K when `fifthBits` says where the fifth bits lie.
  private static func q4_K(_ b: Block, fifthBits: Int?, quants: Int) -> [Float] {
    let (d, dMin) = (b.half(0), b.half(2))
    return (0..<256).map { index in
      let (j, l) = (index / 32, index % 32)
      let (scale, minimum): (Int, Int)
      if j < 4 {
        (scale, minimum) = (b[4 + j] & 63, b[4 + j + 4] & 63)
      } else {
        scale = (b[4 + j + 4] & 15) | (b[4 + j - 4] >> 6) << 4
        minimum = (b[4 + j + 4] >> 4) | (b[4 + j] >> 6) << 4
      }
      let byte = b[quants + 32 * (j / 2) + l]
      var v = j % 2 == 0 ? byte & 15 : byte >> 4
      if let fifthBits { v |= (b[fifthBits + l] >> j & 1) << 4 }
      return (d * Float(scale)) * Float(v) - dMin * Float(minimum)
    }
  }

  private static func q6_K(_ b: Block) -> [Float] {
    let d = b.half(208)
    return (0..<256).map { index in
      let (n, k, l) = (index / 128, index % 128 / 32, index % 32)
      let low = b[64 * n + l + 32 * (k & 1)]
      let high = b[128 + 32 * n + l] >> (2 * k) & 3
      let v = (k < 2 ? low & 15 : low >> 4) | high << 4
      return (d * Float(b.signed(192 + 8 * n + 2 * k + l / 16))) * Float(v - 32)
    }
  }
}
