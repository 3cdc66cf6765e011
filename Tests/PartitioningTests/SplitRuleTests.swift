// SPDX-License-Identifier: Apache-2.0
import Partitioning
import Randomness
import Testing

@Suite struct SplitRuleTests {
  @Test func eachClientIsSplitByLargestRemainder() throws {
    let rule = try SplitRule(parsing: "train=.8,validation=.1,test=.1")
    let clientOf = (0..<157).map { Int32($0 < 100 ? 0 : 1 + $0 % 2) }
    let partOf = rule.assign(clientOf: clientOf, clients: 4, seed: Seed(1))
    for client in 0..<4 {
      let own = zip(clientOf, partOf).filter { $0.0 == Int32(client) }.map(\.1)
      let counts = (0..<3).map { part in own.filter { $0 == part }.count }
      #expect(counts == Apportionment.parts(of: own.count, shares: [0.8, 0.1, 0.1]))
    }
    #expect(partOf != rule.assign(clientOf: clientOf, clients: 4, seed: Seed(2)))
  }

  @Test func aClientsSplitDoesNotDependOnTheOthers() throws {
    let rule = try SplitRule(parsing: "train=.5,test=.5")
    let alone = rule.assign(
      clientOf: [Int32](repeating: 0, count: 40), clients: 1, seed: Seed(1))
    let together = rule.assign(
      clientOf: (0..<80).map { Int32($0 / 40) }, clients: 2, seed: Seed(1))
    #expect(alone == Array(together[..<40]))
  }

  @Test func withoutPartsThereIsOne() {
    #expect(SplitRule.none.assign(clientOf: [0, 1, 0], clients: 2, seed: Seed(1)) == [0, 0, 0])
  }

  @Test(arguments: [
    "", "train", "train=1,test", "train=.8", "train=.8,test=.3", "train=.5,train=.5",
    "train=1.5,test=-.5", "a/b=1", "train=nan", "=1", "train=.5,,test=.5", "../x=1", "A=1",
  ])
  func badSplitsAreRefused(text: String) {
    #expect(throws: PartitionError.self) { try SplitRule(parsing: text) }
  }
}
