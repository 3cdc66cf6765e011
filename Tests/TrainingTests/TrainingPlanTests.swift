// SPDX-License-Identifier: Apache-2.0
import Examples
import Randomness
import Records
import Testing
import Training

@Suite struct TrainingPlanTests {
  /// Examples of these lengths; every token but the first is a target.
  private func set(_ lengths: [Int], qualities: [Double?] = []) -> ExampleSet {
    var set = ExampleSet()
    for (index, length) in lengths.enumerated() {
      set.append(
        Example(
          tokens: Array(repeating: 1, count: length),
          isTarget: Array(repeating: true, count: length), context: 1000),
        at: RecordLocation(file: "x", line: index + 1),
        quality: qualities.isEmpty ? nil : qualities[index])
    }
    return set
  }

  private func plan(
    _ set: ExampleSet, order: ExampleOrder = .asIs, budget: BatchBudget,
    length: TrainingLength
  ) throws -> TrainingPlan {
    try TrainingPlan(
      set: set, order: order, budget: budget, length: length, seed: Seed(1), streamPath: ["r"])
  }

  @Test func stepsTakeRecordsAsTheyFit() throws {
    let plan = try plan(set([30, 40, 50, 200, 10]), budget: .tokens(100), length: .epochs(1))
    #expect(plan.steps == [[0, 1], [2], [3], [4]])
    #expect(plan.totals(steps: 2).tokens == 120)
    #expect(plan.totals(steps: 2).targets == 117)
    #expect(plan.longestRow(limit: 60) == 200)
    #expect(plan.longestRow(limit: 1) == 200)
  }

  @Test func stepsGoOnOverEpochs() throws {
    let plan = try plan(set([5, 6, 7]), budget: .records(2), length: .steps(5))
    #expect(plan.steps == [[0, 1], [2], [0, 1], [2], [0, 1]])
    #expect(plan.seen.records == 3)
    #expect(plan.seen.tokens == 18)
    #expect(plan.seen.targets == 15)
    #expect(plan.seen.qualityTokens == nil)
  }

  @Test func onlyWhatIsSeenCounts() throws {
    let set = set([5, 6, 7], qualities: [0.5, nil, 0.25])
    let plan = try plan(set, budget: .records(1), length: .steps(1))
    #expect(plan.seen.records == 1)
    #expect(plan.seen.qualityTokens == 2.5)
  }

  @Test func withoutRecordsThereIsNothingToDo() throws {
    #expect(throws: TrainingError.noRecords(source: "")) {
      _ = try plan(set([]), budget: .records(1), length: .epochs(1))
    }
    #expect(throws: TrainingError.noRecords(source: "")) {
      _ = try plan(set([]), budget: .records(1), length: .steps(3))
    }
    #expect(try plan(set([]), budget: .records(1), length: .steps(0)).steps.isEmpty)
  }

  @Test func qualityOrderNeedsQualities() throws {
    let known = set([5, 6, 7], qualities: [0.5, 0.9, 0.7])
    let plan = try plan(known, order: .quality, budget: .records(1), length: .epochs(1))
    #expect(plan.steps == [[1], [2], [0]])
    #expect(throws: TrainingError.self) {
      _ = try self.plan(
        set([5, 6], qualities: [0.5, nil]), order: .quality, budget: .records(1),
        length: .epochs(1))
    }
  }
}
