// SPDX-License-Identifier: Apache-2.0

/// A table of cells shaded from light to dark, with the number in the cell where there is room.
struct HeatMap {
  struct Cell {
    /// Shade, 0...1; nil leaves the cell empty.
    let share: Double?
    /// Shown in the cell where it fits.
    let text: String
    /// Shown on pointing at the cell.
    let title: String
  }

  /// Shades besides the empty one; the style sheet has as many.
  static let shadeCount = 8

  let rowLabels: [String]
  let columnLabels: [String]
  let cells: [[Cell]]
  /// Above the columns and above the row labels.
  let columnTitle: String
  let rowTitle: String
  /// What the shades mean at their two ends.
  let scaleLabels: (low: String, high: String)
  var cellWidth = 30.0
  var cellHeight = 22.0

  /// The shade of a share: 0 for none, then equal steps; a nonzero share is never shaded as none.
  static func shade(_ share: Double) -> Int {
    guard share.isFinite, share > 0 else { return 0 }
    return max(1, min(shadeCount, Int((min(share, 1) * Double(shadeCount)).rounded(.up))))
  }

  func draw(in parent: HTMLElement) {
    let widest = rowLabels.map { Drawing.width(of: PrintableText.shortened($0, to: 18)) }.max() ?? 0
    let left = min(130, max(Drawing.width(of: rowTitle) + 8, widest + 12))
    let longest = columnLabels.map { Drawing.width(of: $0) }.max() ?? 0
    let isSlanted = longest > cellWidth - 2 && !columnLabels.contains("")
    let top = 26 + (isSlanted ? min(70, longest * 0.75) + 6 : 14)
    let columnTitle = PrintableText.shortened(self.columnTitle, to: 40)
    let width = max(
      left + Double(columnLabels.count) * cellWidth + (isSlanted ? 26 : 6),
      left + Drawing.width(of: columnTitle) + 8)
    let bottom = top + Double(rowLabels.count) * cellHeight
    let drawing = Drawing(
      in: parent, width: width, height: bottom + 40,
      description:
        "Heat map: \(columnTitle) by \(rowTitle), \(rowLabels.count) rows, "
        + "\(columnLabels.count) columns")
    drawing.text(columnTitle, left, 14, style: .class("axis"), title: self.columnTitle)
    drawing.text(rowTitle, 2, top - 6, style: .class("axis"))
    for (column, label) in columnLabels.enumerated() {
      let x = left + (Double(column) + 0.5) * cellWidth
      if isSlanted {
        drawing.element.add(
          "text",
          [
            .class("tick"), .init("x", 0.0), .init("y", 0.0),
            .slanted(at: x - 1, top - 5),
          ], text: label)
      } else {
        drawing.text(label, x, top - 5, .middle, style: .class("tick"))
      }
    }
    for (row, label) in rowLabels.enumerated() {
      let y = top + Double(row) * cellHeight
      drawing.text(
        PrintableText.shortened(label, to: 18), left - 8, y + cellHeight / 2 + 4, .end,
        style: .class("label"), title: label)
      for (column, cell) in cells[row].enumerated() {
        drawCell(cell, left + Double(column) * cellWidth, y, in: drawing)
      }
    }
    drawRamp(left, bottom + 14, in: drawing)
  }

  private func drawCell(_ cell: Cell, _ x: Double, _ y: Double, in drawing: Drawing) {
    guard let share = cell.share else { return }
    let shade = HeatMap.shade(share)
    drawing.rectangle(
      x, y, cellWidth - 1, cellHeight - 1, .class("shade shade", shade), title: cell.title)
    if cellHeight >= 16 && Drawing.width(of: cell.text) <= cellWidth - 2 {
      drawing.text(
        cell.text, x + cellWidth / 2 - 0.5, y + cellHeight / 2 + 3.5, .middle,
        style: .class("cell ink", shade))
    }
  }

  private func drawRamp(_ left: Double, _ top: Double, in drawing: Drawing) {
    drawing.text(scaleLabels.low, left - 8, top + 10, .end, style: .class("tick"))
    for shade in 0...HeatMap.shadeCount {
      drawing.rectangle(
        left + Double(shade) * 14, top, 14, 12, .class("shade shade", shade))
    }
    drawing.text(
      scaleLabels.high, left + Double(HeatMap.shadeCount + 1) * 14 + 6, top + 10,
      style: .class("tick"))
  }
}
