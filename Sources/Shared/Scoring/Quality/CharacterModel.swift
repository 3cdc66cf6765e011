// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// A model of the next symbol after the four before it (``QualityTokens``).
struct CharacterModel: Sendable {
  /// Symbols of the longest n-gram.
  static let order = 5
  /// -ln p of a symbol that was never seen, on top of the cost of the empty context: one of so many.
  private static let unseen = Int(log(512.0) * BackoffTable.unitsPerNat)

  let table: BackoffTable

  init(_ table: BackoffTable) { self.table = table }

  /// Name of the empty context.
  private static let root: UInt64 = 0x9ae1_6a3b_2f90_404f

  /// The name of an n-gram that is longer by a symbol at its front.
  @inline(__always)
  private static func extending(_ name: UInt64, by symbol: UInt32) -> UInt64 {
    let mixed = (name ^ UInt64(symbol) &* 0xff51_afd7_ed55_8ccd) &* 0xc4ce_b9fe_1a85_ec53
    return mixed ^ mixed >> 29
  }

  /// Calls `body` for each symbol that is no padding, with the names of the n-grams of 0...order symbols
  /// that end with it, and of those that end before it.
  private static func forEach(
    _ symbols: UnsafeBufferPointer<UInt32>,
    _ body: (_ names: UnsafePointer<UInt64>, _ before: UnsafePointer<UInt64>) -> Void
  ) {
    let width = order + 1
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2 * width) { buffer in
      buffer.initialize(repeating: root)
      guard var names = buffer.baseAddress else { return }
      var before = names + width
      for index in symbols.indices {
        swap(&names, &before)
        for n in 1...order {
          if index &- n &+ 1 < 0 { break }
          names[n] = extending(names[n &- 1], by: symbols[index &- n &+ 1])
        }
        if index >= QualityTokens.padding { body(names, before) }
      }
    }
  }

  /// Counts a text's n-grams.
  static func count(_ symbols: [UInt32], in counts: NGramCounts) {
    // What stands before the first symbol is a context that symbols follow.
    var name = root
    for symbol in symbols.prefix(QualityTokens.padding).reversed() {
      name = extending(name, by: symbol)
      counts.add(name, after: nil)
    }
    symbols.withUnsafeBufferPointer {
      forEach($0) { names, before in
        counts.add(root, after: nil)
        for n in 1...order { counts.add(names[n], after: before[n - 1]) }
      }
    }
  }

  /// Makes the model of counts.
  ///
  /// - Parameter texts: calls its argument with each text that was counted.
  static func make(
    of counts: NGramCounts, texts: (([UInt32]) -> Void) -> Void
  ) -> CharacterModel {
    texts { symbols in
      symbols.withUnsafeBufferPointer {
        forEach($0) { names, before in
          var p = 1.0 / 512
          for n in 1...order {
            guard let next = counts.probability(names[n], after: before[n - 1], shorter: p) else {
              break
            }
            p = next
          }
        }
      }
    }
    var table = BackoffTable(expecting: counts.used)
    counts.forEach { entry in
      table.insert(
        entry.name, value: entry.probability > 0 ? -log(Double(entry.probability)) : 0,
        cost: -log(entry.rest))
    }
    return CharacterModel(table)
  }

  /// Mean -ln p of a symbol, nats; nil without symbols.
  func nll(_ symbols: [UInt32]) -> Double? {
    let count = symbols.count - QualityTokens.padding
    if count <= 0 { return nil }
    let units = table.withReader { reader in
      symbols.withUnsafeBufferPointer { symbols in
        var sum = 0
        CharacterModel.forEach(symbols) { names, before in
          sum &+= CharacterModel.units(names, before, reader)
        }
        return sum
      }
    }
    return Double(units) / BackoffTable.unitsPerNat / Double(count)
  }

  /// -ln p of one symbol: that of the longest n-gram that was seen, and the costs of the contexts that did
  /// not go on like this.
  @inline(__always)
  private static func units(
    _ names: UnsafePointer<UInt64>, _ before: UnsafePointer<UInt64>, _ reader: BackoffTable.Reader
  ) -> Int {
    var cost = 0
    var n = order
    while n > 0 {
      if let entry = reader.entry(names[n]) {
        return cost &+ BackoffTable.Reader.value(of: entry)
      }
      if let entry = reader.entry(before[n &- 1]) {
        cost &+= BackoffTable.Reader.cost(of: entry)
      }
      n &-= 1
    }
    return cost &+ unseen
  }
}
