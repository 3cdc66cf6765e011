// SPDX-License-Identifier: Apache-2.0
import Partitioning
import Randomness
import Testing

@Suite struct BinningTests {
  private func binning(_ rule: BinningRule, _ values: [Double]) -> Binning {
    Binning(axis: .length, rule: rule, sorted: values.sorted())
  }

  @Test func quantilesCutIntoEqualParts() {
    let bins = binning(.quantile(4), (1...100).map(Double.init))
    #expect(bins.cuts == .edges([26, 51, 76]))
    #expect(bins.bin(of: 25) == 0 && bins.bin(of: 26) == 1 && bins.bin(of: 100) == 3)
    #expect(bins.bin(of: -5) == 0 && bins.bin(of: 1e9) == 3)
  }

  @Test func equalValuesAreNeverSplit() {
    var draws = Seed(2).stream("ties")
    for _ in 0..<100 {
      let values = (0..<200).map { _ in Double(draws.integer(below: 6)) }
      let bins = binning(.quantile(10), values)
      #expect(bins.count <= 6)
      // Every bin has a record, and the bin depends on the value alone.
      #expect(Set(values.map { bins.bin(of: $0) }) == Set(0..<bins.count))
    }
    #expect(binning(.quantile(10), [7, 7, 7]).count == 1)
    #expect(binning(.quantile(10), []).count == 1)
    #expect(binning(.quantile(3), [0, 1]).count == 2)
  }

  @Test func doublingBinsStartAtOne() {
    let bins = binning(.log2, [0, 1, 2, 3, 4, 9])
    #expect(bins.cuts == .edges([1, 2, 4, 8]))
    #expect([0, 1, 2, 3, 4, 7, 8, 9].map { bins.bin(of: $0) } == [0, 1, 2, 2, 3, 3, 4, 4])
  }

  @Test func rulesAreReadBack() throws {
    for text in ["quantile:10", "log2", "edges:64,256,1024", "edges:0.25,0.5", "edges:-1"] {
      #expect(try BinningRule(parsing: text).name == text)
    }
  }

  @Test(arguments: [
    "", "quantile", "quantile:0", "quantile:x", "quantile:99999999", "log", "edges:", "edges:3,2",
    "edges:1,1", "edges:1,,2", "edges:nan", "edges:1,inf",
  ])
  func badRulesAreRefused(text: String) {
    #expect(throws: PartitionError.self) { try BinningRule(parsing: text) }
  }
}
