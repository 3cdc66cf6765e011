// SPDX-License-Identifier: Apache-2.0
import Aggregation
import Foundation
import TestSupport
import Testing

/// The table of Documentation/aggregation.md says of each rule what the catalog does.
@Suite struct RuleTableTests {
  /// Cells by rule, in the order of the table.
  private func rows() throws -> [(name: String, cells: [String])] {
    let page = try String(
      contentsOfFile: "\(PackageLayout.root)/Documentation/aggregation.md", encoding: .utf8)
    let table = page.components(separatedBy: "| `--rule` |")[1].components(separatedBy: "\n\n")[0]
    return table.split(separator: "\n").dropFirst(2).map { line in
      let cells = line.dropFirst(2).dropLast(2).components(separatedBy: " | ").map {
        $0.trimmingCharacters(in: .whitespaces)
      }
      return (cells[0].replacingOccurrences(of: "`", with: ""), cells)
    }
  }

  @Test func everyRuleHasItsRow() throws {
    let rows = try rows()
    #expect(Set(rows.map(\.name)) == Set(RuleCatalog.all.map(\.name)))
    #expect(rows.count == RuleCatalog.all.count)
    for (name, cells) in rows {
      #expect(cells.count == 9, "\(name)")
      let rule = try RuleCatalog.entry(name)
      let (ranks, needs, options, paper, tests) = (cells[3], cells[4], cells[5], cells[7], cells[8])
      #expect(ranks.hasPrefix(rule.needsEqualRanks ? "equal" : "any"), "\(name): \(ranks)")
      #expect(needs.contains("one parent") == rule.needsCommonParent, "\(name): \(needs)")
      #expect(needs.contains("N ≥") == rule.traits.contains(.needsThree), "\(name): \(needs)")
      let found = options.split(separator: " ").map { $0.filter { $0 != "`" } }
      var expected = Set(rule.options.map { "--\($0.rawValue)" })
      // Of the program, not of the rule.
      if name == "fedex" { expected.insert("--exact") }
      if name == "dare" { expected.insert("--seed") }
      #expect(Set(found) == expected, "\(name): \(options)")
      let author = rule.source.split(separator: " ")[0]
      #expect(paper.contains(author), "\(name): \(paper)")
      for suite in tests.components(separatedBy: ", ") {
        let path = "\(PackageLayout.root)/Tests/AggregationTests/\(suite)Tests.swift"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text.contains(name) || suite == "LargeLowRank", "\(name) in \(suite)Tests")
      }
    }
  }
}
