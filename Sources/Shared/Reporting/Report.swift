// SPDX-License-Identifier: Apache-2.0
internal import Streams

// Reporting: from the files of a run, or a stream of records, to one HTML file.
//
//   Run/        what is read: RunReader -> Run, tolerant of missing parts
//   Document/   the page: libxml2's tree, so that text from data is always escaped
//   Charts/     inline SVG, one file a chart
//   Sections/   one file a section, listed in SectionCatalog
//
// The same input gives the same bytes: no time, no host name, files in the order of their paths.

/// One part of the report on one run.
package protocol ReportSection: Sendable {
  /// Name in links; letters and dashes.
  static var anchor: StaticString { get }
  static var title: String { get }
  /// Whether the section says anything for this run; one that could, but lacks its data, writes one
  /// line on what would fill it.
  static func applies(to run: Run) -> Bool
  static func write(_ run: Run, into parent: HTMLElement)
}

extension ReportSection {
  package static func applies(to run: Run) -> Bool { run.isFolder }
}

/// All sections in their order on the page.
package enum SectionCatalog {
  package static let all: [any ReportSection.Type] = [
    HeadlineSection.self,
    PlanSection.self,
    DistributionSection.self,
    RecordLossSection.self,
    TrainingSection.self,
    RoundSection.self,
    AggregationSection.self,
    CostSection.self,
    ProvenanceSection.self,
  ]
}

/// The whole report on one or more runs.
package struct Report {
  private let runs: [Run]
  private let tool: String

  /// - Parameter tool: who writes it, such as `cl-report 0.1.0`.
  package init(runs: [Run], tool: String) {
    self.runs = runs
    self.tool = tool
  }

  /// The report as one self-contained HTML file in UTF-8.
  ///
  /// - Throws: ``ReportError/documentNotBuilt``.
  package func html() throws(ReportError) -> [UInt8] {
    let document = HTMLDocument()
    writeHead(document.root.add("head"))
    let body = document.root.add("body")
    body.newline()
    if runs.count > 1 { writeComparison(into: body) }
    for (index, run) in runs.enumerated() { write(run, number: index + 1, into: body) }
    let footer = body.add("footer")
    footer.add("p", text: "Written by \(tool). Losses are natural logarithms (nats).")
    return try document.serialised()
  }

  private var title: String {
    runs.count == 1 ? "Report on \(runs[0].name)" : "Report on \(runs.count) runs"
  }

  private func writeHead(_ head: HTMLElement) {
    head.newline()
    head.add("meta", [.init("charset", "utf-8")])
    head.newline()
    head.add(
      "meta", [.init("http-equiv", "Content-Security-Policy"), .contentSecurityPolicy()])
    head.newline()
    head.add(
      "meta",
      [.init("name", "viewport"), .init("content", "width=device-width, initial-scale=1")])
    head.newline()
    head.add("meta", [.init("name", "color-scheme"), .init("content", "light dark")])
    head.newline()
    head.add("title", text: title)
    head.newline()
    head.add("style").rules(Stylesheet.rules)
    head.newline()
  }

  private func writeComparison(into body: HTMLElement) {
    body.add("h1", text: title)
    let list = body.add("nav", [.label("Runs")]).add("ul")
    for (index, run) in runs.enumerated() {
      list.add("li").add(
        "a", [.link(to: Anchor(run: index + 1, section: "top"))], text: run.name)
    }
    body.newline()
    ComparisonSection.write(runs, into: body.add("section", [.id(Anchor("comparison"))]))
  }

  private func write(_ run: Run, number: Int, into body: HTMLElement) {
    let article = body.add("article", [.id(Anchor(run: number, section: "top"))])
    article.newline()
    article.add("h1", text: run.isFolder ? "Federated LoRA: \(run.name)" : "Records of \(run.name)")
    article.newline()
    let sections = SectionCatalog.all.filter { $0.applies(to: run) }
    let list = article.add("nav", [.label("Sections")]).add("ul")
    for section in sections.dropFirst() {
      list.add("li").add(
        "a", [.link(to: Anchor(run: number, section: section.anchor))], text: section.title)
    }
    article.newline()
    for section in sections {
      let part = article.add("section", [.id(Anchor(run: number, section: section.anchor))])
      part.newline()
      if section != HeadlineSection.self {
        part.add("h2", text: section.title)
        part.newline()
      }
      section.write(run, into: part)
      article.newline()
    }
  }
}
