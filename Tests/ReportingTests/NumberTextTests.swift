// SPDX-License-Identifier: Apache-2.0
import Reporting
import Testing

@Suite struct NumberTextTests {
  @Test func fixedDecimals() {
    #expect(NumberText.fixed(3.14159, 3) == "3.142")
    #expect(NumberText.fixed(-0.59, 3) == "−0.590")
    #expect(NumberText.fixed(-0.0001, 3) == "0.000")
    #expect(NumberText.fixed(.nan, 2) == NumberText.none)
    #expect(NumberText.fixed(1e300, 2) == "1.000 × 10³⁰⁰")
    #expect(NumberText.signed(0.25, 2) == "+0.25")
    #expect(NumberText.signed(0.001, 2) == "0.00")
    #expect(NumberText.signed(-0.25, 2) == "−0.25")
  }

  @Test func counts() {
    #expect(NumberText.count(0) == "0")
    #expect(NumberText.count(999) == "999")
    #expect(NumberText.count(1000) == "1,000")
    #expect(NumberText.count(12_014_999) == "12,014,999")
    #expect(NumberText.count(.min) == "−9,223,372,036,854,775,808")
    #expect(NumberText.counted(1, "round") == "1 round")
    #expect(NumberText.counted(2, "round") == "2 rounds")
  }

  @Test func significantDigits() {
    #expect(NumberText.significant(0.012345, 3) == "0.0123")
    #expect(NumberText.significant(1.5e-7, 2) == "1.5 × 10⁻⁷")
    #expect(NumberText.significant(123456, 3) == "123456")
    #expect(NumberText.significant(0, 3) == "0")
  }

  @Test func units() {
    #expect(NumberText.bytes(512) == "512 B")
    #expect(NumberText.bytes(1536) == "1.50 KiB")
    #expect(NumberText.bytes(19_537_000) == "18.6 MiB")
    #expect(NumberText.seconds(3.456) == "3.46 s")
    #expect(NumberText.seconds(150) == "2 min 30 s")
    #expect(NumberText.seconds(7260) == "2 h 1 min")
    #expect(NumberText.percent(0.5234) == "52.3 %")
  }

  @Test func coordinatesAreShort() {
    #expect(NumberText.coordinate(12) == "12")
    #expect(NumberText.coordinate(12.5) == "12.5")
    #expect(NumberText.coordinate(-0.05) == "-0.05")
    #expect(NumberText.coordinate(1.0049) == "1")
    #expect(NumberText.coordinate(.infinity) == "0")
  }

  @Test func totalsDoNotOverflow() {
    #expect([Int.max, 1, 2].total == .max)
    #expect([1, 2, 3].total == 6)
  }
}
