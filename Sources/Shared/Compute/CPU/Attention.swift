// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The buffers of a forward call.
private struct AttentionForwardBuffers {
  let out: UnsafeMutablePointer<Float>
  let logSumExp: UnsafeMutablePointer<Float>
  let q: UnsafePointer<Float>
  let k: UnsafePointer<Float>
  let v: UnsafePointer<Float>
}

/// The storage of a forward tile.
private struct AttentionForwardScratch {
  let q: UnsafeMutablePointer<Float>
  let out: UnsafeMutablePointer<Float>
  let scores: UnsafeMutablePointer<Float>
  let maximum: UnsafeMutablePointer<Float>
  let sum: UnsafeMutablePointer<Float>

  init(_ start: UnsafeMutablePointer<Float>, _ geometry: AttentionGeometry) {
    var cursor = ScratchCursor(start)
    q = cursor.take(geometry.tileQueries)
    out = cursor.take(geometry.tileQueries)
    scores = cursor.take(geometry.tileScores)
    maximum = cursor.take(geometry.tileRows)
    sum = cursor.take(geometry.tileRows)
  }

  static func floats(_ geometry: AttentionGeometry) -> Int {
    2 * geometry.tileQueries + geometry.tileScores + 2 * ScratchCursor.padded(geometry.tileRows)
  }
}

/// One row of the online softmax: scores become e^(score - maximum), `sum` and `maximum` take the
/// tile's keys in, and `out` (D) is brought to the new maximum.
@inline(__always)
private func softmaxRow(
  _ row: UnsafeMutablePointer<Float>, columns: Int, maximum: inout Float, sum: inout Float,
  out: UnsafeMutablePointer<Float>, D: Int
) {
  let padded = (columns &+ 15) & ~15
  var lanes = row.lanes(at: 0)
  var c = laneCount
  while c < padded {
    lanes = larger(lanes, row.lanes(at: c))
    c = c &+ laneCount
  }
  let tileMaximum = lanes.max()
  let newMaximum = tileMaximum > maximum ? tileMaximum : maximum
  var total = Lanes.zero
  c = 0
  while c < padded {
    let e = exponential(row.lanes(at: c) - newMaximum)
    row.store(e, at: c)
    total += e
    c = c &+ laneCount
  }
  if newMaximum > maximum {
    let factor = exp(maximum - newMaximum)  // 0 for the first keys, when the maximum was -∞
    sum *= factor
    for d in 0..<D { out[d] *= factor }
    maximum = newMaximum
  }
  sum += total.sum()
}

/// All keys of a block of queries of one key/value head.
private func attentionForwardTask(
  _ task: AttentionTask, _ b: AttentionForwardBuffers, _ scratch: AttentionForwardScratch,
  _ geometry: AttentionGeometry, _ blas: OpenBLAS
) {
  let (D, group, B) = (geometry.headSize, geometry.group, task.queries.count)
  let rows = B * group
  let ld = AttentionGeometry.keyBlock
  packQueries(
    scratch.q, from: b.q, rows: task.queries, keyValueHead: task.keyValueHead,
    factor: geometry.scale, geometry: geometry)
  scratch.out.update(repeating: 0, count: rows * D)
  scratch.maximum.update(repeating: -.infinity, count: rows)
  scratch.sum.update(repeating: 0, count: rows)
  for first in stride(from: task.keys.lowerBound, to: task.keys.upperBound, by: ld) {
    let keys = first..<min(task.keys.upperBound, first + ld)
    let offset = first * geometry.keyStride + task.keyValueHead * D
    blas.product(
      m: rows, n: keys.count, k: D, .init(scratch.q, stride: D),
      .init(b.k + offset, stride: geometry.keyStride, transposed: true), beta: 0, scratch.scores,
      stride: ld)
    for r in 0..<rows {
      let row = scratch.scores + r &* ld
      let i = task.queries.lowerBound &+ r % B
      let (low, high) = visibleColumns(i, keys, start: task.start, window: geometry.window)
      guard low < high else {
        row.update(repeating: 0, count: keys.count)
        continue
      }
      if let cap = geometry.softcap { capKernel(row, cap: cap, N: keys.count) }
      maskRow(row, first: low, end: high, count: keys.count, value: -.infinity)
      softmaxRow(
        row, columns: keys.count, maximum: &scratch.maximum[r], sum: &scratch.sum[r],
        out: scratch.out + r &* D, D: D)
    }
    blas.product(
      m: rows, n: D, k: keys.count, .init(scratch.scores, stride: ld),
      .init(b.v + offset, stride: geometry.keyStride), beta: 1, scratch.out, stride: D)
  }
  for r in 0..<rows {
    let (i, head) = (task.queries.lowerBound + r % B, task.keyValueHead * group + r / B)
    let to = b.out + i * geometry.queryStride + head * D
    let factor = 1 / scratch.sum[r]
    for d in 0..<D { to[d] = scratch.out[r &* D &+ d] * factor }
    b.logSumExp[i * geometry.heads + head] = scratch.maximum[r] + log(scratch.sum[r])
  }
}

extension CPUDevice {
  package func attentionForward(
    _ out: Buffer, logSumExp: Buffer, q: Buffer, k: Buffer, v: Buffer, shape: AttentionShape
  ) {
    let geometry = AttentionGeometry(shape)
    let (queryCount, keyCount) = (
      shape.rows * geometry.queryStride, shape.rows * geometry.keyStride
    )
    let buffers = AttentionForwardBuffers(
      out: out.values(queryCount), logSumExp: logSumExp.values(shape.rows * shape.heads),
      q: q.values(queryCount), k: k.values(keyCount), v: v.values(keyCount))
    let tasks = forwardTasks(shape, geometry)
    let storage = workerScratch(AttentionForwardScratch.floats(geometry))
    tasks.withUnsafeBufferPointer { tasks in
      loop(tasks.count) { [blas] index, worker in
        attentionForwardTask(
          tasks[index], buffers, AttentionForwardScratch(storage[worker], geometry), geometry, blas)
      }
    }
  }

  /// A task for each block of queries of each key/value head, the long ones first.
  private func forwardTasks(
    _ shape: AttentionShape, _ geometry: AttentionGeometry
  ) -> [AttentionTask] {
    var tasks: [AttentionTask] = []
    for (start, end) in zip(shape.starts, shape.starts.dropFirst()) where start < end {
      let (start, end) = (Int(start), Int(end))
      for first in stride(from: start, to: end, by: geometry.queryBlock) {
        let last = min(end, first + geometry.queryBlock)
        let keys = geometry.firstKey(of: first, start: start)..<last
        for head in 0..<shape.keyValueHeads {
          tasks.append(
            AttentionTask(
              start: start, keyValueHead: head, queries: first..<last, keys: keys,
              cost: (last - first) * keys.count))
        }
      }
    }
    return tasks.sorted { $0.cost > $1.cost }
  }
}
