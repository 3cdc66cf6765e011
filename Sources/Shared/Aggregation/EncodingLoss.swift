// SPDX-License-Identifier: Apache-2.0
package import Adapters

/// What writing an adapter in fewer bits cost.
package struct EncodingLoss: Sendable, Equatable {
  /// Largest difference of a value of A or B.
  package let largest: Float
  /// ‖ΔW − ΔW'‖ / ‖ΔW‖ over all modules; 0 where both are zero.
  package let relative: Float
  /// No value became an infinity.
  package let isFinite: Bool

  /// - Precondition: both have the same modules.
  package init(_ exact: Adapter, _ rounded: Adapter) {
    var largest: Float = 0
    var (difference, whole) = (0.0, 0.0)
    for (x, y) in zip(exact.modules, rounded.modules) {
      for (a, b) in [(x.loraA, y.loraA), (x.loraB, y.loraB)] {
        for (value, other) in zip(a, b) { largest = max(largest, (value - other).magnitude) }
      }
      let scale = exact.scale(of: x)
      var sum = ClientFactors.sum(of: x, scale: scale)
      whole += sum.squaredNorm()
      // BA − B'A' = (B − B')A + B'(A − A'): nothing cancels.
      sum = ProductSum(inputSize: x.inputSize, outputSize: x.outputSize)
      sum.add(
        loraB: zip(x.loraB, y.loraB).map { scale * (Double($0) - Double($1)) },
        loraA: x.loraA.map(Double.init), rank: x.rank)
      sum.add(
        loraB: y.loraB.map { scale * Double($0) },
        loraA: zip(x.loraA, y.loraA).map { Double($0) - Double($1) }, rank: x.rank)
      difference += sum.squaredNorm()
    }
    self.largest = largest
    relative = whole > 0 ? Float((difference / whole).squareRoot()) : 0
    isFinite = largest.isFinite && relative.isFinite
  }
}
