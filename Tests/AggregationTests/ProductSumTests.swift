// SPDX-License-Identifier: Apache-2.0
import Aggregation
import Testing

@Suite struct ProductSumTests {
  /// Sizes around the blocks of the Gram matrices; ranks that are no multiple of four.
  @Test(arguments: [(1, 1), (7, 3), (8, 9), (512, 5), (513, 2), (1030, 17)], [1, 2, 3, 5])
  func normIsThatOfTheDenseMatrix(size: (Int, Int), rank: Int) {
    let (inputs, outputs) = size
    var sum = ProductSum(inputSize: inputs, outputSize: outputs)
    var dense = [Double](repeating: 0, count: outputs * inputs)
    for term in 0..<3 {
      let b = (0..<outputs * rank).map { Double(($0 * 37 + term * 11) % 19) - 8 }
      let a = (0..<rank * inputs).map { Double(($0 * 53 + term * 7) % 23) / 8 - 1 }
      sum.add(loraB: b, loraA: a, rank: rank)
      let product = Dense.product(b, a, outputs, rank, inputs, 1)
      for index in dense.indices { dense[index] += product[index] }
    }
    #expect(sum.rank == 3 * rank)
    let expected = Dense.norm(dense) * Dense.norm(dense)
    #expect(abs(sum.squaredNorm() - expected) <= 1e-12 * expected)
  }

  @Test func emptySumIsZero() {
    #expect(ProductSum(inputSize: 3, outputSize: 4).squaredNorm() == 0)
  }
}
