// SPDX-License-Identifier: Apache-2.0
import Examples
import Foundation
import Records
import Streams
import TestSupport
import Testing

/// Rendered by jinja2 3.1.6; Tests/Fixtures/examples/make_templates.py made them.
@Suite struct JinjaReferenceTests {
  @Test func renderingEqualsTheReference() throws {
    let path = PackageLayout.fixture("examples/templates.json")
    let file = try JSONValue(parsing: Array(Data(contentsOf: URL(fileURLWithPath: path))))
    let variables = try #require(file["variables"]?.object)
    let entries = try #require(file["entries"]?.elements)
    #expect(entries.count == 32)
    for entry in entries {
      let text = try #require(entry["template"]?.text)
      guard let expected = entry["output"]?.text else {
        #expect(throws: JinjaError.self, "\(text)") {
          try JinjaTemplate(text).render(variables)
        }
        continue
      }
      let found = try JinjaTemplate(text).render(variables).text
      #expect(String(decoding: found, as: UTF8.self) == expected, "\(text)")
      #expect(found == Array(expected.utf8), "\(text)")
    }
  }

  @Test func generationIsMarked() throws {
    let template = try JinjaTemplate(
      "é{% generation %}ab{% endgeneration %}c{% generation %}{% endgeneration %}")
    let (text, spans) = try template.render(JSONObject())
    #expect(template.hasGeneration && text == Array("éabc".utf8) && spans == [2..<4])
  }
}

@Suite struct JinjaLimitTests {
  @Test(arguments: [
    ("a\n{% include 'x' %}", 2, "{% include %} is not supported"),
    ("{{ 1 | tojsn }}", 1, "the filter tojsn is not supported"),
    ("{{ 1 is odder }}", 1, "the test odder is not supported"),
    ("{{ f(*x) }}", 1, "spreading arguments is not supported"),
    ("{% for x in y recursive %}{% endfor %}", 1, "a recursive loop is not supported"),
    ("\n\n{{ [1].append(2) }}", 3, "changing a list (append) is not supported"),
    ("{% macro m() %}{% generation %}{% endgeneration %}{% endmacro %}{{ m() }}", 1, "generation"),
    ("{{ 1", 1, "a tag does not end"),
    ("{% if x %}", 1, "expected elif or else or endif"),
    ("{{ 'a }}", 1, "a string does not end"),
    ("{{ [1) }}", 1, "unexpected \")\""),
    ("{{ }}", 1, "expected an expression"),
    ("{{ 9223372036854775807 + 1 }}", 1, "9223372036854775807 + 1 is not possible"),
    ("{{ 1 // 0 }}", 1, "1 // 0 is not possible"),
    ("{{ 1 % 0 }}", 1, "1 % 0 is not possible"),
    ("{{ nothing.x }}", 1, "\"nothing\" is undefined"),
    ("{{ strftime_now('%Q') }}", 1, "strftime_now"),
  ])
  func whatWeLackIsNamed(text: String, line: Int, message: String) {
    let error = #expect(throws: JinjaError.self, "\(text)") {
      try JinjaTemplate(text).render(JSONObject())
    }
    #expect(error?.line == line, "\(text)")
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
  }

  /// Neither time, nor memory, nor the stack can be used up.
  @Test(.timeLimit(.minutes(1)), arguments: [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}"
      + "{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}"
      + "{% set ns.x = [ns.x, ns.x] %}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(50) %}"
      + "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}"
      + "{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}",
    "{{ 'x' * 999999999999 }}", "{{ range(10 ** 9) }}",
    "{% set ns = namespace() %}{% set ns.x = ns %}",
    "{{ " + String(repeating: "(", count: 10_000) + "1",
    "{{ " + String(repeating: "not ", count: 10_000) + "1 }}",
    "{{ 1" + String(repeating: " + 1", count: 10_000) + " }}",
    String(repeating: "{% if 1 %}", count: 10_000),
  ])
  func templatesAreBounded(text: String) {
    let error = #expect(throws: JinjaError.self) {
      try JinjaTemplate(text).render(JSONObject())
    }
    #expect(error != nil)
  }
}
