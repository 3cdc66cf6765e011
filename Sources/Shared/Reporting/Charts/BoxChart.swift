// SPDX-License-Identifier: Apache-2.0

/// Five quantiles and the mean of some values.
package struct BoxStatistics: Equatable {
  package let count: Int
  /// Quantiles 0.05, 0.25, 0.5, 0.75, 0.95, interpolated between neighbours (Hyndman and Fan 1996,
  /// type 7).
  package let quantiles: [Double]
  package let mean: Double

  /// nil where there is no value.
  package init?(_ values: [Double]) {
    let sorted = values.filter(\.isFinite).sorted()
    guard !sorted.isEmpty else { return nil }
    count = sorted.count
    mean = sorted.reduce(0) { $0 + $1 / Double(sorted.count) }
    quantiles = [0.05, 0.25, 0.5, 0.75, 0.95].map { probability in
      let place = probability * Double(sorted.count - 1)
      let below = Int(place)
      let above = min(below + 1, sorted.count - 1)
      let share = place - Double(below)
      return sorted[below] * (1 - share) + sorted[above] * share
    }
  }
}

/// Horizontal boxes, one a client: whiskers to the 5 % and 95 % quantiles, box between the quartiles,
/// line at the median, dot at the mean.
struct BoxChart {
  struct Row {
    let label: String
    let box: BoxStatistics
    var isTotal = false
  }

  let title: String
  let rows: [Row]
  let kind: Scale.Kind
  let xLabel: String
  /// Values that the axis has to cover in any case.
  var alsoCovering: [Double] = []
  var digits = 0
  var width = 360.0
  var rowHeight = 22.0

  func draw(in parent: HTMLElement) {
    let widest =
      rows.map { Drawing.width(of: PrintableText.shortened($0.label, to: 18)) }.max() ?? 0
    let left = min(130, max(50, widest + 12))
    let top = 26.0
    let bottom = top + Double(rows.count) * rowHeight
    let drawing = Drawing(
      in: parent, width: width, height: bottom + 38,
      description: "Box chart, \(title): \(xLabel) in \(NumberText.counted(rows.count, "row"))")
    drawing.text(title, 2, 14, style: .class("title"))
    let x = Scale(
      kind, over: rows.flatMap(\.box.quantiles) + rows.map(\.box.mean) + alsoCovering,
      to: (left, width - 18), tickCount: 6)
    drawing.horizontalAxis(x, top: top, bottom: bottom, label: xLabel)
    for (index, row) in rows.enumerated() {
      let y = top + (Double(index) + 0.5) * rowHeight
      drawing.text(
        PrintableText.shortened(row.label, to: 18), left - 10, y + 4, .end,
        style: row.isTotal ? .class("label total") : .class("label"), title: row.label)
      draw(row, at: y, on: x, in: drawing)
    }
  }

  private func draw(_ row: Row, at y: Double, on x: Scale, in drawing: Drawing) {
    let places = row.box.quantiles.map { x.position($0) }
    drawing.line(places[0], y, places[4], y, .class("whisker"))
    drawing.line(places[0], y - 3, places[0], y + 3, .class("whisker"))
    drawing.line(places[4], y - 3, places[4], y + 3, .class("whisker"))
    let half = rowHeight / 2 - 4
    drawing.rectangle(
      places[1], y - half, max(1, places[3] - places[1]), 2 * half,
      row.isTotal ? .class("box total") : .class("box"),
      title: "\(row.label): median \(NumberText.fixed(row.box.quantiles[2], digits))")
    drawing.line(places[2], y - half, places[2], y + half, .class("median"))
    drawing.element.add(
      "circle",
      [.class("mean"), .init("cx", x.position(row.box.mean)), .init("cy", y), .init("r", 2)])
  }
}
