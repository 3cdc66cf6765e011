// SPDX-License-Identifier: Apache-2.0
import Examples
import Randomness
import Testing

@Suite struct BatchSamplerTests {
  private static let lengths = [30, 7, 120, 5, 64, 9, 33, 18, 200, 41, 12, 77, 3]

  private func sampler(
    _ order: ExampleOrder, _ budget: BatchBudget, seed: UInt64 = 1, client: String = "0"
  ) -> BatchSampler {
    BatchSampler(
      lengths: BatchSamplerTests.lengths,
      qualities: BatchSamplerTests.lengths.map { Double($0 % 10) }, order: order, budget: budget,
      seed: Seed(seed), streamPath: ["round-1", "client-\(client)"])
  }

  @Test(arguments: ExampleOrder.allCases, [BatchBudget.tokens(100), .records(4), .tokens(1)])
  func everyEpochTakesEachExampleOnce(order: ExampleOrder, budget: BatchBudget) throws {
    var sampler = sampler(order, budget)
    var next = 0
    for epoch in 0..<5 {
      var taken: [Int] = []
      let end = sampler.stepCount(epochs: epoch + 1)
      while next < end {
        let found = sampler.step(next)
        let step = try #require(found)
        #expect(step.epoch == epoch)
        taken += step.examples
        let tokens = step.examples.map { BatchSamplerTests.lengths[$0] }.reduce(0, +)
        switch budget {
        case .tokens(let limit): #expect(tokens <= limit || step.examples.count == 1)
        case .records(let limit):
          #expect(step.examples.count == limit || next == end - 1)
        }
        next += 1
      }
      #expect(taken.sorted() == Array(BatchSamplerTests.lengths.indices))
    }
  }

  /// What resuming needs: a step is the same whether or not the steps before it were asked for.
  @Test(arguments: ExampleOrder.allCases)
  func stepsAreRandomAccess(order: ExampleOrder) {
    var walked = sampler(order, .tokens(100))
    let steps = (0..<40).map { walked.step($0) }
    for index in [39, 0, 17, 5, 38, 6] {
      var fresh = sampler(order, .tokens(100))
      let direct = fresh.step(index)
      let again = walked.step(index)
      #expect(direct == steps[index])
      #expect(again == steps[index])
    }
  }

  @Test func ordersAreWhatTheySay() {
    let lengths = BatchSamplerTests.lengths
    func epoch(_ order: ExampleOrder, _ number: Int = 0) -> [Int] {
      var sampler = sampler(order, .records(13))
      return sampler.step(number)?.examples ?? []
    }
    #expect(epoch(.asIs) == Array(lengths.indices))
    #expect(epoch(.length).map { lengths[$0] } == lengths.sorted())
    // Best first, then the order of the file.
    #expect(epoch(.quality) == [5, 7, 1, 11, 3, 4, 6, 12, 10, 9, 0, 2, 8])
    #expect(epoch(.shuffled) != epoch(.asIs))
    #expect(epoch(.shuffled) != epoch(.shuffled, 1))
  }

  @Test func seedAndClientNameTheShuffle() {
    func first(_ seed: UInt64, _ client: String) -> [Int] {
      var sampler = sampler(.shuffled, .records(13), seed: seed, client: client)
      return sampler.step(0)?.examples ?? []
    }
    #expect(first(1, "0") == first(1, "0"))
    #expect(first(1, "0") != first(2, "0"))
    #expect(first(1, "0") != first(1, "1"))
  }

  @Test func noExamplesNoSteps() {
    var sampler = BatchSampler(
      lengths: [], order: .shuffled, budget: .tokens(10), seed: Seed(1), streamPath: [])
    let step = sampler.step(0)
    let count = sampler.stepCount(epochs: 3)
    #expect(step == nil && count == 0)
  }

  @Test(arguments: [1, 40, 100, 10_000])
  func rowsCoverTheStepInOrder(limit: Int) {
    let lengths = BatchSamplerTests.lengths
    let rows = RowCut.rows(lengths: lengths, limit: limit)
    #expect(rows.flatMap { Array($0) } == Array(lengths.indices))
    for row in rows {
      #expect(row.count == 1 || lengths[row].reduce(0, +) <= limit)
    }
    // No two neighbours would have fitted into one row.
    for (row, next) in zip(rows, rows.dropFirst()) {
      #expect(lengths[row].reduce(0, +) + lengths[next.lowerBound] > limit)
    }
    #expect(RowCut.rows(lengths: [], limit: limit).isEmpty)
  }
}
