// SPDX-License-Identifier: Apache-2.0

/// The language that a text is in, as far as its scripts and function words tell.
struct LanguageGuess {
  /// ISO 639-1, or ``undetermined``.
  private(set) var code = LanguageGuess.undetermined
  /// How clearly, 0...1; nil for a text without letters.
  private(set) var score: Double?

  static let undetermined = "und"
  /// The least share of the letters that must be in one script.
  private static let leastScriptShare = 0.55
  /// The least lead of a language over the next one of its script (``LanguageVote/lead``).
  private static let leastLead = 0.2
  /// The least evidence for each word.
  private static let leastEvidence = 0.04
  /// A letter of Han, Kana or Hangul says as much as this many letters of an alphabet.
  private static let ideographWeight = 2
  /// The share of Kana from which Han is Japanese.
  private static let leastKana = 0.05

  init(of text: String) {
    var letters = [Int](repeating: 0, count: Script.allCases.count)
    let table = ScalarTable.shared
    for scalar in text.unicodeScalars where table.kind(scalar.value).contains(.letter) {
      letters[Script.of(scalar.value).rawValue] += 1
    }
    for script in [Script.han, .kana, .hangul] {
      letters[script.rawValue] *= LanguageGuess.ideographWeight
    }
    let all = letters.reduce(0, +)
    if all == 0 { return }
    let kana = letters[Script.kana.rawValue]
    letters[Script.han.rawValue] += kana
    letters[Script.kana.rawValue] = 0
    var main = Script.latin
    for script in Script.allCases where letters[script.rawValue] > letters[main.rawValue] {
      main = script
    }
    let share = Double(letters[main.rawValue]) / Double(all)
    score = share
    var found = main.language
    switch main {
    case .han:
      found =
        Double(kana) >= LanguageGuess.leastKana * Double(letters[main.rawValue]) ? "ja" : "zh"
    case .latin, .cyrillic, .arabic:
      let vote = LanguageVote.of(main, text)
      score = share * vote.lead
      if vote.lead >= LanguageGuess.leastLead && vote.density >= LanguageGuess.leastEvidence {
        found = vote.code
      }
    default: break
    }
    if let found, share >= LanguageGuess.leastScriptShare { code = found }
  }
}

/// What the words and letters of a text say for each language of a script.
private struct LanguageVote {
  var code: String
  /// (u₁ − u₂) / (u₁ + u₂ + 1): the evidence that the best language and the next one do not share.
  var lead: Double
  /// The evidence for the best language, for each word.
  var density: Double

  private static let latin = EvidenceTable(LanguageProfile.latin)
  private static let cyrillic = EvidenceTable(LanguageProfile.cyrillic)
  private static let arabic = EvidenceTable(LanguageProfile.arabic)

  static func of(_ script: Script, _ text: String) -> LanguageVote {
    switch script {
    case .cyrillic: cyrillic.vote(text, script)
    case .arabic: arabic.vote(text, script)
    default: latin.vote(text, script)
    }
  }
}

/// Which languages a word or a letter speaks for.
private struct EvidenceTable: Sendable {
  private let codes: [String]
  /// The sets of languages that some word or letter speaks for, as bits, in rising order.
  private let sets: [UInt32]
  /// Indices into ``sets``.
  private let words: [UInt64: Int]
  private let letters: [UInt32: Int]
  /// What a letter says, beside a word.
  private static let letterWeight = 0.5

  init(_ profiles: [LanguageProfile]) {
    codes = profiles.map(\.code)
    var words: [UInt64: UInt32] = [:]
    var letters: [UInt32: UInt32] = [:]
    for (index, profile) in profiles.enumerated() {
      for word in profile.words.split(separator: " ") {
        words[WordHash.of(String(word)), default: 0] |= 1 << UInt32(index)
      }
      for letter in profile.letters.unicodeScalars {
        letters[letter.value, default: 0] |= 1 << UInt32(index)
      }
    }
    let sets = Set(words.values).union(letters.values).sorted()
    var indices: [UInt32: Int] = [:]
    for (index, set) in sets.enumerated() { indices[set] = index }
    self.sets = sets
    self.words = words.compactMapValues { indices[$0] }
    self.letters = letters.compactMapValues { indices[$0] }
  }

  /// Words are runs of letters here, so that elided ones (l'homme) count by themselves.
  func vote(_ text: String, _ script: Script) -> LanguageVote {
    var evidence = [Double](repeating: 0, count: sets.count)
    let table = ScalarTable.shared
    var (hash, length, count) = (WordHash(), 0, 0)
    func endWord() {
      if length == 0 { return }
      count += 1
      if let set = words[hash.value] { evidence[set] += 1 }
      (hash, length) = (WordHash(), 0)
    }
    for scalar in text.unicodeScalars {
      let folded = table.folded(scalar.value)
      if folded > 0x7f, let set = letters[folded] {
        evidence[set] += EvidenceTable.letterWeight
      }
      guard table.kind(scalar.value).contains(.letter), Script.of(scalar.value) == script else {
        endWord()
        continue
      }
      hash.add(folded)
      length += 1
    }
    endWord()
    // What speaks for several languages counts for each of them in part.
    for (index, set) in sets.enumerated() { evidence[index] /= Double(set.nonzeroBitCount) }
    return result(evidence, words: count)
  }

  private func result(_ evidence: [Double], words count: Int) -> LanguageVote {
    func sum(where holds: (UInt32) -> Bool) -> Double {
      var sum = 0.0
      for (set, value) in zip(sets, evidence) where holds(set) { sum += value }
      return sum
    }
    var sums = [Double](repeating: 0, count: codes.count)
    for (set, value) in zip(sets, evidence) where value > 0 {
      var rest = set
      while rest != 0 {
        sums[rest.trailingZeroBitCount] += value
        rest &= rest - 1
      }
    }
    var (best, next) = (0, 1)
    if sums[1] > sums[0] { swap(&best, &next) }
    for language in codes.indices.dropFirst(2) {
      if sums[language] > sums[best] {
        (best, next) = (language, best)
      } else if sums[language] > sums[next] {
        next = language
      }
    }
    let (first, second) = (UInt32(1) << UInt32(best), UInt32(1) << UInt32(next))
    let own = sum { $0 & (first | second) == first }
    let other = sum { $0 & (first | second) == second }
    return LanguageVote(
      code: codes[best], lead: max(0, (own - other) / (own + other + 1)),
      density: count > 0 ? sums[best] / Double(count) : 0)
  }
}
