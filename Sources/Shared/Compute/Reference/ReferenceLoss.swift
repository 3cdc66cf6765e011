// SPDX-License-Identifier: Apache-2.0
import Glibc

extension ReferenceDevice {
  package func logits(
    _ logits: Buffer, hidden: Buffer, head: Matrix, rows: Int, softcap: Float?
  ) {
    linearForward(logits, x: hidden, weight: head, rows: rows, accumulate: false, plus: nil)
    guard let softcap else { return }
    for i in 0..<rows * head.rows {
      logits.pointer[i] = Float(Double(softcap) * tanh(Double(logits.pointer[i] / softcap)))
    }
  }

  package func crossEntropy(
    dHidden: Buffer?, hidden: Buffer, head: Matrix, targets: [Int32], softcap: Float?,
    gradientScale: Float
  ) -> [TargetLoss] {
    let (channels, vocabulary) = (head.columns, head.rows)
    let hidden = hidden.values(targets.count * channels)
    let dHidden = dHidden?.values(targets.count * channels)
    let table = (0..<vocabulary).map { row($0, of: head) }
    return targets.enumerated().map { m, target in
      precondition(target >= 0 && Int(target) < vocabulary, "target outside the vocabulary")
      var scores = [Double](repeating: 0, count: vocabulary)
      var slopes = [Double](repeating: 1, count: vocabulary)
      for v in 0..<vocabulary {
        for c in 0..<channels { scores[v] += Double(hidden[m * channels + c]) * Double(table[v][c]) }
        if let softcap {
          let t = tanh(scores[v] / Double(softcap))
          scores[v] = Double(softcap) * t
          slopes[v] = 1 - t * t
        }
      }
      let maximum = scores.max() ?? 0
      let logSum = maximum + log(scores.reduce(0) { $0 + exp($1 - maximum) })
      if let dHidden {
        for c in 0..<channels {
          var sum = 0.0
          for v in 0..<vocabulary {
            let p = exp(scores[v] - logSum) - (v == Int(target) ? 1 : 0)
            sum += p * slopes[v] * Double(table[v][c])
          }
          dHidden[m * channels + c] = Float(Double(gradientScale) * sum)
        }
      }
      return TargetLoss(
        nll: Float(logSum - scores[Int(target)]),
        isTop: scores.firstIndex(of: maximum) == Int(target))
    }
  }
}
