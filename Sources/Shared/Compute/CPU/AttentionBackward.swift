// SPDX-License-Identifier: Apache-2.0
import Glibc

// With P = softmax(S), O = P·V and S = cap(scale · Q·Kᵀ):
//   dV = Pᵀ·dO, dP = dO·Vᵀ, dS = P ∘ (dP - rowsum(dO ∘ O)) ∘ cap', dQ = scale · dS·K, dK = scale · dSᵀ·Q.
// P is computed again from the scores and the kept log-sum-exp.
//
// A task owns some keys of one key/value head, so dk and dv need no sum over tasks. Long examples are
// cut into a few segments of keys of equal work; each but the first adds to a dq of its own, and these
// are summed in order at the end.

/// The buffers of a backward call.
private struct AttentionBackwardBuffers {
  let dq: UnsafeMutablePointer<Float>
  let dk: UnsafeMutablePointer<Float>
  let dv: UnsafeMutablePointer<Float>
  /// dq of the segments after the first, each as large as dq.
  let partials: UnsafeMutablePointer<Float>
  let partialSize: Int
  let dOut: UnsafePointer<Float>
  let out: UnsafePointer<Float>
  let logSumExp: UnsafePointer<Float>
  let q: UnsafePointer<Float>
  /// Keys and values, packed: see ``AttentionGeometry``.
  let kPanels: UnsafePointer<Float>
  let vPanels: UnsafePointer<Float>
  let kRows: UnsafePointer<Float>
  /// dk and dv while they are summed up, in rows like `kRows`.
  let dkRows: UnsafeMutablePointer<Float>
  let dvRows: UnsafeMutablePointer<Float>
}

/// The storage of a backward tile.
private struct AttentionBackwardScratch {
  let qPanels: UnsafeMutablePointer<Float>
  let qRows: UnsafeMutablePointer<Float>
  let dOutPanels: UnsafeMutablePointer<Float>
  let dOutRows: UnsafeMutablePointer<Float>
  let dq: UnsafeMutablePointer<Float>
  let p: UnsafeMutablePointer<Float>
  let dP: UnsafeMutablePointer<Float>
  let logSumExp: UnsafeMutablePointer<Float>
  let outDot: UnsafeMutablePointer<Float>

  init(_ start: UnsafeMutablePointer<Float>, _ geometry: AttentionGeometry) {
    var cursor = ScratchCursor(start)
    qPanels = cursor.take(geometry.tileQueries)
    qRows = cursor.take(geometry.tileQueries)
    dOutPanels = cursor.take(geometry.tileQueries)
    dOutRows = cursor.take(geometry.tileQueries)
    dq = cursor.take(geometry.tileQueries)
    p = cursor.take(geometry.tileScores)
    dP = cursor.take(geometry.tileScores)
    logSumExp = cursor.take(geometry.tileRows)
    outDot = cursor.take(geometry.tileRows)
  }

  static func floats(_ geometry: AttentionGeometry) -> Int {
    5 * ScratchCursor.padded(geometry.tileQueries) + 2 * geometry.tileScores
      + 2 * ScratchCursor.padded(geometry.tileRows)
  }
}

/// One row of scores becomes P, and its dP becomes dS.
@inline(__always)
private func softmaxBackwardRow(
  _ scores: UnsafeMutablePointer<Float>, _ dP: UnsafeMutablePointer<Float>, logSumExp: Float,
  outDot: Float, softcap: Float?, first: Int, end: Int, count: Int
) {
  var c = 0
  if let softcap {
    while c < end {
      let score = softcap * hyperbolicTangent(scores.lanes(at: c) / softcap)
      let p = weight(score - logSumExp)
      let ratio = score / softcap
      scores.store(p, at: c)
      dP.store(p * (dP.lanes(at: c) - outDot) * (1 - ratio * ratio), at: c)
      c = c &+ laneCount
    }
  } else {
    while c < end {
      let p = weight(scores.lanes(at: c) - logSumExp)
      scores.store(p, at: c)
      dP.store(p * (dP.lanes(at: c) - outDot), at: c)
      c = c &+ laneCount
    }
  }
  maskRow(scores, first: first, end: end, count: count, value: 0)
  maskRow(dP, first: first, end: end, count: count, value: 0)
}

/// Packs a block of queries with its dOut, log-sum-exps and dot products.
private func packBackward(
  _ scratch: AttentionBackwardScratch, _ b: AttentionBackwardBuffers, rows: Range<Int>,
  _ task: AttentionTask, _ geometry: AttentionGeometry
) {
  packQueries(
    panels: scratch.qPanels, packedRows: scratch.qRows, from: b.q, rows: rows,
    keyValueHead: task.keyValueHead, factor: geometry.scale, geometry: geometry)
  packQueries(
    panels: scratch.dOutPanels, packedRows: scratch.dOutRows, from: b.dOut, rows: rows,
    keyValueHead: task.keyValueHead, factor: 1, geometry: geometry)
  let (D, B) = (geometry.headSize, rows.count)
  for r in 0..<B * geometry.group {
    let (i, head) = (rows.lowerBound + r % B, task.keyValueHead * geometry.group + r / B)
    scratch.logSumExp[r] = b.logSumExp[i * geometry.heads + head]
    scratch.outDot[r] = sumOfProducts(
      scratch.dOutRows + r * geometry.paddedSize, b.out + (i * geometry.queryStride + head * D),
      count: D)
  }
}

/// The tile of queries `rows` and keys `keys`.
private func attentionBackwardTile(
  rows: Range<Int>, keys: Range<Int>, _ task: AttentionTask, _ b: AttentionBackwardBuffers,
  _ scratch: AttentionBackwardScratch, _ geometry: AttentionGeometry
) {
  let (D, B) = (geometry.paddedSize, rows.count)
  let mask = TileMask(queries: rows, heads: geometry.group, keys: keys)
  let panel = task.firstPanel + (keys.lowerBound - task.example.lowerBound) / blockColumns
  let panelOffset = geometry.panelOffset(panel, head: task.keyValueHead)
  let rowOffset = geometry.rowOffset(panel, head: task.keyValueHead)
  panelProduct(
    scratch.p, scratch.qPanels, b.kPanels + panelOffset, mask: mask, K: geometry.headSize)
  panelProduct(
    scratch.dP, scratch.dOutPanels, b.vPanels + panelOffset, mask: mask, K: geometry.headSize)
  for r in 0..<mask.rows {
    let (p, dP) = (scratch.p + r &* tileStride, scratch.dP + r &* tileStride)
    let (low, high) = visibleColumns(
      rows.lowerBound &+ r % B, keys, start: task.example.lowerBound, window: geometry.window)
    let count = mask.storedColumns(r)
    guard low < high else {
      p.update(repeating: 0, count: count)
      dP.update(repeating: 0, count: count)
      continue
    }
    softmaxBackwardRow(
      p, dP, logSumExp: scratch.logSumExp[r], outDot: scratch.outDot[r],
      softcap: geometry.softcap, first: low, end: high, count: count)
  }
  transposedTileProduct(b.dvRows + rowOffset, scratch.p, scratch.dOutRows, mask: mask, D: D)
  transposedTileProduct(b.dkRows + rowOffset, scratch.dP, scratch.qRows, mask: mask, D: D)
  tileProduct(scratch.dq, scratch.dP, b.kRows + rowOffset, mask: mask, D: D)
}

/// All queries that see the task's keys.
private func attentionBackwardTask(
  _ task: AttentionTask, _ b: AttentionBackwardBuffers, _ scratch: AttentionBackwardScratch,
  _ geometry: AttentionGeometry
) {
  let D = geometry.paddedSize
  let firstRow =
    geometry.rowOffset(task.firstPanel, head: task.keyValueHead)
    + (task.keys.lowerBound - task.example.lowerBound) * D
  (b.dkRows + firstRow).update(repeating: 0, count: task.keys.count * D)
  (b.dvRows + firstRow).update(repeating: 0, count: task.keys.count * D)
  let dq = task.segment == 0 ? b.dq : b.partials + (task.segment - 1) * b.partialSize
  let (last, block) = (task.queries.upperBound, geometry.queryBlock)
  for first in stride(from: task.queries.lowerBound, to: last, by: block) {
    let rows = first..<min(last, first + block)
    packBackward(scratch, b, rows: rows, task, geometry)
    scratch.dq.update(repeating: 0, count: rows.count * geometry.group * D)
    let lowest = geometry.firstKey(of: first, start: task.example.lowerBound)
    let highest = min(task.keys.upperBound, rows.upperBound)
    for key in stride(from: task.keys.lowerBound, to: highest, by: AttentionGeometry.keyBlock) {
      let keys = key..<min(highest, key + AttentionGeometry.keyBlock)
      guard keys.upperBound > lowest else { continue }
      attentionBackwardTile(rows: rows, keys: keys, task, b, scratch, geometry)
    }
    for r in 0..<rows.count * geometry.group {
      let (i, g) = (first + r % rows.count, r / rows.count)
      let head = task.keyValueHead * geometry.group + g
      let to = dq + (i * geometry.queryStride + head * geometry.headSize)
      for d in 0..<geometry.headSize { to[d] = scratch.dq[r &* D &+ d] * geometry.scale }
    }
  }
  for (index, row) in task.keys.enumerated() {
    let to = row * geometry.keyStride + task.keyValueHead * geometry.headSize
    (b.dk + to).update(from: b.dkRows + (firstRow + index * D), count: geometry.headSize)
    (b.dv + to).update(from: b.dvRows + (firstRow + index * D), count: geometry.headSize)
  }
}

extension CPUDevice {
  package func attentionBackward(
    dq: Buffer, dk: Buffer, dv: Buffer, dOut: Buffer, out: Buffer, logSumExp: Buffer, q: Buffer,
    k: Buffer, v: Buffer, shape: AttentionShape
  ) {
    let geometry = AttentionGeometry(shape)
    let queryCount = shape.rows * geometry.queryStride
    let keyCount = shape.rows * geometry.keyStride
    if precision == .bfloat16 {
      return pairAttentionBackward(
        dq: dq.values(queryCount), dk: dk.values(keyCount), dv: dv.values(keyCount),
        dOut: dOut.values(queryCount), out: out.values(queryCount),
        logSumExp: logSumExp.values(shape.rows * shape.heads), q: q.values(queryCount),
        k: k.values(keyCount), v: v.values(keyCount), geometry)
    }
    let tasks = backwardTasks(geometry)
    let segments = (tasks.map(\.segment).max() ?? 0) + 1
    let partialSize = ScratchCursor.padded(queryCount)
    var shared = ScratchCursor(
      sharedScratch(
        2 * ScratchCursor.padded(geometry.panelFloats) + 3 * geometry.rowFloats
          + (segments - 1) * partialSize, for: .attention))
    let (kPanels, vPanels) = (shared.take(geometry.panelFloats), shared.take(geometry.panelFloats))
    let kRows = shared.take(geometry.rowFloats)
    packKeys(k.values(keyCount), panels: kPanels, rows: kRows, geometry)
    packKeys(v.values(keyCount), panels: vPanels, rows: nil, geometry)
    let buffers = AttentionBackwardBuffers(
      dq: dq.values(queryCount), dk: dk.values(keyCount), dv: dv.values(keyCount),
      partials: shared.take((segments - 1) * partialSize), partialSize: partialSize,
      dOut: dOut.values(queryCount), out: out.values(queryCount),
      logSumExp: logSumExp.values(shape.rows * shape.heads), q: q.values(queryCount),
      kPanels: kPanels, vPanels: vPanels, kRows: kRows, dkRows: shared.take(geometry.rowFloats),
      dvRows: shared.take(geometry.rowFloats))
    if segments > 1 { fill(dq.slice(at: 0, count: queryCount), with: 0) }
    let storage = workerScratch(AttentionBackwardScratch.floats(geometry), for: .attention)
    tasks.withUnsafeBufferPointer { tasks in
      loop(tasks.count) { index, worker in
        attentionBackwardTask(
          tasks[index], buffers, AttentionBackwardScratch(storage[worker], geometry), geometry)
      }
    }
    if segments > 1 {
      addPartials(
        tasks, dq: buffers.dq, partials: buffers.partials, partialSize: partialSize,
        width: geometry.queryStride)
    }
  }

  /// dq += the partial dq of each later segment, in the order of the segments.
  func addPartials(
    _ tasks: [AttentionTask], dq: UnsafeMutablePointer<Float>, partials: UnsafePointer<Float>,
    partialSize: Int, width: Int
  ) {
    // One key/value head stands for all: the others have the same segments.
    let added = tasks.filter { $0.segment > 0 && $0.keyValueHead == 0 }
      .sorted { ($0.firstPanel, $0.segment) < ($1.firstPanel, $1.segment) }
    let rows = (added.map(\.queries.upperBound).max() ?? 0)
    added.withUnsafeBufferPointer { added in
      loop.chunks(of: rows, by: rowChunk(width: width)) { range in
        for task in added {
          let rows = range.clamped(to: task.queries)
          let start = rows.lowerBound * width
          addKernel(
            dq + start, partials + (task.segment - 1) * partialSize + start, N: rows.count * width)
        }
      }
    }
  }

  /// A task for each segment of keys of each key/value head, the long ones first.
  func backwardTasks(_ geometry: AttentionGeometry) -> [AttentionTask] {
    let costs = geometry.examples.map { geometry.scores(of: $0.rows, end: $0.rows.upperBound) }
    let total = costs.reduce(0, +) * geometry.keyValueHeads
    var tasks: [AttentionTask] = []
    for ((example, firstPanel), cost) in zip(geometry.examples, costs) {
      let wanted = min((16 * cost + total - 1) / max(total, 1), 4, example.count / 256)
      for (index, keys) in segments(example, count: wanted, cost: cost, geometry).enumerated() {
        let last = min(example.upperBound, keys.upperBound - 1 + geometry.window)
        for head in 0..<geometry.keyValueHeads {
          tasks.append(
            AttentionTask(
              example: example, firstPanel: firstPanel, keyValueHead: head,
              queries: keys.lowerBound..<last, keys: keys, segment: index,
              cost: geometry.scores(of: keys, end: example.upperBound)))
        }
      }
    }
    return tasks.sorted { $0.cost > $1.cost }
  }

  /// Cuts the keys of an example into `count` runs of about equal work, at multiples of 64.
  private func segments(
    _ example: Range<Int>, count: Int, cost: Int, _ geometry: AttentionGeometry
  ) -> [Range<Int>] {
    guard count > 1 else { return [example] }
    var segments: [Range<Int>] = []
    var first = example.lowerBound
    var done = 0
    for block in stride(from: example.lowerBound, to: example.upperBound, by: 64) {
      let end = min(example.upperBound, block + 64)
      done += geometry.scores(of: block..<end, end: example.upperBound)
      guard done * count >= cost * (segments.count + 1) || end == example.upperBound else { continue }
      segments.append(first..<end)
      first = end
    }
    return segments
  }
}
