// SPDX-License-Identifier: Apache-2.0
import Adapters
import Testing

@Suite struct PrivacyClaimTests {
  @Test func whatToolsWriteIsRead() {
    let claim = PrivacyClaim(unit: "record", epsilon: 2.5, delta: 1e-5)
    for text in [
      claim.text, "record-level, epsilon 2.5 at delta 1e-05 after 12 steps at rate 0.25: clip 1.0",
      "record-level, epsilon 2.5 at delta 1e-05; other words",
    ] {
      #expect(PrivacyClaim(text) == claim, "\(text)")
    }
    #expect(PrivacyClaim("client-level, epsilon inf at delta 0.1 after 2")?.epsilon == .infinity)
    for text in [
      "", "none", "record-level", "record-level, epsilon x at delta 1", "level, epsilon 1 at delta 1",
      "record-level, epsilon -1 at delta 0.1", "record-level, epsilon nan at delta 0.1",
    ] { #expect(PrivacyClaim(text) == nil, "\(text)") }
  }

  @Test func theWeakestHoldsForAll() {
    func claim(_ unit: String, _ epsilon: Double, _ delta: Double) -> PrivacyClaim {
      PrivacyClaim(unit: unit, epsilon: epsilon, delta: delta)
    }
    let (a, b) = (claim("record", 1, 1e-5), claim("record", 3, 1e-6))
    #expect(PrivacyClaim.weakest(of: [a, b]) == claim("record", 3, 1e-5))
    #expect(PrivacyClaim.weakest(of: [a, nil]) == nil)
    #expect(PrivacyClaim.weakest(of: [a, claim("client", 1, 1e-5)]) == nil)
    #expect(PrivacyClaim.weakest(of: []) == nil)
  }
}
