// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The buffers of a forward call.
private struct PairForwardBuffers {
  let out: UnsafeMutablePointer<Float>
  let logSumExp: UnsafeMutablePointer<Float>
  let q: UnsafePointer<Float>
  /// Keys in panels.
  let k: UnsafePointer<Int32>
  /// Values, two rows a row of pairs.
  let v: UnsafePointer<Int32>
}

/// The storage of a forward tile.
private struct PairForwardScratch {
  let q: UnsafeMutablePointer<Int32>
  let pairs: UnsafeMutablePointer<Int32>
  let floats: UnsafeMutablePointer<Float>
  let out: UnsafeMutablePointer<Float>
  let scores: UnsafeMutablePointer<Float>
  let weights: UnsafeMutablePointer<Int32>
  let maximum: UnsafeMutablePointer<Float>
  let sum: UnsafeMutablePointer<Float>
  /// Floats of all of them.
  let count: Int

  init(_ start: UnsafeMutablePointer<Float>, _ geometry: AttentionGeometry) {
    let rows = geometry.tileRows + blockRows
    var cursor = ScratchCursor(start)
    q = cursor.takeCells(geometry.tileQueryPairs)
    pairs = cursor.takeCells(blockRows * ScratchCursor.padded(geometry.headPairs))
    floats = cursor.take(2 * ScratchCursor.padded(geometry.headSize))
    out = cursor.take(rows * geometry.paddedSize)
    scores = cursor.take(rows * tileStride)
    weights = cursor.takeCells(rows * weightStride)
    maximum = cursor.take(rows)
    sum = cursor.take(rows)
    count = cursor.next - start
  }
}

/// One row of the online softmax, as in float32, whose weights become pairs along the keys.
///
/// - Parameter columns: a multiple of 32; what the row does not see holds ``maskedScore``.
@inline(__always)
private func softmaxPairs(
  _ weights: UnsafeMutablePointer<Int32>, _ row: UnsafePointer<Float>, columns: Int,
  maximum: inout Float, sum: inout Float, out: UnsafeMutablePointer<Float>, D: Int
) {
  var (even, odd) = (row.lanes(at: 0), row.lanes(at: laneCount))
  var c = 2 &* laneCount
  while c < columns {
    even = larger(even, row.lanes(at: c))
    odd = larger(odd, row.lanes(at: c &+ laneCount))
    c = c &+ 2 &* laneCount
  }
  let tileMaximum = largest(larger(even, odd))
  let newMaximum = tileMaximum > maximum ? tileMaximum : maximum
  var (total, secondTotal) = (Lanes.zero, Lanes.zero)
  c = 0
  while c < columns {
    let first = weight(row.lanes(at: c) - newMaximum)
    let second = weight(row.lanes(at: c &+ laneCount) - newMaximum)
    weights.store(neighbours(first, second), at: c / 2)
    total += first
    secondTotal += second
    c = c &+ 2 &* laneCount
  }
  if newMaximum > maximum {
    if maximum > maskedScore {  // else these are the first keys
      let factor = exp(maximum - newMaximum)
      sum *= factor
      for d in 0..<D { out[d] *= factor }
    }
    maximum = newMaximum
  }
  sum += Compute.sum(total + secondTotal)
}

/// All keys of a block of queries of one key/value head.
private func pairForwardTask(
  _ task: AttentionTask, _ b: PairForwardBuffers, _ scratch: PairForwardScratch,
  _ geometry: AttentionGeometry
) {
  let (D, group) = (geometry.paddedSize, geometry.group)
  let B = AttentionGeometry.paddedQueries(task.queries.count)
  let rows = B * group
  PackedQueries(panels: scratch.q, rows: nil).pack(
    from: b.q, queries: task.queries, keyValueHead: task.keyValueHead, factor: geometry.scale,
    floats: scratch.floats, pairs: scratch.pairs, geometry)
  scratch.out.update(repeating: 0, count: rows * D)
  scratch.maximum.update(repeating: maskedScore, count: rows)
  scratch.sum.update(repeating: 0, count: rows)
  let block = AttentionGeometry.keyBlock
  for first in stride(from: task.keys.lowerBound, to: task.keys.upperBound, by: block) {
    let keys = first..<min(task.keys.upperBound, first + block)
    let panel = task.firstPanel + (first - task.example.lowerBound) / blockColumns
    let mask = TileMask(queries: task.queries, padded: B, heads: group, keys: keys)
    pairPanelProduct(
      scratch.scores, scratch.q, b.k + geometry.pairPanelOffset(panel, head: task.keyValueHead),
      mask: mask, K: geometry.headPairs)
    for r in 0..<rows {
      let (row, weights) = (scratch.scores + r &* tileStride, scratch.weights + r &* weightStride)
      let i = r % B
      let count = CellTiles.paddedColumns(mask.storedColumns(r))
      let (low, high) = visibleColumns(
        task.queries.lowerBound &+ i, keys, start: task.example.lowerBound,
        window: geometry.window)
      guard low < high, i < task.queries.count else {
        weights.update(repeating: 0, count: count / 2)
        continue
      }
      if let cap = geometry.softcap { capKernel(row, cap: cap, N: (high &+ 15) & ~15) }
      maskRow(row, first: low, end: high, count: count, value: maskedScore)
      softmaxPairs(
        weights, row, columns: count, maximum: &scratch.maximum[r], sum: &scratch.sum[r],
        out: scratch.out + r &* D, D: D)
    }
    pairTileProduct(
      scratch.out, scratch.weights, b.v + geometry.pairRowOffset(panel, head: task.keyValueHead),
      mask: mask, D: D)
  }
  for r in 0..<rows where r % B < task.queries.count {
    let (i, head) = (task.queries.lowerBound + r % B, task.keyValueHead * group + r / B)
    let to = b.out + i * geometry.queryStride + head * geometry.headSize
    let factor = 1 / scratch.sum[r]
    for d in 0..<geometry.headSize { to[d] = scratch.out[r &* D &+ d] * factor }
    b.logSumExp[i * geometry.heads + head] = scratch.maximum[r] + log(scratch.sum[r])
  }
}

extension CPUDevice {
  func pairAttentionForward(
    _ out: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>,
    q: UnsafePointer<Float>, k: UnsafePointer<Float>, v: UnsafePointer<Float>,
    _ geometry: AttentionGeometry
  ) {
    var shared = ScratchCursor(
      sharedScratch(
        ScratchCursor.padded(geometry.pairPanels) + geometry.pairRows, for: .attention))
    let panels = shared.takeCells(geometry.pairPanels)
    let rows = shared.takeCells(geometry.pairRows)
    packKeyPairs(k, panels: panels, rows: nil, geometry)
    packKeyPairs(v, panels: nil, rows: rows, geometry)
    let buffers = PairForwardBuffers(out: out, logSumExp: logSumExp, q: q, k: panels, v: rows)
    let tasks = forwardTasks(geometry)
    let floats = PairForwardScratch(shared.next, geometry).count
    let storage = workerScratch(floats, for: .attention)
    tasks.withUnsafeBufferPointer { tasks in
      loop(tasks.count) { index, worker in
        pairForwardTask(
          tasks[index], buffers, PairForwardScratch(storage[worker], geometry), geometry)
      }
    }
  }
}
