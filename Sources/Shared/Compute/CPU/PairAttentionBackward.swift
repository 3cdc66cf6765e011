// SPDX-License-Identifier: Apache-2.0
import Glibc

// The gradients of attention with bfloat16 products: formulas and tasks as in AttentionBackward.swift.

/// The buffers of a backward call.
private struct PairBackwardBuffers {
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
  /// Keys and values, packed: see ``CPUDevice/packKeyPairs(_:panels:rows:_:)``.
  let kPanels: UnsafePointer<Int32>
  let vPanels: UnsafePointer<Int32>
  let kRows: UnsafePointer<Int32>
  /// dk and dv while they are summed up, in rows of the padded head size.
  let dkRows: UnsafeMutablePointer<Float>
  let dvRows: UnsafeMutablePointer<Float>
}

/// The storage of a backward tile.
private struct PairBackwardScratch {
  let q: PackedQueries
  let dOut: PackedQueries
  let pairs: UnsafeMutablePointer<Int32>
  let floats: UnsafeMutablePointer<Float>
  let dq: UnsafeMutablePointer<Float>
  /// Scores and dP; their rows of pairs of two query rows take their place.
  let scores: UnsafeMutablePointer<Float>
  let dP: UnsafeMutablePointer<Float>
  let weightPairs: UnsafeMutablePointer<Int32>
  let gradientPairs: UnsafeMutablePointer<Int32>
  /// dS in pairs along the keys.
  let gradientRows: UnsafeMutablePointer<Int32>
  let logSumExp: UnsafeMutablePointer<Float>
  let outDot: UnsafeMutablePointer<Float>
  /// Floats of all of them.
  let count: Int

  init(_ start: UnsafeMutablePointer<Float>, _ geometry: AttentionGeometry) {
    let rows = geometry.tileRows + blockRows
    var cursor = ScratchCursor(start)
    func queries() -> PackedQueries {
      let panels = cursor.takeCells(geometry.tileQueryPairs)
      return PackedQueries(panels: panels, rows: cursor.takeCells(geometry.tileQueryPairs))
    }
    q = queries()
    dOut = queries()
    pairs = cursor.takeCells(blockRows * ScratchCursor.padded(geometry.headPairs))
    floats = cursor.take(2 * ScratchCursor.padded(geometry.headSize))
    dq = cursor.take(rows * geometry.paddedSize)
    scores = cursor.take(rows * tileStride)
    dP = cursor.take(rows * tileStride)
    weightPairs = cursor.takeCells(rows / 2 * tileStride)
    gradientPairs = cursor.takeCells(rows / 2 * tileStride)
    gradientRows = cursor.takeCells(rows * weightStride)
    logSumExp = cursor.take(rows)
    outDot = cursor.take(rows)
    count = cursor.next - start
  }
}

/// P and dS of one vector of scores, which are capped already.
@inline(__always)
private func softmaxGradient(
  _ scores: Lanes, _ dP: Lanes, logSumExp: Float, outDot: Float, softcap: Float?
) -> (p: Lanes, dS: Lanes) {
  let p = weight(scores - logSumExp)
  guard let softcap else { return (p, p * (dP - outDot)) }
  // A masked score lies far below the cap.
  let ratio = larger(Lanes(repeating: -1), scores / softcap)
  return (p, p * (dP - outDot) * (1 - ratio * ratio))
}

/// Two rows of scores and of dP become P and dS in pairs of the two, and dS in pairs along the keys.
///
/// - Parameters:
///   - r: the first of the two rows, even.
///   - seen: the columns that each row sees; empty for a row that is filled up.
///   - columns: a multiple of 32, past the last column that products read.
@inline(__always)
private func gradientRows(
  _ r: Int, _ scratch: PairBackwardScratch, seen: (Range<Int>, Range<Int>), columns: Int,
  softcap: Float?
) {
  let (s0, s1) = (scratch.scores + r &* tileStride, scratch.scores + (r &+ 1) &* tileStride)
  let (d0, d1) = (scratch.dP + r &* tileStride, scratch.dP + (r &+ 1) &* tileStride)
  if let softcap {
    capKernel(s0, cap: softcap, N: (seen.0.upperBound &+ 15) & ~15)
    capKernel(s1, cap: softcap, N: (seen.1.upperBound &+ 15) & ~15)
  }
  // A masked score has weight 0; its dP may hold anything, so that is set too.
  @inline(__always)
  func mask(_ row: UnsafeMutablePointer<Float>, _ seen: Range<Int>, _ value: Float) {
    maskRow(row, first: seen.lowerBound, end: seen.upperBound, count: columns, value: value)
  }
  mask(s0, seen.0, maskedScore)
  mask(d0, seen.0, 0)
  mask(s1, seen.1, maskedScore)
  mask(d1, seen.1, 0)
  let (l0, l1) = (scratch.logSumExp[r], scratch.logSumExp[r &+ 1])
  let (o0, o1) = (scratch.outDot[r], scratch.outDot[r &+ 1])
  let p = scratch.weightPairs + r / 2 &* tileStride
  let dS = scratch.gradientPairs + r / 2 &* tileStride
  let rows0 = scratch.gradientRows + r &* weightStride
  let rows1 = rows0 + weightStride
  var c = 0
  while c < columns {
    let m = c &+ laneCount
    let a0 = softmaxGradient(
      s0.lanes(at: c), d0.lanes(at: c), logSumExp: l0, outDot: o0, softcap: softcap)
    let a1 = softmaxGradient(
      s1.lanes(at: c), d1.lanes(at: c), logSumExp: l1, outDot: o1, softcap: softcap)
    let b0 = softmaxGradient(
      s0.lanes(at: m), d0.lanes(at: m), logSumExp: l0, outDot: o0, softcap: softcap)
    let b1 = softmaxGradient(
      s1.lanes(at: m), d1.lanes(at: m), logSumExp: l1, outDot: o1, softcap: softcap)
    p.store(zipped(a0.p, a1.p), at: c)
    p.store(zipped(b0.p, b1.p), at: m)
    dS.store(zipped(a0.dS, a1.dS), at: c)
    dS.store(zipped(b0.dS, b1.dS), at: m)
    rows0.store(neighbours(a0.dS, b0.dS), at: c / 2)
    rows1.store(neighbours(a1.dS, b1.dS), at: c / 2)
    c = c &+ 2 &* laneCount
  }
}

/// Packs a block of queries with its dOut, log-sum-exps and dot products.
private func packPairBackward(
  _ scratch: PairBackwardScratch, _ b: PairBackwardBuffers, rows: Range<Int>,
  _ task: AttentionTask, _ geometry: AttentionGeometry
) {
  for (packed, source, factor) in [(scratch.q, b.q, geometry.scale), (scratch.dOut, b.dOut, 1)] {
    packed.pack(
      from: source, queries: rows, keyValueHead: task.keyValueHead, factor: factor,
      floats: scratch.floats, pairs: scratch.pairs, geometry)
  }
  let (D, B) = (geometry.headSize, AttentionGeometry.paddedQueries(rows.count))
  for r in 0..<B * geometry.group {
    let (i, head) = (r % B, task.keyValueHead * geometry.group + r / B)
    guard i < rows.count else {
      (scratch.logSumExp[r], scratch.outDot[r]) = (0, 0)
      continue
    }
    let row = rows.lowerBound + i
    let start = row * geometry.queryStride + head * D
    scratch.logSumExp[r] = b.logSumExp[row * geometry.heads + head]
    scratch.outDot[r] = sumOfProducts(b.dOut + start, b.out + start, count: D)
  }
}

/// The tile of queries `rows` and keys `keys`.
private func pairBackwardTile(
  rows: Range<Int>, keys: Range<Int>, _ task: AttentionTask, _ b: PairBackwardBuffers,
  _ scratch: PairBackwardScratch, _ geometry: AttentionGeometry
) {
  let (D, B) = (geometry.paddedSize, AttentionGeometry.paddedQueries(rows.count))
  let mask = TileMask(queries: rows, padded: B, heads: geometry.group, keys: keys)
  let panel = task.firstPanel + (keys.lowerBound - task.example.lowerBound) / blockColumns
  let panelOffset = geometry.pairPanelOffset(panel, head: task.keyValueHead)
  pairPanelProduct(
    scratch.scores, scratch.q.panels, b.kPanels + panelOffset, mask: mask, K: geometry.headPairs)
  pairPanelProduct(
    scratch.dP, scratch.dOut.panels, b.vPanels + panelOffset, mask: mask, K: geometry.headPairs)
  func seen(_ r: Int) -> Range<Int> {
    guard r % B < rows.count else { return 0..<0 }
    let (low, high) = visibleColumns(
      rows.lowerBound &+ r % B, keys, start: task.example.lowerBound, window: geometry.window)
    return low < high ? low..<high : 0..<0
  }
  for r in stride(from: 0, to: mask.rows, by: 2) {
    let stored = max(mask.storedColumns(r), mask.storedColumns(r &+ 1))
    gradientRows(
      r, scratch, seen: (seen(r), seen(r &+ 1)), columns: CellTiles.paddedColumns(stored),
      softcap: geometry.softcap)
  }
  let rowOffset = geometry.rowOffset(panel, head: task.keyValueHead)
  if let dOutRows = scratch.dOut.rows, let qRows = scratch.q.rows {
    transposedPairProduct(
      b.dvRows + rowOffset, scratch.weightPairs, dOutRows, mask: mask, D: D)
    transposedPairProduct(
      b.dkRows + rowOffset, scratch.gradientPairs, qRows, mask: mask, D: D)
  }
  pairTileProduct(
    scratch.dq, scratch.gradientRows,
    b.kRows + geometry.pairRowOffset(panel, head: task.keyValueHead), mask: mask, D: D)
}

/// All queries that see the task's keys.
private func pairBackwardTask(
  _ task: AttentionTask, _ b: PairBackwardBuffers, _ scratch: PairBackwardScratch,
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
    let B = AttentionGeometry.paddedQueries(rows.count)
    packPairBackward(scratch, b, rows: rows, task, geometry)
    scratch.dq.update(repeating: 0, count: B * geometry.group * D)
    let lowest = geometry.firstKey(of: first, start: task.example.lowerBound)
    let highest = min(task.keys.upperBound, rows.upperBound)
    for key in stride(from: task.keys.lowerBound, to: highest, by: AttentionGeometry.keyBlock) {
      let keys = key..<min(highest, key + AttentionGeometry.keyBlock)
      guard keys.upperBound > lowest else { continue }
      pairBackwardTile(rows: rows, keys: keys, task, b, scratch, geometry)
    }
    for r in 0..<B * geometry.group where r % B < rows.count {
      let head = task.keyValueHead * geometry.group + r / B
      let to = dq + ((first + r % B) * geometry.queryStride + head * geometry.headSize)
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
  func pairAttentionBackward(
    dq: UnsafeMutablePointer<Float>, dk: UnsafeMutablePointer<Float>,
    dv: UnsafeMutablePointer<Float>, dOut: UnsafePointer<Float>, out: UnsafePointer<Float>,
    logSumExp: UnsafePointer<Float>, q: UnsafePointer<Float>, k: UnsafePointer<Float>,
    v: UnsafePointer<Float>, _ geometry: AttentionGeometry
  ) {
    let queryCount = (geometry.examples.last?.rows.upperBound ?? 0) * geometry.queryStride
    let tasks = backwardTasks(geometry)
    let segments = (tasks.map(\.segment).max() ?? 0) + 1
    let partialSize = ScratchCursor.padded(queryCount)
    var shared = ScratchCursor(
      sharedScratch(
        2 * ScratchCursor.padded(geometry.pairPanels) + ScratchCursor.padded(geometry.pairRows)
          + 2 * geometry.rowFloats + (segments - 1) * partialSize, for: .attention))
    let kPanels = shared.takeCells(geometry.pairPanels)
    let vPanels = shared.takeCells(geometry.pairPanels)
    let kRows = shared.takeCells(geometry.pairRows)
    packKeyPairs(k, panels: kPanels, rows: kRows, geometry)
    packKeyPairs(v, panels: vPanels, rows: nil, geometry)
    let buffers = PairBackwardBuffers(
      dq: dq, dk: dk, dv: dv, partials: shared.take((segments - 1) * partialSize),
      partialSize: partialSize, dOut: dOut, out: out, logSumExp: logSumExp, q: q,
      kPanels: kPanels, vPanels: vPanels, kRows: kRows, dkRows: shared.take(geometry.rowFloats),
      dvRows: shared.take(geometry.rowFloats))
    if segments > 1 {
      loop.chunks(of: queryCount, by: elementChunk) { range in
        (dq + range.lowerBound).update(repeating: 0, count: range.count)
      }
    }
    let floats = PairBackwardScratch(shared.next, geometry).count
    let storage = workerScratch(floats, for: .attention)
    tasks.withUnsafeBufferPointer { tasks in
      loop(tasks.count) { index, worker in
        pairBackwardTask(
          tasks[index], buffers, PairBackwardScratch(storage[worker], geometry), geometry)
      }
    }
    if segments > 1 {
      addPartials(
        tasks, dq: dq, partials: buffers.partials, partialSize: partialSize,
        width: geometry.queryStride)
    }
  }
}
