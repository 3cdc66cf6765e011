// SPDX-License-Identifier: Apache-2.0

/// The worst repetition of n-grams of words, as a multiple of what Gopher allows (Rae et al. 2021,
/// table A1): 1 is at the limit.
///
/// For n = 2, 3, 4: the scalars of the most repeated n-gram, all its occurrences together, as a share of
/// the scalars of all words. For n = 5 to 10: the share of the scalars that lie in an n-gram that
/// occurred before, each word counted once. Departures from the paper: an n-gram that occurs once is no
/// repetition (else short texts always fail); words are normalised; spaces do not count.
struct RepeatedNGrams: Signal {
  let name = "repeated_ngrams"
  let version = 1
  let families: [SignalFamily] = [.quality, .repetition]
  let summary = "worst repetition of n-grams, as a multiple of its limit"
  let range = 0.0...10.0
  private let ramp = Ramp(bad: 2.0, good: 0.8)

  /// Gopher's limits for n = 2...10.
  static let limits = [0.20, 0.18, 0.16, 0.15, 0.14, 0.13, 0.12, 0.11, 0.10]
  private static let longestTopGram = 4

  func quality(of value: Double) -> Double? { ramp(value) }

  func value(of text: borrowing TextAnalysis) -> Double? {
    if text.words.isEmpty { return nil }
    var worst = 0.0
    for (share, limit) in zip(RepeatedNGrams.shares(of: text), RepeatedNGrams.limits) {
      worst = max(worst, share / limit)
    }
    return worst
  }

  /// The share of the scalars of all words that repetition of 2-grams to 10-grams takes, 0...1 each;
  /// found once a text.
  static func shares(of text: borrowing TextAnalysis) -> [Double] {
    if let known = text.positions.repeatedShares { return known }
    let words = text.words
    let scratch = text.positions
    var shares = [Double](repeating: 0, count: limits.count)
    let signal = RepeatedNGrams()
    signal.prepare(words, scratch)
    let total = Double(scratch.offsets[words.count])
    signal.count(scratch, in: text.table)
    for index in limits.indices {
      let n = index + 2
      signal.keepRepeated(scratch, lastStart: words.count - n, words: words, n: n, in: text.table)
      if scratch.candidates.isEmpty { break }
      let repeated =
        n <= longestTopGram
        ? signal.topGram(scratch, n: n, in: text.table)
        : signal.repeatedScalars(scratch, n: n, in: text.table)
      shares[index] = min(1, Double(repeated) / total)
    }
    scratch.repeatedShares = shares
    return shares
  }

  /// Every word is a candidate under its own name; `offsets[i]` is the number of scalars before word i.
  private func prepare(_ words: [TextAnalysis.Word], _ scratch: PositionLists) {
    scratch.offsets.removeAll(keepingCapacity: true)
    scratch.names.removeAll(keepingCapacity: true)
    scratch.candidates.removeAll(keepingCapacity: true)
    var offset = 0
    for (index, word) in words.enumerated() {
      scratch.offsets.append(offset)
      scratch.names.append(word.name)
      scratch.candidates.append(Int32(index))
      offset += Int(word.normalisedScalars)
    }
    scratch.offsets.append(offset)
  }

  /// Counts the candidates' names.
  private func count(_ scratch: PositionLists, in table: CountTable) {
    table.reset(expecting: scratch.candidates.count)
    scratch.slots.removeAll(keepingCapacity: true)
    for name in scratch.names { scratch.slots.append(Int32(table.add(name).slot)) }
  }

  /// An n-gram can be repeated only where the (n-1)-gram is: keeps those positions, with names longer by
  /// a word.
  private func keepRepeated(
    _ scratch: PositionLists, lastStart: Int, words: [TextAnalysis.Word], n: Int,
    in table: CountTable
  ) {
    var kept = 0
    for index in 0..<scratch.candidates.count {
      let position = Int(scratch.candidates[index])
      if position > lastStart || table.count(at: Int(scratch.slots[index])) < 2 { continue }
      scratch.candidates[kept] = Int32(position)
      scratch.names[kept] = WordHash.extending(
        scratch.names[index], by: words[position + n - 1].name)
      kept += 1
    }
    scratch.candidates.removeLast(scratch.candidates.count - kept)
    scratch.names.removeLast(scratch.names.count - kept)
  }

  /// Scalars of the n-gram whose occurrences take most of them; 0 if none occurs twice.
  private func topGram(_ scratch: PositionLists, n: Int, in table: CountTable) -> Int {
    count(scratch, in: table)
    var most = 0
    for (index, slot) in scratch.slots.enumerated() {
      let count = table.count(at: Int(slot))
      if count < 2 { continue }
      let position = Int(scratch.candidates[index])
      most = max(most, count * (scratch.offsets[position + n] - scratch.offsets[position]))
    }
    return most
  }

  /// Scalars of the words that lie in an n-gram that occurred before.
  private func repeatedScalars(_ scratch: PositionLists, n: Int, in table: CountTable) -> Int {
    table.reset(expecting: scratch.candidates.count)
    scratch.slots.removeAll(keepingCapacity: true)
    var (covered, end) = (0, 0)
    for (index, name) in scratch.names.enumerated() {
      let (slot, count) = table.add(name)
      scratch.slots.append(Int32(slot))
      if count < 2 { continue }
      let position = Int(scratch.candidates[index])
      covered += scratch.offsets[position + n] - scratch.offsets[max(position, end)]
      end = position + n
    }
    return covered
  }
}
