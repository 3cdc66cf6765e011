// SPDX-License-Identifier: Apache-2.0

/// The measure of textual lexical diversity, MTLD (McCarthy and Jarvis 2010,
/// https://doi.org/10.3758/BRM.42.2.381): the mean length of a stretch of words over which the share of
/// different words stays at .72 or above, forwards and backwards. None below 50 words.
///
/// Words are normalised; those without a letter or number are left out. A rest in which the share has not
/// fallen below .72 counts as a part of a stretch, (1 - share) / (1 - .72); a text without repetition
/// has no stretch at all, and its number of words is the value.
struct LexicalDiversity: Signal {
  let name = "mtld"
  let version = 1
  let families: [SignalFamily] = [.quality, .lexical]
  let summary = "words until the share of different words falls below .72"
  let range = 1.0...Double.greatestFiniteMagnitude
  private let ramp = Ramp(bad: 12, good: 40)

  static let minimumWords = 50
  /// The share of different words at which a stretch ends, in hundredths.
  private static let hundredths = 72

  func quality(of value: Double) -> Double? { ramp(value) }

  func value(of text: borrowing TextAnalysis) -> Double? {
    let names = text.positions
    names.names.removeAll(keepingCapacity: true)
    for word in text.words where word.hasCore { names.names.append(word.name) }
    if names.names.count < LexicalDiversity.minimumWords { return nil }
    let forwards = mean(names.names, in: text.table)
    let backwards = mean(names.names.reversed(), in: text.table)
    return (forwards + backwards) / 2
  }

  /// Words for each stretch.
  private func mean(_ names: some Collection<UInt64>, in table: CountTable) -> Double {
    table.reset(expecting: names.count)
    var (stretches, tokens, types) = (0, 0, 0)
    for name in names {
      tokens += 1
      if table.add(name).count == 1 { types += 1 }
      if 100 * types < LexicalDiversity.hundredths * tokens {
        stretches += 1
        (tokens, types) = (0, 0)
        table.clear()
      }
    }
    var factors = Double(stretches)
    if tokens > 0 {
      let share = Double(types) / Double(tokens)
      factors += (1 - share) / (1 - Double(LexicalDiversity.hundredths) / 100)
    }
    return factors > 0 ? Double(names.count) / factors : Double(names.count)
  }
}
