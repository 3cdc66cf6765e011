// SPDX-License-Identifier: Apache-2.0

extension CPUDevice {
  package func embed(_ y: Buffer, tokens: [Int32], table: Matrix, scale: Float) {
    let columns = table.columns
    let y = y.values(tokens.count * columns)
    let host = host(table)
    precondition(
      tokens.allSatisfy { $0 >= 0 && Int($0) < table.rows }, "a token outside the table")
    tokens.withUnsafeBufferPointer { tokens in
      loop.chunks(of: tokens.count, by: rowChunk(width: columns)) { range in
        for n in range {
          let row = y + n &* columns
          expandRows(of: host, first: table.firstRow + Int(tokens[n]), count: 1, into: row)
          if scale != 1 { scaleKernel(row, factor: scale, N: columns) }
        }
      }
    }
  }
}
