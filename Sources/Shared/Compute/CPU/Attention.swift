// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The buffers of a forward call.
private struct AttentionForwardBuffers {
  let out: UnsafeMutablePointer<Float>
  let logSumExp: UnsafeMutablePointer<Float>
  let q: UnsafePointer<Float>
  /// Keys in panels.
  let k: UnsafePointer<Float>
  /// Values in rows.
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
  // Two chains: one would wait for itself. The last vector may be looked at twice.
  let last = padded &- laneCount
  var (even, odd) = (row.lanes(at: 0), row.lanes(at: last))
  var c = laneCount
  while c < last {
    even = larger(even, row.lanes(at: c))
    odd = larger(odd, row.lanes(at: min(c &+ laneCount, last)))
    c = c &+ 2 &* laneCount
  }
  let tileMaximum = largest(larger(even, odd))
  let newMaximum = tileMaximum > maximum ? tileMaximum : maximum
  var total = Lanes.zero
  c = 0
  while c < padded {
    let e = weight(row.lanes(at: c) - newMaximum)
    row.store(e, at: c)
    total += e
    c = c &+ laneCount
  }
  if newMaximum > maximum {
    if maximum > maskedScore {  // else these are the first keys
      let factor = exp(maximum - newMaximum)
      sum *= factor
      for d in 0..<D { out[d] *= factor }
    }
    maximum = newMaximum
  }
  sum += Compute.sum(total)
}

/// All keys of a block of queries of one key/value head.
private func attentionForwardTask(
  _ task: AttentionTask, _ b: AttentionForwardBuffers, _ scratch: AttentionForwardScratch,
  _ geometry: AttentionGeometry
) {
  let (D, group, B) = (geometry.paddedSize, geometry.group, task.queries.count)
  let rows = B * group
  packQueries(
    panels: scratch.q, packedRows: nil, from: b.q, rows: task.queries,
    keyValueHead: task.keyValueHead, factor: geometry.scale, geometry: geometry)
  scratch.out.update(repeating: 0, count: rows * D)
  scratch.maximum.update(repeating: maskedScore, count: rows)
  scratch.sum.update(repeating: 0, count: rows)
  let block = AttentionGeometry.keyBlock
  for first in stride(from: task.keys.lowerBound, to: task.keys.upperBound, by: block) {
    let keys = first..<min(task.keys.upperBound, first + block)
    let panel = task.firstPanel + (first - task.example.lowerBound) / blockColumns
    let mask = TileMask(queries: task.queries, heads: group, keys: keys)
    panelProduct(
      scratch.scores, scratch.q, b.k + geometry.panelOffset(panel, head: task.keyValueHead),
      mask: mask, K: geometry.headSize)
    for r in 0..<rows {
      let row = scratch.scores + r &* tileStride
      let i = task.queries.lowerBound &+ r % B
      let (low, high) = visibleColumns(
        i, keys, start: task.example.lowerBound, window: geometry.window)
      let count = mask.storedColumns(r)
      guard low < high else {
        row.update(repeating: 0, count: count)
        continue
      }
      if let cap = geometry.softcap { capKernel(row, cap: cap, N: (high &+ 15) & ~15) }
      maskRow(row, first: low, end: high, count: count, value: maskedScore)
      softmaxRow(
        row, columns: count, maximum: &scratch.maximum[r], sum: &scratch.sum[r],
        out: scratch.out + r &* D, D: D)
    }
    tileProduct(
      scratch.out, scratch.scores, b.v + geometry.rowOffset(panel, head: task.keyValueHead),
      mask: mask, D: D)
  }
  for r in 0..<rows {
    let (i, head) = (task.queries.lowerBound + r % B, task.keyValueHead * group + r / B)
    let to = b.out + i * geometry.queryStride + head * geometry.headSize
    let factor = 1 / scratch.sum[r]
    for d in 0..<geometry.headSize { to[d] = scratch.out[r &* D &+ d] * factor }
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
    if precision == .bfloat16 {
      return pairAttentionForward(
        out.values(queryCount), logSumExp: logSumExp.values(shape.rows * shape.heads),
        q: q.values(queryCount), k: k.values(keyCount), v: v.values(keyCount), geometry)
    }
    var shared = ScratchCursor(
      sharedScratch(ScratchCursor.padded(geometry.panelFloats) + geometry.rowFloats, for: .attention))
    let panels = shared.take(geometry.panelFloats)
    let rows = shared.take(geometry.rowFloats)
    packKeys(k.values(keyCount), panels: panels, rows: nil, geometry)
    packKeys(v.values(keyCount), panels: nil, rows: rows, geometry)
    let buffers = AttentionForwardBuffers(
      out: out.values(queryCount), logSumExp: logSumExp.values(shape.rows * shape.heads),
      q: q.values(queryCount), k: panels, v: rows)
    let tasks = forwardTasks(geometry)
    let storage = workerScratch(AttentionForwardScratch.floats(geometry), for: .attention)
    tasks.withUnsafeBufferPointer { tasks in
      loop(tasks.count) { index, worker in
        attentionForwardTask(
          tasks[index], buffers, AttentionForwardScratch(storage[worker], geometry), geometry)
      }
    }
  }

  /// A task for each block of queries of each key/value head, the long ones first.
  func forwardTasks(_ geometry: AttentionGeometry) -> [AttentionTask] {
    var tasks: [AttentionTask] = []
    for (example, firstPanel) in geometry.examples {
      let start = example.lowerBound
      for first in stride(from: start, to: example.upperBound, by: geometry.queryBlock) {
        let last = min(example.upperBound, first + geometry.queryBlock)
        let firstKey = geometry.firstKey(of: first, start: start)
        let keys = start + (firstKey - start) / blockColumns * blockColumns..<last
        for head in 0..<geometry.keyValueHeads {
          tasks.append(
            AttentionTask(
              example: example, firstPanel: firstPanel, keyValueHead: head, queries: first..<last,
              keys: keys, cost: (last - first) * keys.count))
        }
      }
    }
    return tasks.sorted { $0.cost > $1.cost }
  }
}
