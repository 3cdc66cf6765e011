// SPDX-License-Identifier: Apache-2.0
import Reporting
import Testing

@Suite struct ScaleTests {
  @Test func ticksAreRoundNumbers() {
    let scale = Scale(.linear, over: [3.098, 3.76], to: (0, 100), tickCount: 4)
    #expect(scale.ticks.map(\.text) == ["3.0", "3.2", "3.4", "3.6", "3.8"])
    #expect(scale.low == 3.0)
    #expect(abs(scale.high - 3.8) < 1e-12)
    let quarters = Scale(.linear, over: [0, 1], to: (0, 100), tickCount: 4)
    #expect(quarters.ticks.map(\.text) == ["0.00", "0.25", "0.50", "0.75", "1.00"])
    let negative = Scale(.linear, over: [-7, 12], to: (0, 100), tickCount: 4)
    #expect(negative.ticks.map(\.text) == ["−10", "−5", "0", "5", "10", "15"])
    let large = Scale(.linear, over: [0, 40_000], to: (0, 100), tickCount: 4)
    #expect(large.ticks.map(\.text) == ["0", "10,000", "20,000", "30,000", "40,000"])
  }

  @Test func countsHaveNoTicksBetweenThem() {
    let rounds = Scale(.linear, over: [0, 1, 2], to: (0, 100), tickCount: 5, whole: true)
    #expect(rounds.ticks.map(\.text) == ["0", "1", "2"])
    let one = Scale(.linear, over: [1], to: (0, 100), whole: true)
    #expect(one.ticks.allSatisfy { $0.value == $0.value.rounded() })
  }

  @Test func exactEndsKeepRoundTicksInside() {
    let steps = Scale(
      .linear, over: [1, 66], to: (0, 130), tickCount: 5, whole: true, isExact: true)
    #expect(steps.low == 1 && steps.high == 66)
    #expect(steps.ticks.map(\.text) == ["20", "40", "60"])
    #expect(abs(steps.position(66) - 130) < 1e-9)
  }

  @Test func doublingScale() {
    let scale = Scale(.binaryLogarithm, over: [20, 300], to: (0, 100), tickCount: 6)
    #expect(scale.ticks.map(\.text) == ["16", "32", "64", "128", "256", "512"])
    #expect(abs(scale.position(64) - 40) < 1e-9)
    #expect(scale.position(0) == 0)
  }

  @Test func positionsAreLinearAndClamped() {
    let scale = Scale(.linear, over: [0, 10], to: (50, 250))
    #expect(scale.position(0) == 50)
    #expect(scale.position(2.5) == 100)
    #expect(scale.position(10) == 250)
    #expect(scale.position(99) == 250)
    #expect(scale.position(.nan) == 50)
  }

  @Test(
    arguments: [
      [], [0], [5, 5], [-3, -3], [1e-300, 2e-300], [-1e308, 1e308], [.nan, .infinity],
      [1e99, 1e100],
      [3, 3.0000000001],
    ] as [[Double]])
  func oddValuesGiveAFiniteScale(values: [Double]) {
    for kind in [Scale.Kind.linear, .binaryLogarithm] {
      for (whole, isExact) in [(false, false), (true, false), (false, true), (true, true)] {
        let scale = Scale(kind, over: values, to: (0, 100), whole: whole, isExact: isExact)
        #expect(scale.low < scale.high)
        #expect(scale.ticks.count <= 52)
        for value in values + [0, 1] {
          let place = scale.position(value)
          #expect(place >= 0 && place <= 100)
        }
      }
    }
  }

  // Reference: numpy.quantile([1, 2, 3, 4, 10], [.05, .25, .5, .75, .95]).
  @Test func quantilesAreInterpolated() throws {
    let box = try #require(BoxStatistics([10, 1, 4, 2, 3]))
    #expect(box.count == 5)
    #expect(box.mean == 4)
    for (found, expected) in zip(box.quantiles, [1.2, 2, 3, 4, 8.8]) {
      #expect(abs(found - expected) < 1e-12)
    }
    #expect(BoxStatistics([]) == nil)
    #expect(BoxStatistics([.nan]) == nil)
    #expect(BoxStatistics([7])?.quantiles == [7, 7, 7, 7, 7])
  }

  // Reference: scipy.stats.t.interval(.95, 3, loc=2.5, scale=sem) for 1, 2, 3, 4.
  @Test func confidenceInterval() throws {
    let interval = ConfidenceInterval([1, 2, 3, 4])
    #expect(interval.mean == 2.5)
    #expect(abs(try #require(interval.halfWidth) - 2.054) < 1e-3)
    #expect(ConfidenceInterval([1]).halfWidth == nil)
  }
}
