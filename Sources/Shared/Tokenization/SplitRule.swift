// SPDX-License-Identifier: Apache-2.0

/// Regular expressions of well-known tokenizers, which ``PieceScanner`` knows by heart.
///
/// Every rule covers the text without gaps and runs in time linear in its length. A new rule is one
/// case here, its expression in `patterns`, and its scanner.
package enum SplitRule: String, Sendable, Equatable, CaseIterable {
  /// GPT-2's (the one built into `ByteLevel`).
  case gpt2
  /// Each `\p{N}` alone, then GPT-2's on what lies between (SmolLM, StarCoder).
  case gpt2IsolatedDigits = "gpt2-isolated-digits"
  /// Llama 3: up to three digits a piece, case-insensitive contractions.
  case llama3
  /// Qwen 2: as Llama 3, each digit alone.
  case qwen2
  /// Qwen 3.5: as Qwen 2, with marks among the letters.
  case qwen35
  /// Mistral's tekken: words parted before capitals, each digit alone.
  case tekken
  /// GPT-4o and Llama 4: as tekken, with contractions and up to three digits.
  case gpt4o

  /// The rule for the regular expression of a `Split` component, or nil if we do not know it.
  init?(pattern: String) {
    guard let known = SplitRule.patterns.first(where: { $0.pattern == pattern }) else { return nil }
    self = known.rule
  }

  private static let tail = #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
  private static let symbols = #"| ?[^\s\p{L}\p{N}]+[\r\n]*"#
  private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
  /// Contractions, a word, and the end of the patterns that tiktoken's `cl100k_base` began; its own
  /// spelling has possessive repetitions and one line break, which match the same.
  private static let word = contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+"#
  private static let tiktokenWord = #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+"#
  private static let tiktokenTail =
    #"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#
  private static let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
  private static let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
  private static let casedTail = #"| ?[^\s\p{L}\p{N}]+[\r\n/]*"# + tail

  private static func casedWords(_ suffix: String) -> String {
    let prefix = #"[^\r\n\p{L}\p{N}]?"#
    return prefix + upper + "*" + lower + "+" + suffix + "|" + prefix + upper + "+" + lower + "*"
      + suffix
  }

  private static let patterns: [(rule: SplitRule, pattern: String)] = [
    (.gpt2, #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#),
    // Without the last alternative, what matches nothing is a piece of its own.
    (.gpt2, #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"#),
    (.llama3, word + #"|\p{N}{1,3}"# + symbols + tail),
    (.llama3, tiktokenWord + #"|\p{N}{1,3}"# + tiktokenTail),
    (.qwen2, word + #"|\p{N}"# + symbols + tail),
    (.qwen2, tiktokenWord + #"|\p{N}"# + tiktokenTail),
    (
      .qwen35,
      contractions + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"#
        + #"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"# + tail
    ),
    (.tekken, casedWords("") + #"|\p{N}"# + casedTail),
    (.gpt4o, casedWords(contractions + "?") + #"|\p{N}{1,3}"# + casedTail),
  ]
}
