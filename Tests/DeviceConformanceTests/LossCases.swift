// SPDX-License-Identifier: Apache-2.0
import Compute

extension OperationCatalog {
  static let loss: [OperationCase] =
    [(0, 96, 411), (1, 96, 411), (67, 80, 411), (600, 32, 5000), (40, 64, 16)].flatMap {
      rows, channels, vocabulary in
      [(WeightFormat.float32, Float?.none), (.float16, 3), (.bfloat16, nil)].map { format, softcap in
        let cap = softcap.map { " cap \($0)" } ?? ""
        let name = "loss \(rows)x\(channels)x\(vocabulary) \(format.rawValue)\(cap)"
        return OperationCase(name: name) { m in
          var noise = Noise(14)
          let head = try m.noiseMatrix(
            rows: vocabulary, columns: channels, format: format, seed: 15)
          let hidden = try m.buffer(noise.values(rows * channels, amplitude: 4))
          let targets = noise.integers(rows, below: vocabulary)
          let dHidden = try m.zeros(rows * channels)
          m.device.fill(dHidden, with: 99)
          let losses = m.device.crossEntropy(
            dHidden: dHidden, hidden: hidden, head: head, targets: targets, softcap: softcap,
            gradientScale: 0.25)
          let only = m.device.crossEntropy(
            dHidden: nil, hidden: hidden, head: head, targets: targets, softcap: softcap,
            gradientScale: 1)
          let logitRows = min(rows, 7)
          let logits = try m.zeros(logitRows * vocabulary)
          m.device.logits(logits, hidden: hidden, head: head, rows: logitRows, softcap: softcap)
          return [
            losses.map(\.nll), losses.map { $0.isTop ? 1 : 0 }, only.map(\.nll),
            m.device.read(dHidden), m.device.read(logits),
          ]
        }
      }
    }
}
