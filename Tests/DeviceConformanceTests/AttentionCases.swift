// SPDX-License-Identifier: Apache-2.0
import Compute

extension OperationCatalog {
  /// Shapes of attention: groups of heads, odd head sizes, windows, soft caps, long and tiny examples.
  static let attentionShapes: [(name: String, shape: AttentionShape)] = [
    ("no rows", shape([0], heads: 2, keyValueHeads: 1, headSize: 8)),
    ("an empty example", shape([3, 0, 2], heads: 2, keyValueHeads: 1, headSize: 8)),
    ("one row", shape([1], heads: 3, keyValueHeads: 3, headSize: 20)),
    ("packed", shape([3, 67, 1, 130], heads: 4, keyValueHeads: 2, headSize: 24)),
    ("one head a group", shape([150], heads: 2, keyValueHeads: 2, headSize: 80)),
    ("nine over three", shape([300, 41], heads: 9, keyValueHeads: 3, headSize: 64)),
    ("multi-query", shape([90], heads: 8, keyValueHeads: 1, headSize: 33)),
    ("window", shape([300, 20], heads: 2, keyValueHeads: 1, headSize: 16, window: 37)),
    ("window of two", shape([40], heads: 2, keyValueHeads: 1, headSize: 16, window: 2)),
    ("soft cap", shape([140], heads: 4, keyValueHeads: 2, headSize: 16, softcap: 5)),
    (
      "window and soft cap",
      shape([270], heads: 4, keyValueHeads: 2, headSize: 16, window: 100, softcap: 2)
    ),
    ("several segments", shape([1100, 30], heads: 2, keyValueHeads: 1, headSize: 8)),
    (
      "segments and window",
      shape([5, 1030], heads: 2, keyValueHeads: 1, headSize: 8, window: 300)
    ),
  ]

  static let attention: [OperationCase] = attentionShapes.map { name, shape in
    OperationCase(name: "attention, \(name)") { m in try runAttention(shape, on: m) }
  }

  static func shape(
    _ lengths: [Int32], heads: Int, keyValueHeads: Int, headSize: Int, window: Int? = nil,
    softcap: Float? = nil
  ) -> AttentionShape {
    AttentionShape(
      starts: lengths.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }, heads: heads,
      keyValueHeads: keyValueHeads, headSize: headSize, scale: 1.7 / Float(headSize).squareRoot(),
      window: window, softcap: softcap)
  }

  /// Values of q, k, v and dOut for a shape.
  static func attentionInputs(_ shape: AttentionShape) -> [[Float]] {
    var noise = Noise(13)
    let queries = shape.rows * shape.heads * shape.headSize
    let keys = shape.rows * shape.keyValueHeads * shape.headSize
    return [queries, keys, keys, queries].map { noise.values($0, amplitude: 2) }
  }

  static func runAttention(
    _ shape: AttentionShape, on m: Machine, inputs: [[Float]]? = nil
  ) throws -> [[Float]] {
    let inputs = try (inputs ?? attentionInputs(shape)).map(m.buffer)
    let (q, k, v, dOut) = (inputs[0], inputs[1], inputs[2], inputs[3])
    let (out, logSumExp) = (try m.zeros(q.count), try m.zeros(shape.rows * shape.heads))
    m.device.attentionForward(out, logSumExp: logSumExp, q: q, k: k, v: v, shape: shape)
    let (dq, dk, dv) = (try m.zeros(q.count), try m.zeros(k.count), try m.zeros(v.count))
    for buffer in [dq, dk, dv] { m.device.fill(buffer, with: 99) }  // must be overwritten
    m.device.attentionBackward(
      dq: dq, dk: dk, dv: dv, dOut: dOut, out: out, logSumExp: logSumExp, q: q, k: k, v: v,
      shape: shape)
    return [out, logSumExp, dq, dk, dv].map(m.device.read)
  }
}
