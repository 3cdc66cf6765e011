// SPDX-License-Identifier: Apache-2.0

/// Building blocks of the page beside tables: paragraphs, figures, legends.
extension HTMLElement {
  func paragraph(_ text: String) {
    add("p", text: text)
    newline()
  }

  /// One line in place of a part that has no data: what would fill it.
  func missing(_ text: String) {
    add("p", [.class("missing")], text: text)
    newline()
  }

  func heading(_ text: String) {
    add("h3", text: text)
    newline()
  }

  /// A figure: what is drawn by `body`, then the caption.
  func figure(_ caption: String, legend: [LegendEntry] = [], _ body: (HTMLElement) -> Void) {
    let figure = add("figure")
    if !legend.isEmpty {
      let list = figure.add("ul", [.class("legend")])
      for entry in legend {
        let item = list.add("li")
        let drawing = Drawing(in: item, width: 26, height: 12, description: nil)
        drawing.line(0, 6, 26, 6, entry.style.line)
        drawing.mark(entry.style, 13, 6)
        item.text(" " + entry.text)
      }
      figure.newline()
    }
    body(figure.add("div", [.class("plots")]))
    figure.newline()
    figure.add("figcaption", text: caption)
    newline()
  }

  /// Pairs of a term and what it is.
  func facts(_ facts: [(term: String, value: String)]) {
    let list = add("dl")
    for fact in facts {
      let pair = list.add("div")
      pair.add("dt", text: fact.term)
      pair.add("dd", text: fact.value)
    }
    newline()
  }
}
