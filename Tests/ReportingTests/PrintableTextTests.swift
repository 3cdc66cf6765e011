// SPDX-License-Identifier: Apache-2.0
import Reporting
import Testing

@Suite struct PrintableTextTests {
  @Test(arguments: [
    ("plain", "plain"), ("Grüße, 世界, 🙂", "Grüße, 世界, 🙂"),
    ("a\u{202e}b", "aU+202Eb"), ("\u{7}", "U+0007"), ("a\0b", "aU+0000b"),
    ("x\ny", "xU+000Ay"), ("\u{feff}", "U+FEFF"), ("\u{2066}\u{200b}", "U+2066U+200B"),
    ("\u{85}", "U+0085"), ("\u{ffff}", "U+FFFF"), ("\u{e0041}", "U+E0041"),
    ("\u{61c}", "U+061C"),
  ])
  func hiddenCharactersAreShown(text: String, expected: String) {
    #expect(PrintableText.visible(text) == expected)
  }

  @Test func longTextIsCut() {
    #expect(PrintableText.shortened("abcdef", to: 6) == "abcdef")
    #expect(PrintableText.shortened("abcdefg", to: 6) == "abcde…")
  }

  @Test func digestsAreCut() {
    #expect(PrintableText.digest(String(repeating: "0f", count: 32)) == "0f0f0f0f0f0f…")
    #expect(PrintableText.digest("model.gguf") == "model.gguf")
  }

  @Test func pathsAreJoined() {
    #expect(NumberText.paths([]) == NumberText.none)
    #expect(NumberText.paths(["a/b"]) == "a/b")
    #expect(
      NumberText.paths(["r/client-000.events.jsonl", "r/client-001.events.jsonl"])
        == "r/client-*.events.jsonl")
    #expect(
      NumberText.paths(["shards/client-000.test.jsonl", "shards/client-000.train.jsonl"])
        == "shards/client-000.t*.jsonl")
    #expect(NumberText.paths(["a", "aa"]) == "a*")
    #expect(NumberText.paths(["x", "y"]) == "*")
    #expect(NumberText.paths(["a/r-019", "a/r-011"]) == "a/r-*")
  }
}
