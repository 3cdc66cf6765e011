// SPDX-License-Identifier: Apache-2.0
import Adapters
import Safetensors

/// Values of a client's factor in float64, and sums of the updates.
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

  /// The values as float32.
  static func floats(_ view: TensorView) -> [Float] {
    [Float](unsafeUninitializedCapacity: view.elementCount) { output, count in
      view.copyFloats(from: 0, into: output)
      count = view.elementCount
    }
  }

  /// M = Σ w_i s_i B_i A_i of one module.
  static func exactMean(_ round: AggregationRound, module: Int) -> ProductSum {
    sum(round.clients.map(\.file), round.weights, module: module)
  }

  /// Σ c_i s_i B_i A_i of one module; adapters of coefficient 0 are left out.
  static func sum(
    _ files: [AdapterFile], _ coefficients: [Double], module: Int
  ) -> ProductSum {
    let first = files[0].modules[module]
    var sum = ProductSum(inputSize: first.inputSize, outputSize: first.outputSize)
    for (file, coefficient) in zip(files, coefficients) where coefficient != 0 {
      let views = file.modules[module]
      sum.add(
        loraB: values(views.loraB).map { coefficient * views.scale * $0 },
        loraA: values(views.loraA), rank: views.rank)
    }
    return sum
  }

  /// s B A of a module in memory.
  static func sum(of module: AdapterModule, scale: Double) -> ProductSum {
    var sum = ProductSum(inputSize: module.inputSize, outputSize: module.outputSize)
    sum.add(
      loraB: module.loraB.map { scale * Double($0) }, loraA: module.loraA.map(Double.init),
      rank: module.rank)
    return sum
  }

  /// Whether all adapters have the same scale in every module.
  static func haveEqualScales(_ files: [AdapterFile]) -> Bool {
    files.allSatisfy { file in
      zip(file.modules, files[0].modules).allSatisfy { $0.scale == $1.scale }
    }
  }
}
