// SPDX-License-Identifier: Apache-2.0

// The thin products of LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685): one side is the rank.
// Row-wise products are cut by rows; the gradients of A and B, which sum over all rows, by features.

private enum LowRankTiles {
  static let rows = 128
  static let features = 64
}

extension CPUDevice {
  package func lowRankDown(
    _ hidden: Buffer, x: Buffer, a: Buffer, rows: Int, inputs: Int, rank: Int
  ) {
    let (hidden, x) = (hidden.values(rows * rank), x.values(rows * inputs))
    let a = a.values(rank * inputs)
    loop.chunks(of: rows, by: LowRankTiles.rows) { [blas] range in
      blas.product(
        m: range.count, n: rank, k: inputs, .init(x + range.lowerBound * inputs, stride: inputs),
        .init(a, stride: inputs, transposed: true), beta: 0, hidden + range.lowerBound * rank,
        stride: rank)
    }
  }

  package func lowRankUp(
    _ y: Buffer, hidden: Buffer, b: Buffer, rows: Int, outputs: Int, rank: Int, offset: Int,
    stride: Int, scale: Float
  ) {
    precondition(offset >= 0 && offset + rank <= stride, "ranks outside the stack")
    let (y, hidden) = (y.values(rows * outputs), hidden.values(rows * stride))
    let b = b.values(outputs * rank)
    loop.chunks(of: rows, by: LowRankTiles.rows) { [blas] range in
      blas.product(
        m: range.count, n: outputs, k: rank, alpha: scale,
        .init(hidden + range.lowerBound * stride + offset, stride: stride),
        .init(b, stride: rank, transposed: true), beta: 1, y + range.lowerBound * outputs,
        stride: outputs)
    }
  }

  package func lowRankUpBackward(
    dHidden: Buffer, dB: Buffer?, dy: Buffer, hidden: Buffer, b: Buffer, rows: Int, outputs: Int,
    rank: Int, offset: Int, stride: Int, scale: Float, accumulate: Bool
  ) {
    precondition(offset >= 0 && offset + rank <= stride, "ranks outside the stack")
    let (dHidden, dy) = (dHidden.values(rows * stride), dy.values(rows * outputs))
    let (hidden, b) = (hidden.values(rows * stride), b.values(outputs * rank))
    loop.chunks(of: rows, by: LowRankTiles.rows) { [blas] range in
      blas.product(
        m: range.count, n: rank, k: outputs, alpha: scale,
        .init(dy + range.lowerBound * outputs, stride: outputs), .init(b, stride: rank),
        beta: accumulate ? 1 : 0, dHidden + range.lowerBound * stride + offset, stride: stride)
    }
    guard let dB = dB?.values(outputs * rank) else { return }
    loop.chunks(of: outputs, by: LowRankTiles.features) { [blas] range in
      blas.product(
        m: range.count, n: rank, k: rows, alpha: scale,
        .init(dy + range.lowerBound, stride: outputs, transposed: true),
        .init(hidden + offset, stride: stride), beta: 1, dB + range.lowerBound * rank,
        stride: rank)
    }
  }

  package func lowRankDownBackward(
    dx: Buffer?, dA: Buffer?, dHidden: Buffer, x: Buffer, a: Buffer, rows: Int, inputs: Int,
    rank: Int
  ) {
    let (dHidden, x) = (dHidden.values(rows * rank), x.values(rows * inputs))
    let a = a.values(rank * inputs)
    if let dA = dA?.values(rank * inputs) {
      loop.chunks(of: inputs, by: LowRankTiles.features) { [blas] range in
        blas.product(
          m: rank, n: range.count, k: rows, .init(dHidden, stride: rank, transposed: true),
          .init(x + range.lowerBound, stride: inputs), beta: 1, dA + range.lowerBound,
          stride: inputs)
      }
    }
    guard let dx = dx?.values(rows * inputs) else { return }
    loop.chunks(of: rows, by: LowRankTiles.rows) { [blas] range in
      blas.product(
        m: range.count, n: inputs, k: rank, .init(dHidden + range.lowerBound * rank, stride: rank),
        .init(a, stride: inputs), beta: 1, dx + range.lowerBound * inputs, stride: inputs)
    }
  }
}
