// SPDX-License-Identifier: Apache-2.0

/// A table of text and numbers, each row with the file that it comes from.
struct Table {
  enum Column {
    case text(String)
    /// Right-aligned, digits of equal width.
    case number(String)
    /// Paths and digests.
    case source(String)

    var title: String {
      switch self {
      case .text(let title), .number(let title), .source(let title): title
      }
    }
  }

  let caption: String
  let columns: [Column]
  private(set) var rows: [(cells: [String], isTotal: Bool)] = []

  init(_ caption: String, _ columns: [Column]) {
    self.caption = caption
    self.columns = columns
  }

  mutating func row(_ cells: [String], isTotal: Bool = false) { rows.append((cells, isTotal)) }

  /// Writes the table; nothing where it has no rows.
  func write(into parent: HTMLElement) {
    if rows.isEmpty { return }
    let frame = parent.add(
      "div", [.class("scroll"), .init("tabindex", "0"), .init("role", "region"), .label("Table")])
    let table = frame.add("table")
    table.add("caption", text: caption)
    table.newline()
    let head = table.add("thead").add("tr")
    for column in columns {
      head.add("th", [column.style, .init("scope", "col")], text: column.title)
    }
    table.newline()
    let body = table.add("tbody")
    for row in rows {
      let line = row.isTotal ? body.add("tr", [.class("total")]) : body.add("tr")
      for (index, column) in columns.enumerated() {
        let text = index < row.cells.count ? row.cells[index] : NumberText.none
        switch column {
        case .source: line.add("td", [column.style]).add("code", text: text)
        case .text where text.count > 28: line.add("td", [.class("w")], text: text)
        default: line.add("td", [column.style], text: text)
        }
      }
      body.newline()
    }
    parent.newline()
  }
}

extension Table.Column {
  fileprivate var style: HTMLAttribute {
    switch self {
    case .text: .class("t")
    case .number: .class("n")
    case .source: .class("s")
    }
  }
}
