// SPDX-License-Identifier: Apache-2.0
import Testing
import Training

@Suite struct ScheduleTests {
  private func rates(
    _ shape: LearningRateSchedule.Shape, warmup: Int, total: Int
  ) -> [Double] {
    let schedule = LearningRateSchedule(
      shape: shape, peak: 1, warmupSteps: warmup, totalSteps: total)
    return (0..<total).map { schedule.rate(step: $0) }
  }

  private func equal(_ left: [Double], _ right: [Double]) -> Bool {
    left.count == right.count && zip(left, right).allSatisfy { abs($0 - $1) < 1e-9 }
  }

  /// What LambdaLR with transformers' functions gives at these steps.
  @Test func ratesAreThoseOfTransformers() {
    #expect(
      equal(
        rates(.linear, warmup: 2, total: 10),
        [0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]))
    #expect(equal(rates(.linear, warmup: 0, total: 4), [1, 0.75, 0.5, 0.25]))
    #expect(
      equal(rates(.cosine, warmup: 0, total: 4), [1, 0.853553390593, 0.5, 0.146446609407]))
    #expect(
      equal(rates(.cosine, warmup: 1, total: 5), [0, 1, 0.853553390593, 0.5, 0.146446609407]))
    #expect(equal(rates(.constant, warmup: 2, total: 4), [0, 0.5, 1, 1]))
    #expect(equal(rates(.linear, warmup: 0, total: 1), [1]))
  }

  @Test func aShareOfWarmupIsRoundedUp() {
    #expect(Warmup.share(0.03).steps(of: 100) == 3)
    #expect(Warmup.share(0.03).steps(of: 101) == 4)
    #expect(Warmup.share(0).steps(of: 100) == 0)
    #expect(Warmup.steps(7).steps(of: 5) == 5)
  }

  @Test func clippingFollowsTorch() {
    #expect(GradientClipping.factor(norm: 4, maximum: 1) == 1 / 4.000001)
    #expect(GradientClipping.factor(norm: 0.5, maximum: 1) == 1)
    #expect(GradientClipping.factor(norm: 1e9, maximum: 0) == 1)
  }
}
