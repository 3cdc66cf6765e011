// SPDX-License-Identifier: Apache-2.0

/// 1 if the text passes Gopher's rules of quality (Rae et al. 2021, table A1) as this toolkit reads them, else 0:
/// 50 to 100,000 words with a letter or number; ``MeanWordLength`` 3 to 10; ``HashesPerWord`` and
/// ``EllipsesPerWord`` at most .1; ``BulletLines`` at most .9; ``EllipsisLines`` at most .3; ``WordsWithLetter``
/// at least .8; ``CommonWords`` at least 2.
struct GopherQuality: Signal {
  let name = "gopher_quality"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.gopher]
  let summary = "1 if Gopher's rules of quality let the text pass, else 0"

  func value(of text: borrowing TextAnalysis) -> Double? {
    let words = text.words.count { $0.hasCore }
    guard (50...100_000).contains(words),
      let length = MeanWordLength().value(of: text), (3...10).contains(length),
      let hashes = HashesPerWord().value(of: text), hashes <= 0.1,
      let ellipses = EllipsesPerWord().value(of: text), ellipses <= 0.1,
      let bullets = BulletLines().value(of: text), bullets <= 0.9,
      let open = EllipsisLines().value(of: text), open <= 0.3,
      let letters = WordsWithLetter().value(of: text), letters >= 0.8,
      let common = CommonWords().value(of: text), common >= 2
    else { return 0 }
    return 1
  }
}

/// 1 if the text passes Gopher's rules of repetition (Rae et al. 2021, table A1) as this toolkit reads them,
/// else 0: ``DuplicateLines`` at most .30 of the lines and of the paragraphs, .20 of the scalars of either;
/// ``RepeatedNGrams`` at most 1.
struct GopherRepetition: Signal {
  let name = "gopher_repetition"
  let version = 1
  let range = 0.0...1.0
  let families: [SignalFamily] = [.gopher, .repetition]
  let summary = "1 if Gopher's rules of repetition let the text pass, else 0"

  func value(of text: borrowing TextAnalysis) -> Double? {
    guard let lines = DuplicateLines(.lines).value(of: text), lines <= 0.3,
      let paragraphs = DuplicateLines(.paragraphs).value(of: text), paragraphs <= 0.3,
      let scalars = DuplicateLines(.lineCharacters).value(of: text), scalars <= 0.2,
      let blocks = DuplicateLines(.paragraphCharacters).value(of: text), blocks <= 0.2,
      let grams = RepeatedNGrams().value(of: text), grams <= 1
    else { return 0 }
    return 1
  }
}
