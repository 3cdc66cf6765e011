// SPDX-License-Identifier: Apache-2.0
package import Randomness

/// Secure aggregation played through in one process (Bonawitz et al. 2017,
/// https://eprint.iacr.org/2017/281, without its consistency checks): each pair of clients shares a mask,
/// added by one and taken away by the other, and each client a mask of its own; the server sees masked
/// numbers and the sum.
///
/// A simulation of what it costs and of what it cannot be combined with, no protection: all secrets are
/// drawn in this process, and the group of the key agreement has 61 bits.
package struct SecureSum: Sendable {
  package let clients: Int
  /// So many must still be there at the end.
  package let threshold: Int
  private let privateKeys: [UInt64]
  private let publicKeys: [UInt64]
  private let ownSecrets: [UInt64]
  /// [of][held by].
  private let keyShares: [[UInt64]]
  private let ownShares: [[UInt64]]

  private static let generator: UInt64 = 37

  /// - Parameter threshold: nil takes two thirds of the clients.
  package init(clients: Int, threshold: Int? = nil, seed: Seed, context: [String]) {
    let least = threshold ?? max(1, (2 * clients + 2) / 3)
    var keys: [UInt64] = []
    var secrets: [UInt64] = []
    var keyShares: [[UInt64]] = []
    var ownShares: [[UInt64]] = []
    for client in 0..<clients {
      var random = seed.stream(path: context + ["client", "\(client)"])
      keys.append(1 + random.next() % (PrimeField.prime - 2))
      secrets.append(random.next() % PrimeField.prime)
      keyShares.append(
        SecretSharing.shares(of: keys[client], count: clients, threshold: least, using: &random))
      ownShares.append(
        SecretSharing.shares(of: secrets[client], count: clients, threshold: least, using: &random))
    }
    self.clients = clients
    self.threshold = least
    privateKeys = keys
    publicKeys = keys.map { PrimeField.power(Self.generator, $0) }
    ownSecrets = secrets
    self.keyShares = keyShares
    self.ownShares = ownShares
  }

  /// What client `index` sends instead of `values`: modulo 2³².
  package func upload(of index: Int, _ values: [UInt32], part: Int) -> [UInt32] {
    var masked = values
    Self.add(Philox(key: ownSecrets[index], stream: UInt64(part)), sign: true, to: &masked)
    for other in 0..<clients where other != index {
      let key = PrimeField.power(publicKeys[other], privateKeys[index])
      Self.add(Philox(key: key, stream: UInt64(part)), sign: index < other, to: &masked)
    }
    return masked
  }

  /// What the survivors reveal once it is known who is left: the masks of their own, and the keys of
  /// those who left after the masks were agreed. Never both of one client.
  package struct Opening: Sendable {
    fileprivate let survivors: [Int]
    fileprivate let ownSecrets: [UInt64]
    fileprivate let lostKeys: [(client: Int, key: UInt64)]
  }

  /// nil if fewer than ``threshold`` are left.
  package func opening(survivors: [Int]) -> Opening? {
    guard survivors.count >= threshold else { return nil }
    let holders = survivors.prefix(threshold)
    func opened(_ shares: [UInt64]) -> UInt64 {
      SecretSharing.secret(of: holders.map { ($0, shares[$0]) })
    }
    let lost = (0..<clients).filter { !survivors.contains($0) }
    return Opening(
      survivors: survivors, ownSecrets: survivors.map { opened(ownShares[$0]) },
      lostKeys: lost.map { ($0, opened(keyShares[$0])) })
  }

  /// The sum of what the survivors had, from their uploads in the order of `opening`.
  package func sum(_ uploads: [[UInt32]], part: Int, _ opening: Opening) -> [UInt32] {
    guard var total = uploads.first else { return [] }
    for upload in uploads.dropFirst() {
      for place in total.indices { total[place] &+= upload[place] }
    }
    for secret in opening.ownSecrets {
      Self.add(Philox(key: secret, stream: UInt64(part)), sign: false, to: &total)
    }
    for (lost, key) in opening.lostKeys {
      for survivor in opening.survivors {
        let shared = PrimeField.power(publicKeys[survivor], key)
        // The survivor's own sign for this pair, taken back.
        Self.add(Philox(key: shared, stream: UInt64(part)), sign: survivor > lost, to: &total)
      }
    }
    return total
  }

  private static func add(_ mask: Philox, sign: Bool, to values: inout [UInt32]) {
    var mask = mask
    for place in values.indices {
      values[place] = sign ? values[place] &+ mask.nextWord() : values[place] &- mask.nextWord()
    }
  }
}

/// Real numbers as integers modulo 2³², so that sums are exact and masks cancel to the bit.
package enum FixedPoint {
  /// Numbers are cut to ±8.
  package static let bound = 8.0
  /// Steps of 2⁻²⁷: a sum of shares of numbers within the bound keeps below 2³⁰ of 2³¹.
  package static let step = 0x1p-27

  /// A value that is no number counts as 0.
  package static func encode(_ value: Double) -> UInt32 {
    let cut = min(max(value, -bound), bound)
    return UInt32(bitPattern: Int32(exactly: (cut / step).rounded(.toNearestOrEven)) ?? 0)
  }

  package static func decode(_ value: UInt32) -> Double { Double(Int32(bitPattern: value)) * step }
}
