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
  let k: UnsafePointer<Float>
  let v: UnsafePointer<Float>
}

/// The storage of a backward tile.
private struct AttentionBackwardScratch {
  let q: UnsafeMutablePointer<Float>
  let dq: UnsafeMutablePointer<Float>
  let dOut: UnsafeMutablePointer<Float>
  let p: UnsafeMutablePointer<Float>
  let dP: UnsafeMutablePointer<Float>
  let logSumExp: UnsafeMutablePointer<Float>
  let outDot: UnsafeMutablePointer<Float>

  init(_ start: UnsafeMutablePointer<Float>, _ geometry: AttentionGeometry) {
    var cursor = ScratchCursor(start)
    q = cursor.take(geometry.tileQueries)
    dq = cursor.take(geometry.tileQueries)
    dOut = cursor.take(geometry.tileQueries)
    p = cursor.take(geometry.tileScores)
    dP = cursor.take(geometry.tileScores)
    logSumExp = cursor.take(geometry.tileRows)
    outDot = cursor.take(geometry.tileRows)
  }

  static func floats(_ geometry: AttentionGeometry) -> Int {
    3 * geometry.tileQueries + 2 * geometry.tileScores
      + 2 * ScratchCursor.padded(geometry.tileRows)
  }
}

/// One row of scores becomes P, and its dP becomes dS.
@inline(__always)
private func softmaxBackwardRow(
  _ scores: UnsafeMutablePointer<Float>, _ dP: UnsafeMutablePointer<Float>, logSumExp: Float,
  outDot: Float, softcap: Float?, first: Int, end: Int, count: Int
) {
  let padded = (count &+ 15) & ~15
  var c = 0
  if let softcap {
    capKernel(scores, cap: softcap, N: count)
    while c < count {
      // dP - outDot is kept times the cap's slope, before the scores are gone.
      let ratio = scores[c] / softcap
      dP[c] = (dP[c] - outDot) * (1 - ratio * ratio)
      c = c &+ 1
    }
    c = 0
  }
  let shift: Float = softcap == nil ? outDot : 0
  maskRow(scores, first: first, end: end, count: count, value: -.infinity)
  maskRow(dP, first: first, end: end, count: count, value: 0)
  while c < padded {
    let p = exponential(scores.lanes(at: c) - logSumExp)
    scores.store(p, at: c)
    dP.store(p * (dP.lanes(at: c) - shift), at: c)
    c = c &+ laneCount
  }
}

/// Packs a block of queries with its dOut, log-sum-exps and dot products.
private func packBackward(
  _ scratch: AttentionBackwardScratch, _ b: AttentionBackwardBuffers, rows: Range<Int>,
  _ task: AttentionTask, _ geometry: AttentionGeometry
) {
  packQueries(
    scratch.q, from: b.q, rows: rows, keyValueHead: task.keyValueHead, factor: geometry.scale,
    geometry: geometry)
  packQueries(
    scratch.dOut, from: b.dOut, rows: rows, keyValueHead: task.keyValueHead, factor: 1,
    geometry: geometry)
  let (D, B) = (geometry.headSize, rows.count)
  for r in 0..<B * geometry.group {
    let (i, head) = (rows.lowerBound + r % B, task.keyValueHead * geometry.group + r / B)
    scratch.logSumExp[r] = b.logSumExp[i * geometry.heads + head]
    scratch.outDot[r] = sumOfProducts(
      scratch.dOut + r * D, b.out + i * geometry.queryStride + head * D, count: D)
  }
}

/// The tile of queries `rows` and keys `keys`.
private func attentionBackwardTile(
  rows: Range<Int>, keys: Range<Int>, _ task: AttentionTask, _ b: AttentionBackwardBuffers,
  _ scratch: AttentionBackwardScratch, _ geometry: AttentionGeometry, _ blas: OpenBLAS
) {
  let (D, B, ld) = (geometry.headSize, rows.count, AttentionGeometry.keyBlock)
  let (count, stride) = (B * geometry.group, geometry.keyStride)
  let offset = keys.lowerBound * stride + task.keyValueHead * D
  blas.product(
    m: count, n: keys.count, k: D, .init(scratch.q, stride: D),
    .init(b.k + offset, stride: stride, transposed: true), beta: 0, scratch.p, stride: ld)
  blas.product(
    m: count, n: keys.count, k: D, .init(scratch.dOut, stride: D),
    .init(b.v + offset, stride: stride, transposed: true), beta: 0, scratch.dP, stride: ld)
  for r in 0..<count {
    let (p, dP) = (scratch.p + r &* ld, scratch.dP + r &* ld)
    let (low, high) = visibleColumns(
      rows.lowerBound &+ r % B, keys, start: task.start, window: geometry.window)
    guard low < high else {
      p.update(repeating: 0, count: keys.count)
      dP.update(repeating: 0, count: keys.count)
      continue
    }
    softmaxBackwardRow(
      p, dP, logSumExp: scratch.logSumExp[r], outDot: scratch.outDot[r],
      softcap: geometry.softcap, first: low, end: high, count: keys.count)
  }
  blas.product(
    m: keys.count, n: D, k: count, .init(scratch.p, stride: ld, transposed: true),
    .init(scratch.dOut, stride: D), beta: 1, b.dv + offset, stride: stride)
  blas.product(
    m: keys.count, n: D, k: count, .init(scratch.dP, stride: ld, transposed: true),
    .init(scratch.q, stride: D), beta: 1, b.dk + offset, stride: stride)
  blas.product(
    m: count, n: D, k: keys.count, .init(scratch.dP, stride: ld), .init(b.k + offset, stride: stride),
    beta: 1, scratch.dq, stride: D)
}

/// All queries that see the task's keys.
private func attentionBackwardTask(
  _ task: AttentionTask, _ b: AttentionBackwardBuffers, _ scratch: AttentionBackwardScratch,
  _ geometry: AttentionGeometry, _ blas: OpenBLAS
) {
  let (D, ld) = (geometry.headSize, AttentionGeometry.keyBlock)
  for row in task.keys {
    let offset = row * geometry.keyStride + task.keyValueHead * D
    (b.dk + offset).update(repeating: 0, count: D)
    (b.dv + offset).update(repeating: 0, count: D)
  }
  let dq = task.segment == 0 ? b.dq : b.partials + (task.segment - 1) * b.partialSize
  for first in stride(from: task.queries.lowerBound, to: task.queries.upperBound, by: geometry.queryBlock) {
    let rows = first..<min(task.queries.upperBound, first + geometry.queryBlock)
    packBackward(scratch, b, rows: rows, task, geometry)
    scratch.dq.update(repeating: 0, count: rows.count * geometry.group * D)
    let lowest = geometry.firstKey(of: first, start: task.start)
    let highest = min(task.keys.upperBound, rows.upperBound)
    for key in stride(from: task.keys.lowerBound, to: highest, by: ld) {
      let keys = key..<min(highest, key + ld)
      guard keys.upperBound > lowest else { continue }
      attentionBackwardTile(rows: rows, keys: keys, task, b, scratch, geometry, blas)
    }
    for r in 0..<rows.count * geometry.group {
      let (i, g) = (first + r % rows.count, r / rows.count)
      let head = task.keyValueHead * geometry.group + g
      let to = dq + i * geometry.queryStride + head * D
      for d in 0..<D { to[d] = scratch.dq[r &* D &+ d] * geometry.scale }
    }
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
    let tasks = backwardTasks(shape, geometry)
    let segments = (tasks.map(\.segment).max() ?? 0) + 1
    let partialSize = ScratchCursor.padded(queryCount)
    let buffers = AttentionBackwardBuffers(
      dq: dq.values(queryCount), dk: dk.values(keyCount), dv: dv.values(keyCount),
      partials: sharedScratch((segments - 1) * partialSize), partialSize: partialSize,
      dOut: dOut.values(queryCount), out: out.values(queryCount),
      logSumExp: logSumExp.values(shape.rows * shape.heads), q: q.values(queryCount),
      k: k.values(keyCount), v: v.values(keyCount))
    if segments > 1 { fill(dq.slice(at: 0, count: queryCount), with: 0) }
    let storage = workerScratch(AttentionBackwardScratch.floats(geometry))
    tasks.withUnsafeBufferPointer { tasks in
      loop(tasks.count) { [blas] index, worker in
        attentionBackwardTask(
          tasks[index], buffers, AttentionBackwardScratch(storage[worker], geometry), geometry,
          blas)
      }
    }
    if segments > 1 { addPartials(tasks, buffers, geometry) }
  }

  /// dq += the partial dq of each later segment, in the order of the segments.
  private func addPartials(
    _ tasks: [AttentionTask], _ b: AttentionBackwardBuffers, _ geometry: AttentionGeometry
  ) {
    // One key/value head stands for all: the others have the same segments.
    let added = tasks.filter { $0.segment > 0 && $0.keyValueHead == 0 }
      .sorted { ($0.start, $0.segment) < ($1.start, $1.segment) }
    let width = geometry.queryStride
    let rows = (added.map(\.queries.upperBound).max() ?? 0)
    added.withUnsafeBufferPointer { added in
      loop.chunks(of: rows, by: rowChunk(width: width)) { range in
        for task in added {
          let rows = range.clamped(to: task.queries)
          let start = rows.lowerBound * width
          addKernel(
            b.dq + start, b.partials + (task.segment - 1) * b.partialSize + start,
            N: rows.count * width)
        }
      }
    }
  }

  /// A task for each segment of keys of each key/value head, the long ones first.
  private func backwardTasks(
    _ shape: AttentionShape, _ geometry: AttentionGeometry
  ) -> [AttentionTask] {
    let examples = zip(shape.starts, shape.starts.dropFirst()).filter { $0 < $1 }
      .map { Int($0)..<Int($1) }
    let costs = examples.map { geometry.scores(of: $0, end: $0.upperBound) }
    let total = costs.reduce(0, +) * shape.keyValueHeads
    var tasks: [AttentionTask] = []
    for (example, cost) in zip(examples, costs) {
      let wanted = min((16 * cost + total - 1) / max(total, 1), 4, example.count / 256)
      for (index, keys) in segments(example, count: wanted, cost: cost, geometry).enumerated() {
        let last = min(example.upperBound, keys.upperBound - 1 + geometry.window)
        for head in 0..<shape.keyValueHeads {
          tasks.append(
            AttentionTask(
              start: example.lowerBound, keyValueHead: head, queries: keys.lowerBound..<last,
              keys: keys, segment: index, cost: geometry.scores(of: keys, end: example.upperBound)))
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
