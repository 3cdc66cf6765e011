// SPDX-License-Identifier: Apache-2.0
import Streams
import Testing

@Suite struct JSONScannerTests {
  @Test(arguments: [
    #"{"a":1,"b":[true,null,{"c":"d"}],"e":-1.5e3}"#, "[]", "{}", "  \"x\"  ", "0", "[[],[{}]]",
  ])
  func acceptsValidText(text: String) throws {
    let value = try JSONValue(parsing: Array(text.utf8))
    var writer = JSONWriter()
    writer.value(value)
    #expect(try JSONValue(parsing: writer.bytes) == value)
  }

  @Test(arguments: [
    "", "{", "[1,]", "{\"a\":}", "{\"a\":1,}", "01", "1.", "-", "\"\u{01}\"", "\"\\x\"", "nul",
    "[1 2]", "{\"a\" 1}", "{a:1}", "1 2", "\"\\ud800\"", "{\"a\":1,\"a\":2}", "[", "tru", "1e",
    "{,}", "[,1]",
  ])
  func refusesInvalidText(text: String) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: Array(text.utf8)) }
  }

  @Test(arguments: [
    [0x22, 0xff, 0x22], [0x22, 0xc0, 0x80, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22],
    [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22], [0x22, 0xe2, 0x82, 0x22],
  ] as [[UInt8]])
  func refusesInvalidUTF8(bytes: [UInt8]) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: bytes) }
  }

  @Test func refusesDeepNesting() {
    let text = String(repeating: "[", count: 100_000)
    #expect(throws: JSONError(.tooDeep(limit: 512), at: 513)) {
      try JSONValue(parsing: Array(text.utf8))
    }
  }

  @Test func decodesEscapes() throws {
    let value = try JSONValue(parsing: Array(#""a\n\u00e9\ud83d\ude00\"\\\/""#.utf8))
    #expect(value == .string("a\né😀\"\\/"))
  }

  @Test func integersKeepAllDigits() throws {
    #expect(try JSONValue(parsing: Array("9223372036854775807".utf8)) == .integer(.max))
    #expect(try JSONValue(parsing: Array("-9223372036854775808".utf8)) == .integer(.min))
  }

  @Test func notANumberBecomesNull() {
    var writer = JSONWriter()
    writer.array {
      $0.value(Double.nan)
      $0.value(0.1)
      $0.value(Float(0.1))
    }
    #expect(String(decoding: writer.bytes, as: UTF8.self) == "[null,0.1,0.1]")
  }
}

@Suite struct ContentDigestTests {
  /// FIPS 180-2, appendix B.1.
  @Test func abc() {
    let digest = ContentDigest()
    digest.update("ab")
    digest.update("c")
    #expect(
      digest.hexadecimal()
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }
}
