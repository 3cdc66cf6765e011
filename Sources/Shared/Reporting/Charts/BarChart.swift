// SPDX-License-Identifier: Apache-2.0

/// Horizontal bars from zero, each with its value written at its end.
struct BarChart {
  struct Row {
    let label: String
    let value: Double
    /// The value as text.
    let text: String
  }

  let rows: [Row]
  let xLabel: String
  var width = 360.0
  var rowHeight = 20.0

  func draw(in parent: HTMLElement) {
    let widest =
      rows.map { Drawing.width(of: PrintableText.shortened($0.label, to: 18)) }.max() ?? 0
    let left = min(130, max(50, widest + 12))
    let right = width - 64
    let top = 6.0
    let bottom = top + Double(rows.count) * rowHeight
    let drawing = Drawing(
      in: parent, width: width, height: bottom + 38,
      description: "Bar chart: \(xLabel) in \(NumberText.counted(rows.count, "row"))")
    let x = Scale(.linear, over: rows.map(\.value) + [0], to: (left, right), tickCount: 4)
    drawing.horizontalAxis(x, top: top, bottom: bottom, label: xLabel)
    let zero = x.position(0)
    for (index, row) in rows.enumerated() {
      let y = top + Double(index) * rowHeight
      let end = x.position(row.value)
      drawing.text(
        PrintableText.shortened(row.label, to: 18), left - 10, y + rowHeight / 2 + 4, .end,
        style: .class("label"), title: row.label)
      drawing.rectangle(
        min(zero, end), y + 3, max(1, abs(end - zero)), rowHeight - 6, .class("bar"))
      drawing.text(
        row.text, max(zero, end) + 5, y + rowHeight / 2 + 4, style: .class("value"))
    }
  }
}
