// SPDX-License-Identifier: Apache-2.0

/// How the values of a frozen matrix are stored, as in safetensors and GGUF files.
///
/// Byte layouts of the quantized blocks are those of GGUF; a block never crosses a row.
package enum WeightFormat: String, Sendable, CaseIterable {
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case q4_0 = "Q4_0"
  case q4_1 = "Q4_1"
  case q5_0 = "Q5_0"
  case q5_1 = "Q5_1"
  case q8_0 = "Q8_0"
  case q2_K = "Q2_K"
  case q3_K = "Q3_K"
  case q4_K = "Q4_K"
  case q5_K = "Q5_K"
  case q6_K = "Q6_K"

  /// Values a block.
  package var blockSize: Int {
    switch self {
    case .float32, .float16, .bfloat16: 1
    case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0: 32
    case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K: 256
    }
  }

  /// Bytes a block.
  package var blockBytes: Int {
    switch self {
    case .float32: 4
    case .float16, .bfloat16: 2
    case .q4_0: 18
    case .q4_1: 20
    case .q5_0: 22
    case .q5_1: 24
    case .q8_0: 34
    case .q2_K: 84
    case .q3_K: 110
    case .q4_K: 144
    case .q5_K: 176
    case .q6_K: 210
    }
  }
}

/// The order in which the file keeps the rows of a matrix.
package enum RowOrder: Sendable, Hashable {
  /// Row `i` of the file is row `i` of the matrix.
  case natural
  /// Rows of each head are interleaved for pairwise rope (llama.cpp's q and k of the `llama`
  /// architecture): file row `h·D + 2i + s` is matrix row `h·D + s·(D/2) + i`, D = `headSize`.
  case interleavedHeads(headSize: Int)

  /// The file row that holds matrix row `row`.
  package func fileRow(of row: Int) -> Int {
    switch self {
    case .natural: return row
    case .interleavedHeads(let headSize):
      let half = headSize / 2
      let (head, inHead) = (row / headSize, row % headSize)
      return head * headSize + 2 * (inHead % half) + inHead / half
    }
  }
}

/// A frozen matrix as it lies in a mapped file: (rows, columns), row-major, one row after the other.
///
/// The bytes must stay mapped while any device that loaded the matrix lives.
package struct HostMatrix: @unchecked Sendable {
  package let rows: Int
  package let columns: Int
  package let format: WeightFormat
  package let order: RowOrder
  package let bytes: UnsafeRawBufferPointer

  /// - Precondition: `columns` is a multiple of the format's block and `bytes` holds all rows.
  package init(
    rows: Int, columns: Int, format: WeightFormat, order: RowOrder = .natural,
    bytes: UnsafeRawBufferPointer
  ) {
    precondition(columns % format.blockSize == 0, "rows are whole blocks")
    precondition(bytes.count == rows * (columns / format.blockSize) * format.blockBytes)
    self.rows = rows
    self.columns = columns
    self.format = format
    self.order = order
    self.bytes = bytes
  }

  /// Bytes one row takes in the file.
  package var rowBytes: Int { columns / format.blockSize * format.blockBytes }
}

/// A frozen matrix that a device has loaded, or some consecutive rows of one.
package struct Matrix: Sendable, Hashable {
  /// The device's own name for the loaded matrix.
  package let id: Int
  /// First row of the view, in matrix (not file) order.
  package let firstRow: Int
  package let rows: Int
  package let columns: Int

  package init(id: Int, firstRow: Int, rows: Int, columns: Int) {
    self.id = id
    self.firstRow = firstRow
    self.rows = rows
    self.columns = columns
  }

  /// Rows `range` as a matrix of their own: how a fused qkv projection is taken apart.
  package func rows(_ range: Range<Int>) -> Matrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows outside matrix")
    return Matrix(id: id, firstRow: firstRow + range.lowerBound, rows: range.count, columns: columns)
  }
}
