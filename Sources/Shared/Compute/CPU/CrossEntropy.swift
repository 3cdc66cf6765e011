// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Softmax cross-entropy of one row of logits, and its gradient in their place.
///
/// - Parameters:
///   - logits: (V), overwritten: without `gradientScale` with no particular values, with it by
///     gradientScale · (softmax - [v = target]), times the soft cap's slope.
///   - softcap: logits become cap · tanh(logit / cap) first.
func crossEntropyRow(
  _ logits: UnsafeMutablePointer<Float>, target: Int, softcap: Float?, gradientScale: Float?, V: Int
) -> TargetLoss {
  if let softcap { capKernel(logits, cap: softcap, N: V) }
  let maximum = maximumOf(logits, count: V)
  let score = logits[target]
  var isTop = score == maximum
  var v = 0
  while isTop, v < target {
    isTop = logits[v] != maximum
    v = v &+ 1
  }
  let sum = exponentials(logits, minus: maximum, softcap: softcap, count: V)
  let nll = log(sum) + Double(maximum) - Double(score)
  if let gradientScale {
    // With a soft cap the row now holds e^… · slope, so both terms carry the slope.
    scaleKernel(logits, factor: Float(Double(gradientScale) / sum), N: V)
    let slope = softcap.map { 1 - (score / $0) * (score / $0) } ?? 1
    logits[target] -= gradientScale * slope
  }
  return TargetLoss(nll: Float(nll), isTop: isTop)
}

/// x (N) = cap · tanh(x / cap).
func capKernel(_ x: UnsafeMutablePointer<Float>, cap: Float, N: Int) {
  var i = 0
  while i &+ laneCount <= N {
    x.store(cap * hyperbolicTangent(x.lanes(at: i) / cap), at: i)
    i = i &+ laneCount
  }
  guard i < N else { return }
  x.store(cap * hyperbolicTangent(x.lanes(at: i, count: N &- i) / cap), at: i, count: N &- i)
}

/// The largest of `count` values.
func maximumOf(_ x: UnsafePointer<Float>, count: Int) -> Float {
  var lanes = Lanes(repeating: -Float.greatestFiniteMagnitude)
  var i = 0
  while i &+ laneCount <= count {
    lanes = larger(lanes, x.lanes(at: i))
    i = i &+ laneCount
  }
  var maximum = largest(lanes)
  while i < count {
    maximum = x[i] > maximum ? x[i] : maximum
    i = i &+ 1
  }
  return maximum
}

/// x = e^(x - maximum), times 1 - (x/cap)² with a soft cap; returns the sum of the former in float64.
private func exponentials(
  _ x: UnsafeMutablePointer<Float>, minus maximum: Float, softcap: Float?, count: Int
) -> Double {
  let inverseCap = softcap.map { 1 / $0 } ?? 0  // slope 1 without a cap
  var sum = 0.0
  var i = 0
  while i &+ laneCount <= count {
    // 32 vectors in float32, then into the float64 sum.
    var lanes = Lanes.zero
    let end = min(i &+ 32 &* laneCount, count &- laneCount &+ 1)
    while i < end {
      let value = x.lanes(at: i)
      let e = weight(value - maximum)
      lanes += e
      let ratio = value * inverseCap
      x.store(e * (1 - ratio * ratio), at: i)
      i = i &+ laneCount
    }
    sum += Double(Compute.sum(lanes))
  }
  guard i < count else { return sum }
  let left = count &- i
  let value = x.lanes(at: i, count: left)
  let e = weight(value - maximum)
  for lane in 0..<left { sum += Double(e[lane]) }
  let ratio = value * inverseCap
  x.store(e * (1 - ratio * ratio), at: i, count: left)
  return sum
}

/// How the loss is cut; a function of the head's shape alone.
struct LossTiles {
  /// Target positions whose logits exist at one time: about 64 MiB of them.
  let rows: Int
  /// Vocabulary rows that one task expands and multiplies.
  let panel: Int
  /// Panels whose contributions to dHidden one task sums up.
  let panelsPerGroup: Int
  let panels: Int
  let groups: Int
  /// Floats from one row of logits to the next: an odd number of cache lines, lest all rows use the
  /// same sets of the caches.
  let stride: Int

  init(vocabulary: Int, channels: Int) {
    let budget = (1 << 24) / max(vocabulary, 1)
    rows = min(max(budget & ~31, 32), 512)
    panel = max(64, min(256, (1 << 18) / max(channels, 1) & ~15))
    panels = (vocabulary + panel - 1) / panel
    panelsPerGroup = max(1, (panels + 15) / 16)
    groups = (panels + panelsPerGroup - 1) / panelsPerGroup
    stride = ScratchCursor.padded(vocabulary) | 16
  }

  func vocabularyRange(_ index: Int, _ vocabulary: Int) -> Range<Int> {
    index * panel..<min(vocabulary, (index + 1) * panel)
  }
}

extension CPUDevice {
  package func logits(
    _ logits: Buffer, hidden: Buffer, head: Matrix, rows: Int, softcap: Float?
  ) {
    linearForward(logits, x: hidden, weight: head, rows: rows, accumulate: false, plus: nil)
    guard let softcap else { return }
    let start = logits.pointer
    loop.chunks(of: rows * head.rows, by: elementChunk) { range in
      capKernel(start + range.lowerBound, cap: softcap, N: range.count)
    }
  }

  package func crossEntropy(
    dHidden: Buffer?, hidden: Buffer, head: Matrix, targets: [Int32], softcap: Float?,
    gradientScale: Float
  ) -> [TargetLoss] {
    let (channels, vocabulary) = (head.columns, head.rows)
    precondition(
      targets.allSatisfy { $0 >= 0 && Int($0) < vocabulary }, "a target outside the vocabulary")
    let hidden = hidden.values(targets.count * channels)
    let dHidden = dHidden?.values(targets.count * channels)
    let tiles = LossTiles(vocabulary: vocabulary, channels: channels)
    let source = source(head)
    let rows = min(tiles.rows, targets.count)
    let packedRows =
      usesCells(head: head) ? CellTiles.packedRows(rows, cells: precision.cells(channels)) : 0
    var shared = ScratchCursor(
      sharedScratch(
        rows * tiles.stride + ScratchCursor.padded(packedRows)
          + (dHidden == nil ? 0 : tiles.groups * ScratchCursor.padded(rows * channels)),
        for: .logits))
    let logits = shared.take(rows * tiles.stride)
    let packed = shared.takeCells(packedRows)
    let partials = shared.next
    var losses = [TargetLoss](
      repeating: TargetLoss(nll: 0, isTop: false), count: targets.count)
    for first in stride(from: 0, to: targets.count, by: tiles.rows) {
      let chunk = first..<min(targets.count, first + tiles.rows)
      headForward(
        logits, hidden + first * channels, source, tiles, rows: chunk.count, packed: packed)
      losses.withUnsafeMutableBufferPointer { losses in
        loop(chunk.count) { row, _ in
          losses[first + row] = crossEntropyRow(
            logits + row * tiles.stride, target: Int(targets[first + row]), softcap: softcap,
            gradientScale: dHidden == nil ? nil : gradientScale, V: vocabulary)
        }
      }
      guard let dHidden else { continue }
      headBackward(
        dHidden + first * channels, logits, partials, source, tiles, rows: chunk.count)
    }
    return losses
  }

  /// logits (rows, V) = hidden (rows, C) · headᵀ, one task a panel of the vocabulary.
  private func headForward(
    _ logits: UnsafeMutablePointer<Float>, _ hidden: UnsafePointer<Float>, _ head: WeightSource,
    _ tiles: LossTiles, rows: Int, packed: UnsafeMutablePointer<Int32>
  ) {
    if usesCells(head: head.matrix) {
      switch precision {
      case .float32:
        cellHeadForward(
          Float32Cell.self, logits, hidden, head, tiles, rows: rows, packed: packed)
      case .bfloat16:
        cellHeadForward(
          BFloat16Pair.self, logits, hidden, head, tiles, rows: rows, packed: packed)
      }
      return
    }
    let (channels, vocabulary) = (head.matrix.columns, head.matrix.rows)
    let storage = workerScratch(tiles.panel * channels, for: .weights)
    loop(tiles.panels) { [blas] index, worker in
      let panel = tiles.vocabularyRange(index, vocabulary)
      let w = head.rows(panel, storage: storage[worker])
      blas.product(
        m: rows, n: panel.count, k: channels, .init(hidden, stride: channels),
        .init(w, stride: channels, transposed: true), beta: 0, logits + panel.lowerBound,
        stride: tiles.stride)
    }
  }

  /// dHidden (rows, C) = gradient (rows, V) · head: each group of panels into a sum of its own, the
  /// sums then in their order.
  private func headBackward(
    _ dHidden: UnsafeMutablePointer<Float>, _ gradient: UnsafePointer<Float>,
    _ partials: UnsafeMutablePointer<Float>, _ head: WeightSource, _ tiles: LossTiles, rows: Int
  ) {
    let channels = head.matrix.columns
    let size = ScratchCursor.padded(rows * channels)
    switch (usesCells(head: head.matrix), precision) {
    case (false, _): headPartials(gradient, partials, head, tiles, rows: rows)
    case (true, .float32):
      cellHeadBackward(Float32Cell.self, gradient, partials, head, tiles, rows: rows)
    case (true, .bfloat16):
      cellHeadBackward(BFloat16Pair.self, gradient, partials, head, tiles, rows: rows)
    }
    loop.chunks(of: rows * channels, by: elementChunk) { range in
      let (start, count) = (range.lowerBound, range.count)
      (dHidden + start).update(from: partials + start, count: count)
      for group in 1..<max(1, tiles.groups) {
        addKernel(dHidden + start, partials + group * size + start, N: count)
      }
    }
  }

  /// The contribution of each group of panels to dHidden, in `partials`.
  private func headPartials(
    _ gradient: UnsafePointer<Float>, _ partials: UnsafeMutablePointer<Float>,
    _ head: WeightSource, _ tiles: LossTiles, rows: Int
  ) {
    let size = ScratchCursor.padded(rows * head.matrix.columns)
    let (channels, vocabulary) = (head.matrix.columns, head.matrix.rows)
    let storage = workerScratch(tiles.panel * channels, for: .weights)
    loop(tiles.groups) { [blas] group, worker in
      let first = group * tiles.panelsPerGroup
      for index in first..<min(tiles.panels, first + tiles.panelsPerGroup) {
        let panel = tiles.vocabularyRange(index, vocabulary)
        let w = head.rows(panel, storage: storage[worker])
        blas.product(
          m: rows, n: channels, k: panel.count,
          .init(gradient + panel.lowerBound, stride: tiles.stride), .init(w, stride: channels),
          beta: index == first ? 0 : 1, partials + group * size, stride: channels)
      }
    }
  }
}
