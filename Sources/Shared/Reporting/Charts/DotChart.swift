// SPDX-License-Identifier: Apache-2.0

/// One row a subject, several marks in a row joined by a line: who is better, and by how much.
struct DotChart {
  struct Row {
    let label: String
    let marks: [(style: SeriesStyle, name: String, value: Double)]
  }

  let rows: [Row]
  let xLabel: String
  var width = 360.0
  var rowHeight = 22.0
  var digits = 3

  func draw(in parent: HTMLElement) {
    let widest =
      rows.map { Drawing.width(of: PrintableText.shortened($0.label, to: 18)) }.max() ?? 0
    let left = min(130, max(50, widest + 12))
    let right = width - 16
    let top = 8.0
    let bottom = top + Double(rows.count) * rowHeight
    let drawing = Drawing(
      in: parent, width: width, height: bottom + 38,
      description: "Dot chart: \(xLabel) in \(NumberText.counted(rows.count, "row"))")
    let x = Scale(
      .linear, over: rows.flatMap { $0.marks.map(\.value) }, to: (left, right), tickCount: 5)
    drawing.horizontalAxis(x, top: top, bottom: bottom, label: xLabel)
    for (index, row) in rows.enumerated() {
      let y = top + (Double(index) + 0.5) * rowHeight
      drawing.text(
        PrintableText.shortened(row.label, to: 18), left - 10, y + 4, .end,
        style: .class("label"), title: row.label)
      let values = row.marks.map(\.value).filter(\.isFinite)
      if let low = values.min(), let high = values.max() {
        drawing.line(x.position(low), y, x.position(high), y, .class("stem"))
      }
      for mark in row.marks where mark.value.isFinite {
        drawing.mark(
          mark.style, x.position(mark.value), y,
          title: "\(mark.name): \(NumberText.fixed(mark.value, digits))")
      }
    }
  }
}
