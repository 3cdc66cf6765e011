// SPDX-License-Identifier: Apache-2.0
import Randomness
import Testing

/// Numbers computed by an independent program from the definition in `Seed.stream` (SHA-256 of
/// Python's hashlib and a Philox of integers). They must never change: plans and adapters made with
/// a seed have to come out the same for ever.
@Suite struct SeedTests {
  @Test func aNamedStreamIsPinned() {
    var bin = Seed(1).stream("partition", "dirichlet", "bin-3")
    #expect(bin.next() == 0x5063_502a_35c9_bce9)
    #expect(bin.next() == 0x2d88_e12f_2d5f_77c4)
    #expect(bin.next() == 0xf8ad_6c82_bec1_ed35)
    #expect(bin.next() == 0x784f_3352_6c76_752b)
    var other = Seed(.max).stream("é", "")
    #expect(other.next() == 0x09de_9062_4fc4_4083)
  }

  @Test func drawsOfAPinnedStreamNeverChange() {
    var order = Seed(1).stream("pinned")
    #expect(order.permutation(count: 10) == [1, 2, 5, 7, 6, 0, 4, 8, 9, 3])

    var shares = Seed(1).stream("pinned")
    let expected = [
      0.134607047875488, 0.35940905019324565, 0.13177980332393657, 0.37420409860732984,
    ]
    for (share, value) in zip(shares.dirichlet(concentration: 0.5, count: 4), expected) {
      #expect(abs(share - value) < 1e-14)
    }

    var normals = Seed(1).stream("pinned")
    for value in [-1.4738589135723499, -0.4806957187705437, -0.9632801342699959] {
      #expect(abs(normals.normal() - value) < 1e-14)
    }
  }

  @Test func partsOfANameDoNotRunTogether() {
    let names = [["ab"], ["a", "b"], ["a", "", "b"], ["ab", ""], []]
    for (index, name) in names.enumerated() {
      for other in names[(index + 1)...] {
        #expect(Seed(1).stream(path: name) != Seed(1).stream(path: other))
      }
    }
    #expect(Seed(1).stream("a") != Seed(2).stream("a"))
    #expect(Seed(1).stream("a", "b") == Seed(1).stream(path: ["a", "b"]))
  }
}
