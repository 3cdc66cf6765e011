// SPDX-License-Identifier: Apache-2.0
import Adapters
import Safetensors

/// Values of a client's factor in float64, and the exact average of the updates.
enum ClientFactors {
  static func values(_ view: TensorView) -> [Double] {
    [Double](unsafeUninitializedCapacity: view.elementCount) { output, count in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: view.elementCount) { values in
        view.copyFloats(from: 0, into: values)
        for index in 0..<view.elementCount { output[index] = Double(values[index]) }
      }
      count = view.elementCount
    }
  }

  /// M = Σ w_i s_i B_i A_i of one module.
  static func exactMean(_ round: AggregationRound, module: Int) -> ProductSum {
    let first = round.clients[0].file.modules[module]
    var sum = ProductSum(inputSize: first.inputSize, outputSize: first.outputSize)
    for (client, weight) in zip(round.clients, round.weights) {
      let views = client.file.modules[module]
      sum.add(
        loraB: values(views.loraB).map { weight * views.scale * $0 },
        loraA: values(views.loraA), rank: views.rank)
    }
    return sum
  }
}
