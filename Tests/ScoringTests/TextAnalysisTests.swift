// SPDX-License-Identifier: Apache-2.0
import Scoring
import Testing

@Suite struct TextAnalysisTests {
  private func analyse(_ text: String) -> (words: Int, characters: Int, sentences: Int) {
    var analysis = TextAnalysis()
    analysis.analyse(text)
    return (analysis.wordCount, analysis.characters, analysis.sentences)
  }

  @Test(arguments: [
    ("", 0),
    ("   ", 0),
    ("...", 0),
    ("No mark", 1),
    ("One. Two! Three? Four", 4),
    ("One.Two", 1),
    ("He said \"stop.\" Then he left.", 2),
    ("\"What?\" he asked.", 1),
    ("Wait... what? Yes.", 2),
    ("Dr. J. R. Smith lives in St. Louis.", 1),
    ("Small, e.g. this one, i.e. short. Next.", 2),
    ("Version 3.14 is out. See fig. 2.", 2),
    ("1. First item.\n2. Second item.", 2),
    ("In 1995. Then nothing.", 2),
    ("A heading\n\nA paragraph over\ntwo lines.", 2),
    ("A line\nand its rest", 1),
    ("你好。世界！好", 3),
    ("Привет. мир. Мир.", 2),
    ("हिन्दी। और।", 2),
    ("(In brackets.) After them.", 2),
    ("Really?! Yes!!! ...", 2),
    ("\r\nOne.\r\n\r\nTwo.\r\n", 2),
  ])
  func sentencesAreCountedAsDefined(text: String, sentences: Int) {
    #expect(analyse(text).sentences == sentences, "\(text)")
  }

  @Test func charactersAreScalarsAndWordsAreRunsOfNoWhitespace() {
    #expect(analyse("a\u{301} 🙂\u{a0}x\u{3000}y\u{200b}z").words == 4)
    #expect(analyse("a\u{301} 🙂\u{a0}x\u{3000}y\u{200b}z").characters == 10)
    #expect(analyse("\u{feff}").words == 1)
  }

  @Test func bytesOfAnyLengthOfSequenceAreRead() {
    for scalar in ["\u{7f}", "\u{80}", "\u{7ff}", "\u{800}", "\u{ffff}", "\u{10000}", "\u{10ffff}"] {
      #expect(analyse("\(scalar)b").characters == 2)
    }
  }
}
