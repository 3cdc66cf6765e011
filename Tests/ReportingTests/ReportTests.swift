// SPDX-License-Identifier: Apache-2.0
import Foundation
import Records
import Reporting
import Streams
import TestSupport
import Testing

@Suite struct ReportTests {
  private func html(_ fixture: RunFixture) throws -> String {
    let run = try withExtendedLifetime(fixture) { try RunReader().read(fixture.path) }
    return String(decoding: try Report(runs: [run], tool: "cl-report 0").html(), as: UTF8.self)
  }

  /// Tags and attribute names of a page with how often each stands in it. Text cannot count: its
  /// `<` is escaped, and so are quotes inside values.
  private func markup(_ html: String) -> [String: Int] {
    var counts: [String: Int] = [:]
    let pattern =
      #/<(\/?[a-zA-Z!][^\s>\/]*)((?:\s+[a-zA-Z0-9:-]+(?:=(?:"[^"]*"|'[^']*'|[^\s>]+))?)*)\s*>/#
    for match in html.matches(of: pattern) {
      counts["<\(match.1)", default: 0] += 1
      for attribute in match.2.matches(of: #/\s([a-zA-Z0-9:-]+)(?:="[^"]*"|='[^']*')?/#) {
        counts["\(match.1) \(attribute.1)", default: 0] += 1
      }
    }
    return counts
  }

  @Test(arguments: [
    #""><script>alert(1)</script>"#, "</td></table><img src=x onerror=alert(1)>",
    "</style></title><svg onload=alert(1)>", "' onmouseover='alert(1)", "&lt;script&gt;&#60;",
    "<!-- -->]]>", "javascript:alert(1)", "\u{202e}\u{0}\u{7}\u{feff}", "&{alert(1)};", "<%= 7 %>",
  ])
  func textFromDataMakesNoMarkup(attack: String) throws {
    // As long as an attack: long labels are drawn at a slant.
    let benign = try html(try RunFixture(suffix: " honest, long name"))
    let hostile = try html(try RunFixture(suffix: attack))
    let (found, expected) = (markup(hostile), markup(benign))
    for key in Set(found.keys).union(expected.keys).sorted() {
      #expect(found[key] == expected[key], "\(key)")
    }
    #expect(!hostile.contains("<script"))
    for hidden in ["\u{202e}", "\u{7}", "\u{feff}"] {
      #expect(!hostile.unicodeScalars.contains { String($0) == hidden })
    }
  }

  @Test func attackShowsAsText() throws {
    let page = try html(try RunFixture(suffix: "<b>&\u{202e}"))
    #expect(page.contains("&lt;b&gt;&amp;U+202E"))
  }

  @Test func equalRunsGiveEqualBytes() throws {
    #expect(try html(try RunFixture()) == html(try RunFixture()))
  }

  @Test func styleMatchesItsDigest() throws {
    let page = try html(try RunFixture())
    let style = try #require(page.firstMatch(of: #/<style>([\s\S]*?)<\/style>/#)).1
    let policy = try #require(page.firstMatch(of: #/sha256-([A-Za-z0-9+\/=]+)'/#)).1
    let digest = Array(style.utf8).withUnsafeBytes { ContentDigest.hexadecimal(of: $0) }
    var bytes = Data()
    for index in stride(from: 0, to: 64, by: 2) {
      bytes.append(UInt8(digest.dropFirst(index).prefix(2), radix: 16) ?? 0)
    }
    #expect(bytes.base64EncodedString() == policy)
  }

  @Test func nothingIsLoadedOrRun() throws {
    let page = try html(try RunFixture())
    for text in [
      "<script", "<link", "<img", "<iframe", " src=", " style=", "url(", "http:", "@import",
    ] {
      #expect(!page.contains(text), "\(text)")
    }
    #expect(page.matches(of: #/href="([^"]*)"/#).allSatisfy { $0.1.hasPrefix("#") })
  }

  @Test func linksLeadToSections() throws {
    let fixture = try RunFixture()
    let run = try RunReader().read(fixture.path)
    let bytes = try Report(runs: [run, run], tool: "t").html()
    let page = String(decoding: bytes, as: UTF8.self)
    let anchors = page.matches(of: #/ id="([^"]*)"/#).map { String($0.1) }
    #expect(Set(anchors).count == anchors.count)
    let links = page.matches(of: #/href="#([^"]*)"/#).map { String($0.1) }
    #expect(!links.isEmpty)
    for link in links { #expect(anchors.contains(link), "\(link)") }
    #expect(page.contains("<h2>Comparison</h2>"))
  }

  @Test func numbersOfTheRunAreShown() throws {
    let page = try html(try RunFixture())
    for text in [
      "3.200", "−0.560", "client 1", "eval/base.heldout.json", "40.0 %", "cl-train 0.1.0",
      "18446744073709551615", "arm-federated/round-002/aggregate.jsonl", "60.00 %", "0.050",
    ] {
      #expect(page.contains(text), "\(text)")
    }
  }

  /// Rule, drift and guarantee of each run stand side by side.
  @Test func guaranteesAndRulesAreShown() throws {
    let claims = [
      (#""privacy":{"level":"client","epsilon":2.71828,"delta":1e-5},"#, "client-level, ε 2.718 at δ"),
      (
        #""privacy":{"level":"client","epsilon":4,"delta":1e-5},"record_privacy":{"level":"record","epsilon":1.25,"delta":1e-6},"#,
        "client-level, ε 4.000 at δ 1.00 × 10⁻⁵; record-level, ε 1.250 at δ"
      ),
      (#""secure_aggregation":{"simulated":true},"#, "secure aggregation, simulated"), ("", "none"),
    ]
    for (claim, text) in claims {
      let fixture = try RunFixture()
      try fixture.write(
        "arm-federated/round-002/aggregate.jsonl",
        #"{"type":"aggregate","v":1,"rule":"ffa","round":2,\#(claim)"drift":0.0625,"clients":[]}"#)
      let page = try html(fixture)
      #expect(page.contains("<dt>Privacy guarantee</dt><dd>\(text)"), "\(text)")
      #expect(page.contains("\">\(text)"), "\(text)")
      let run = try RunReader().read(fixture.path)
      let both = String(
        decoding: try Report(runs: [run, run], tool: "t").html(), as: UTF8.self)
      #expect(both.contains(">fedavg, ffa</td><td class=\"t\">0.500, 0.0625</td><td class"))
      #expect(both.matches(of: #/0\.0625<\/td><td class="[tw]">([^<]*)</#).allSatisfy { $0.1.hasPrefix(text) })
    }
    let fixture = try RunFixture()
    for round in 1...2 {
      try FileManager.default.removeItem(
        atPath: "\(fixture.path)/arm-federated/round-00\(round)/aggregate.jsonl")
    }
    #expect(try html(fixture).contains("<dt>Privacy guarantee</dt><dd>none"))
  }

  /// A summary of `cl-score` with questions and answers; `nll` may be null.
  private func asked(_ right: Double, of records: Int, nll: String = "300") -> String {
    #"{"type":"score_summary","v":1,"records":\#(records),"target_tokens":100,"nll":\#(nll),"#
      + #""model":"m","adapter":null,"choices":{"records":\#(records),"acc":\#(right),"#
      + #""acc_norm":0.375,"acc_bytes":0.3},"answers":{"records":7,"exact_match":0.142857}}"#
      + "\n"
  }

  @Test func questionsThatModelsGotRightAreShown() throws {
    let fixture = try RunFixture()
    #expect(!(try html(fixture)).contains("acc_norm"))
    try fixture.write("eval/base.heldout.json", asked(0.25, of: 16))
    try fixture.write(
      "arm-federated/round-002/eval/global.quiz.json", asked(0.5, of: 16, nll: "null"))
    let page = try html(fixture)
    for text in ["acc_norm", "acc_bytes", "exact_match", "25.0 %", "37.5 %", "30.0 %", "14.3 %"] {
      #expect(page.contains(text), "\(text)")
    }
    #expect(page.contains(#"<td class="t">quiz</td>"#))
    #expect(page.contains("50.0 %"))
  }

  @Test func comparedRunsShowTheSharesOfTheirHeldOutQuestions() throws {
    let fixture = try RunFixture()
    let local = "arm-local/round-002/eval/client-00"
    try fixture.write("\(local)0.heldout.json", asked(0.75, of: 12))
    try fixture.write("\(local)1.heldout.json", asked(0.25, of: 4))
    let run = try withExtendedLifetime(fixture) { try RunReader().read(fixture.path) }
    let page = String(
      decoding: try Report(runs: [run, run], tool: "cl-report 0").html(), as: UTF8.self)
    // (12 · 0.75 + 4 · 0.25) / 16
    #expect(page.contains("Questions of each run"))
    #expect(page.contains("62.5 %"))
  }

  @Test func sharesBeyondOneAreBadData() throws {
    let fixture = try RunFixture()
    try fixture.write("eval/base.heldout.json", asked(1.5, of: 16))
    #expect(throws: RecordError.self) { try RunReader().read(fixture.path) }
  }

  @Test func missingPartsAreNamedAndNothingIsDrawn() throws {
    let fixture = try RunFixture()
    for part in ["shards", "arm-federated", "arm-local"] {
      try FileManager.default.removeItem(atPath: "\(fixture.path)/\(part)")
    }
    let page = try html(fixture)
    #expect(page.matches(of: #/<p class="missing">/#).count >= 6)
    for text in ["cl-partition", "cl-train --log", "cl-aggregate --report"] {
      #expect(page.contains(text), "\(text)")
    }
    #expect(!page.contains("NaN"))
  }

  @Test func extremeNumbersAreDrawnWithinTheFrame() throws {
    let fixture = try RunFixture()
    try fixture.writeEvaluation("eval/base.heldout.json", nll: 9e99, targets: 1)
    try fixture.writeEvaluation("arm-federated/round-002/eval/global.heldout.json", nll: -9e99)
    let page = try html(fixture)
    for match in page.matches(of: #/ (?:cx|cy|x|y|x1|x2|y1|y2)="(-?[\d.]+)"/#) {
      let value = try #require(Double(match.1))
      #expect(abs(value) < 2000)
    }
  }
}
