// SPDX-License-Identifier: Apache-2.0
package import Randomness

/// Which clients take part in which round of a federation.
///
/// Each round draws its clients without replacement, by a stream of its own: the schedule of round 7
/// does not change when more rounds are asked for.
package struct Participation: Sendable, Equatable {
  package enum Amount: Sendable, Equatable {
    case count(Int)
    case fraction(Double)
  }
  package let rounds: Int
  package let amount: Amount
  /// The chance that a client can take part in a round, 0 < p <= 1.
  package let availability: Double

  package static let roundLimit = 100_000

  /// - Parameters:
  ///   - amount: a share such as `0.25`, or a whole number of clients.
  ///   - availability: nil means always.
  /// - Throws: ``PartitionError/invalidOption(_:value:expected:)``.
  package init(
    rounds: Int, amount text: String?, availability: Double? = nil
  ) throws(PartitionError) {
    guard (1...Self.roundLimit).contains(rounds) else {
      throw .invalidOption("--rounds", value: "\(rounds)", expected: "1 to \(Self.roundLimit)")
    }
    self.rounds = rounds
    let text = text ?? "1.0"
    if let count = Int(text), count >= 1 {
      amount = .count(count)
    } else if let share = Double(text), share > 0, share <= 1 {
      amount = .fraction(share)
    } else {
      throw .invalidOption(
        "--participation", value: text,
        expected: "a share such as 0.25, or a whole number of clients")
    }
    if let availability, !(availability > 0 && availability <= 1) {
      throw .invalidOption(
        "--availability", value: "\(availability)", expected: "a chance above 0 and up to 1")
    }
    self.availability = availability ?? 1
  }

  /// Clients that a round asks for: a share is rounded to the nearest number, at least 1.
  package func clientsPerRound(of clients: Int) -> Int {
    switch amount {
    case .count(let count): min(count, clients)
    case .fraction(let share):
      min(clients, max(1, Int((share * Double(clients)).rounded(.toNearestOrAwayFromZero))))
    }
  }

  /// The clients of each round, ascending. A round takes fewer than it asks for if fewer are
  /// available, but always one.
  package func schedule(clients: Int, seed: Seed) -> [[Int]] {
    let wanted = clientsPerRound(of: clients)
    return (1...rounds).map { round in
      var draws = seed.stream("partition", "participation", "round-\(round)")
      let order = draws.permutation(count: clients)
      var present = order
      if availability < 1 {
        var chances = seed.stream("partition", "availability", "round-\(round)")
        let isPresent = (0..<clients).map { _ in chances.uniform() < availability }
        present = order.filter { isPresent[$0] }
        if present.isEmpty { present = Array(order.prefix(1)) }
      }
      return present.prefix(wanted).sorted()
    }
  }
}
