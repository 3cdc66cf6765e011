// SPDX-License-Identifier: Apache-2.0

/// Points over two scales, such as loss against imbalance; points of one run are joined.
struct ScatterChart {
  struct Group {
    let name: String
    let x: Double
    let marks: [(style: SeriesStyle, name: String, y: Double)]
  }

  let groups: [Group]
  let xLabel: String
  let yLabel: String
  var width = 360.0
  var height = 260.0

  func draw(in parent: HTMLElement) {
    let (left, right, top, bottom) = (52.0, width - 16, 28.0, height - 36)
    let x = Scale(.linear, over: groups.map(\.x) + [0], to: (left, right), tickCount: 5)
    let y = Scale(
      .linear, over: groups.flatMap { $0.marks.map(\.y) }, to: (bottom, top), tickCount: 4)
    let drawing = Drawing(
      in: parent, width: width, height: height,
      description: "Scatter chart: \(yLabel) by \(xLabel), \(groups.count) runs")
    drawing.verticalAxis(y, left: left, right: right, label: yLabel)
    drawing.horizontalAxis(x, top: bottom, bottom: bottom, label: xLabel)
    for group in groups {
      let values = group.marks.map(\.y).filter(\.isFinite)
      if let low = values.min(), let high = values.max() {
        drawing.line(
          x.position(group.x), y.position(low), x.position(group.x), y.position(high),
          .class("stem"))
      }
      for mark in group.marks where mark.y.isFinite {
        drawing.mark(
          mark.style, x.position(group.x), y.position(mark.y),
          title: "\(group.name), \(mark.name): \(NumberText.fixed(mark.y, 3))")
      }
    }
  }
}
