// SPDX-License-Identifier: Apache-2.0
import Glibc

extension ReferenceDevice {
  package func attentionForward(
    _ out: Buffer, logSumExp: Buffer, q: Buffer, k: Buffer, v: Buffer, shape: AttentionShape
  ) {
    let walk = AttentionWalk(shape)
    let out = out.values(walk.queryCount)
    let logSumExp = logSumExp.values(shape.rows * shape.heads)
    let (q, k) = (q.values(walk.queryCount), k.values(walk.keyCount))
    let v = v.values(walk.keyCount)
    walk.forEachQuery { i, h, keys in
      let scores = keys.map { walk.score(q: q, k: k, i: i, j: $0, h: h).capped }
      let maximum = scores.max() ?? 0
      let sum = scores.reduce(0) { $0 + exp($1 - maximum) }
      logSumExp[i * shape.heads + h] = Float(maximum + log(sum))
      for d in 0..<shape.headSize {
        var value = 0.0
        for (j, score) in zip(keys, scores) {
          value += exp(score - maximum) / sum * Double(v[walk.key(j, h) + d])
        }
        out[walk.query(i, h) + d] = Float(value)
      }
    }
  }

  package func attentionBackward(
    dq: Buffer, dk: Buffer, dv: Buffer, dOut: Buffer, out: Buffer, logSumExp: Buffer, q: Buffer,
    k: Buffer, v: Buffer, shape: AttentionShape
  ) {
    let walk = AttentionWalk(shape)
    let (dq, dk) = (dq.values(walk.queryCount), dk.values(walk.keyCount))
    let (dv, dOut) = (dv.values(walk.keyCount), dOut.values(walk.queryCount))
    let (out, q) = (out.values(walk.queryCount), q.values(walk.queryCount))
    let (k, v) = (k.values(walk.keyCount), v.values(walk.keyCount))
    let logSumExp = logSumExp.values(shape.rows * shape.heads)
    var dqSum = [Double](repeating: 0, count: walk.queryCount)
    var dkSum = [Double](repeating: 0, count: walk.keyCount)
    var dvSum = dkSum
    walk.forEachQuery { i, h, keys in
      let query = walk.query(i, h)
      var outDot = 0.0  // Σ_j P·dP of the row, which is dOut·out
      for d in 0..<shape.headSize { outDot += Double(dOut[query + d]) * Double(out[query + d]) }
      for j in keys {
        let key = walk.key(j, h)
        let score = walk.score(q: q, k: k, i: i, j: j, h: h)
        let p = exp(score.capped - Double(logSumExp[i * shape.heads + h]))
        var dP = 0.0
        for d in 0..<shape.headSize {
          dP += Double(dOut[query + d]) * Double(v[key + d])
          dvSum[key + d] += p * Double(dOut[query + d])
        }
        let dScore = p * (dP - outDot) * score.slope * Double(shape.scale)
        for d in 0..<shape.headSize {
          dqSum[query + d] += dScore * Double(k[key + d])
          dkSum[key + d] += dScore * Double(q[query + d])
        }
      }
    }
    for (index, sum) in dqSum.enumerated() { dq[index] = Float(sum) }
    for (index, sum) in dkSum.enumerated() { dk[index] = Float(sum) }
    for (index, sum) in dvSum.enumerated() { dv[index] = Float(sum) }
  }
}

/// Which keys each query sees, and where heads lie.
private struct AttentionWalk {
  let shape: AttentionShape

  init(_ shape: AttentionShape) { self.shape = shape }

  var queryCount: Int { shape.rows * shape.heads * shape.headSize }
  var keyCount: Int { shape.rows * shape.keyValueHeads * shape.headSize }

  /// Offset of query head `h` of row `i`.
  func query(_ i: Int, _ h: Int) -> Int { (i * shape.heads + h) * shape.headSize }

  /// Offset of the key/value head that query head `h` reads, in row `j`.
  func key(_ j: Int, _ h: Int) -> Int {
    (j * shape.keyValueHeads + h / (shape.heads / shape.keyValueHeads)) * shape.headSize
  }

  func forEachQuery(_ body: (_ i: Int, _ h: Int, _ keys: ClosedRange<Int>) -> Void) {
    for (start, end) in zip(shape.starts, shape.starts.dropFirst()) {
      for i in Int(start)..<Int(end) {
        let first = max(Int(start), i - (shape.window ?? i + 1) + 1)
        for h in 0..<shape.heads { body(i, h, first...i) }
      }
    }
  }

  /// The score after the soft cap, and its derivative by the score before it.
  func score(
    q: UnsafePointer<Float>, k: UnsafePointer<Float>, i: Int, j: Int, h: Int
  ) -> (capped: Double, slope: Double) {
    var dot = 0.0
    for d in 0..<shape.headSize { dot += Double(q[query(i, h) + d]) * Double(k[key(j, h) + d]) }
    dot *= Double(shape.scale)
    guard let softcap = shape.softcap else { return (dot, 1) }
    let t = tanh(dot / Double(softcap))
    return (Double(softcap) * t, 1 - t * t)
  }
}
