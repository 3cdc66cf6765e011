// SPDX-License-Identifier: Apache-2.0

// Compute: the arithmetic of a decoder, as about twenty operations on buffers.
//
// Legend of shapes, used on every operation:
//   N  rows, that is tokens of all examples packed back to back       C  channels (hidden size)
//   I, O  input and output features of a linear map                   V  vocabulary
//   H, K  query heads and key/value heads     D  head size            R, r  rank(s)
//   M  target positions
// All buffers are float32 and row-major. Gradients are `d` + name.
// "accumulates" means `+=`; every other output is overwritten.

/// What the attention of a packed row looks like.
package struct AttentionShape: Sendable, Hashable {
  /// First row of each example, then N: example `e` owns rows `starts[e] ..< starts[e + 1]`.
  package var starts: [Int32]
  package var heads: Int
  package var keyValueHeads: Int
  package var headSize: Int
  /// Factor of q·k before the softmax.
  package var scale: Float
  /// Keys a query sees, itself included; nil is all before it. Key j is seen by i iff i - w < j <= i.
  package var window: Int?
  /// Scores become `cap · tanh(score / cap)` before the mask.
  package var softcap: Float?

  package init(
    starts: [Int32], heads: Int, keyValueHeads: Int, headSize: Int, scale: Float,
    window: Int? = nil, softcap: Float? = nil
  ) {
    self.starts = starts
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.headSize = headSize
    self.scale = scale
    self.window = window
    self.softcap = softcap
  }

  /// N, the rows of all examples.
  package var rows: Int { Int(starts.last ?? 0) }
}

/// Activation of a gated feed-forward layer.
package enum GateActivation: String, Sendable {
  case silu
  /// 0.5x(1 + tanh(√(2/π)(x + 0.044715x³)))
  case geluTanh = "gelu_tanh"
}

/// Settings of one AdamW update (Loshchilov & Hutter 2019, the form of torch.optim.AdamW).
package struct AdamWSettings: Sendable, Hashable {
  package var learningRate: Double
  package var beta1: Double
  package var beta2: Double
  package var epsilon: Double
  package var weightDecay: Double
  /// 1 for the first update.
  package var step: Int

  package init(
    learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double,
    step: Int
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.step = step
  }
}

/// What the loss found at one target position.
package struct TargetLoss: Sendable, Hashable {
  /// -log p(target), nats.
  package var nll: Float
  /// The target was the most likely token (the lowest id wins a tie).
  package var isTop: Bool

  package init(nll: Float, isTop: Bool) {
    self.nll = nll
    self.isTop = isTop
  }
}

/// What an adapter adds to a product with a frozen matrix: one side of it is the rank.
package struct LowRankTerm {
  /// (N, `stride`), of which the columns `offset ..< offset + rank` count.
  package var hidden: Buffer
  package var stride: Int
  package var offset: Int
  package var rank: Int
  /// b (outputs, rank) in a forward product, a (rank, inputs) in a backward one.
  package var factor: Buffer
  package var scale: Float

  package init(
    hidden: Buffer, stride: Int, offset: Int = 0, rank: Int, factor: Buffer, scale: Float = 1
  ) {
    precondition(offset >= 0 && rank >= 0 && offset + rank <= stride, "ranks outside the stack")
    self.hidden = hidden
    self.stride = stride
    self.offset = offset
    self.rank = rank
    self.factor = factor
    self.scale = scale
  }
}

/// One machine's arithmetic.
///
/// Laws, checked for every device by `DeviceConformanceTests`: each operation agrees with
/// ``ReferenceDevice``, each backward operation with finite differences of its forward one, and no
/// result depends on the number of threads. A row of packed examples gives each example the values
/// that it would get alone.
///
/// Calls come from one thread at a time. Buffers that an operation writes overlap no other argument
/// unless said.
package protocol Device: AnyObject {
  /// What runs, for manifests: device, kernels, precision, threads.
  var summary: String { get }
  /// What the large products compute with.
  var precision: Precision { get }

  // MARK: Memory

  /// What this device has taken so far.
  var memory: DeviceMemory { get }
  /// A device with the matrices of this one that computes nothing: after the same calls its
  /// ``memory`` is what this one would have taken. Memory is mapped, not touched. Nil for a device
  /// whose operations need nothing besides their buffers.
  func rehearsal() -> (any Device)?
  /// New storage, zeroed. `label` names it in messages.
  func allocate(_ count: Int, label: String) throws(DeviceError) -> Buffer
  /// Gives back a buffer that ``allocate(_:label:)`` returned.
  func release(_ buffer: Buffer)
  /// Takes a frozen matrix; its bytes stay where they are as long as the device allows.
  func load(_ matrix: HostMatrix) throws(DeviceError) -> Matrix
  func write(_ values: UnsafeBufferPointer<Float>, to buffer: Buffer)
  func read(_ buffer: Buffer) -> [Float]
  func fill(_ buffer: Buffer, with value: Float)
  func copy(_ source: Buffer, to destination: Buffer)

  // MARK: Embedding, norms, positions

  /// y (N, C) = scale · table[tokens]; table (V, C).
  func embed(_ y: Buffer, tokens: [Int32], table: Matrix, scale: Float)
  /// y (N, C) = x · gain · s, s = (mean(x²) + ε)^(-1/2) kept in `inverseRMS` (N). Zhang & Sennrich 2019,
  /// eq. 4. `gain` (C) holds 1 + w where a family stores w.
  func rmsNormForward(
    _ y: Buffer, inverseRMS: Buffer, x: Buffer, gain: Buffer, rows: Int, channels: Int,
    epsilon: Float)
  /// dx (N, C) accumulates (or is overwritten, when `accumulate` is false); the gain is frozen.
  func rmsNormBackward(
    _ dx: Buffer, dy: Buffer, x: Buffer, gain: Buffer, inverseRMS: Buffer, rows: Int,
    channels: Int, accumulate: Bool)
  /// Rotates the first `2 · half` of every head in place (rotate-half layout, Su et al. 2021):
  /// (x1, x2) becomes (x1·cos - x2·sin, x2·cos + x1·sin), x1 and x2 the two halves.
  ///
  /// - Parameters: x (N, heads·headSize); cosines and sines (N, half). With `inverse` the rotation is
  ///   undone, which is also the backward pass.
  func rotate(
    _ x: Buffer, cosines: Buffer, sines: Buffer, rows: Int, heads: Int, headSize: Int, half: Int,
    inverse: Bool)

  // MARK: Linear maps

  /// y (N, O) = x (N, I) · wᵀ + scale · h · bᵀ, w (O, I), h (N, r) and b (O, r) of `plus`, if any. With
  /// `accumulate` it is added to y.
  func linearForward(
    _ y: Buffer, x: Buffer, weight: Matrix, rows: Int, accumulate: Bool, plus: LowRankTerm?)
  /// dx (N, I) = dy (N, O) · w + scale · h · a, h (N, r) and a (r, I) of `plus`, if any.
  func linearBackward(
    _ dx: Buffer, dy: Buffer, weight: Matrix, rows: Int, accumulate: Bool, plus: LowRankTerm?)
  /// y (N, O) += bias (O).
  func addBias(_ y: Buffer, bias: Buffer, rows: Int, columns: Int)

  /// hidden (N, R) = x (N, I) · aᵀ, a (R, I): the A factors of all adapters that read x, stacked.
  func lowRankDown(_ hidden: Buffer, x: Buffer, a: Buffer, rows: Int, inputs: Int, rank: Int)
  /// dHidden[:, offset ..< offset + r] = scale · dy · b, and dB += scale · dyᵀ · hidden[:, …]
  /// unless dB is nil. With `accumulate` dHidden is added to (row slices of one fused B share it).
  func lowRankUpBackward(
    dHidden: Buffer, dB: Buffer?, dy: Buffer, hidden: Buffer, b: Buffer, rows: Int, outputs: Int,
    rank: Int, offset: Int, stride: Int, scale: Float, accumulate: Bool)
  /// dA (R, I) += dHiddenᵀ · x.
  func lowRankDownBackward(
    dA: Buffer, dHidden: Buffer, x: Buffer, rows: Int, inputs: Int, rank: Int)
  /// dx (N, I) += scale · h · a, h (N, r) and a (r, I): what a backward product adds, by itself.
  func lowRankInput(_ dx: Buffer, _ term: LowRankTerm, rows: Int, inputs: Int)

  // MARK: Dropout

  /// y (N, C) = x · 0 or the mask's scale, by its factors; with `accumulate` it is added to y. One
  /// place a row. y may be x. It is its own backward pass.
  func dropout(
    _ y: Buffer, x: Buffer, places: [DropoutMask.Place], columns: Int, mask: DropoutMask,
    accumulate: Bool)

  // MARK: Weight decomposition (DoRA: Liu et al. 2024, https://arxiv.org/abs/2402.09353)

  /// norms (O) = ‖w + scale · b·a‖ of each row, and gain (O) = magnitude / norms; 0 where a norm is 0.
  /// w (O, I), a (r, I), b (O, r).
  func decompose(
    gain: Buffer, norms: Buffer, magnitude: Buffer, weight: Matrix, a: Buffer, b: Buffer,
    rank: Int, scale: Float)
  /// y (N, O) = x · factors (O), column by column; with `accumulate` it is added to y. y may be x.
  func scaleColumns(
    _ y: Buffer, x: Buffer, by factors: Buffer, rows: Int, columns: Int, accumulate: Bool)
  /// dMagnitude (O) += Σ_n dy · z / norms; dy, z (N, O). Columns of which the norm is 0 get nothing.
  func magnitudeBackward(
    _ dMagnitude: Buffer, dy: Buffer, z: Buffer, norms: Buffer, rows: Int, columns: Int)

  // MARK: Attention and feed-forward

  /// out (N, H·D) = softmax(scale · q kᵀ + mask) v within each example; q (N, H·D), k and v (N, K·D);
  /// query head h reads key/value head h / (H/K). logSumExp (N, H) is kept for the backward pass.
  func attentionForward(
    _ out: Buffer, logSumExp: Buffer, q: Buffer, k: Buffer, v: Buffer, shape: AttentionShape)
  /// dq, dk, dv are overwritten.
  func attentionBackward(
    dq: Buffer, dk: Buffer, dv: Buffer, dOut: Buffer, out: Buffer, logSumExp: Buffer, q: Buffer,
    k: Buffer, v: Buffer, shape: AttentionShape)
  /// y = activation(gate) · up, element by element.
  func gateForward(_ y: Buffer, gate: Buffer, up: Buffer, activation: GateActivation)
  /// dGate and dUp are overwritten; dGate may be `gate` itself and dUp may be `up` itself.
  func gateBackward(
    dGate: Buffer, dUp: Buffer, dy: Buffer, gate: Buffer, up: Buffer, activation: GateActivation)
  /// y += x.
  func add(_ y: Buffer, _ x: Buffer)

  // MARK: Loss

  /// out (M, C) = x[rows], x (N, C).
  func gatherRows(_ out: Buffer, x: Buffer, rows: [Int32], columns: Int)
  /// x[rows] += values (M, C); rows are distinct.
  func scatterAddRows(_ x: Buffer, values: Buffer, rows: [Int32], columns: Int)
  /// The logits of `hidden` (rows, C), for tests and tools: logits (rows, V).
  func logits(_ logits: Buffer, hidden: Buffer, head: Matrix, rows: Int, softcap: Float?)
  /// Softmax cross-entropy of head · hidden against `targets`, in chunks: the (M, V) logits never
  /// exist as a whole.
  ///
  /// - Parameters:
  ///   - dHidden: (M, C), overwritten with `gradientScale` · ∂Σnll/∂hidden; nil computes losses only.
  ///   - hidden: (M, C), the normed states at target positions.
  /// - Returns: one entry a target, in order.
  func crossEntropy(
    dHidden: Buffer?, hidden: Buffer, head: Matrix, targets: [Int32], softcap: Float?,
    gradientScale: Float
  ) -> [TargetLoss]

  // MARK: Optimizer

  /// Σ x², in float64 with an order fixed by the count.
  func sumOfSquares(_ x: Buffer) -> Double
  /// x *= factor.
  func scale(_ x: Buffer, by factor: Float)
  /// One AdamW update of `parameter` in place; gradient, first and second moment of equal count.
  func adamW(
    parameter: Buffer, gradient: Buffer, firstMoment: Buffer, secondMoment: Buffer,
    settings: AdamWSettings)
}
