// SPDX-License-Identifier: Apache-2.0

/// Lines over a common horizontal axis, such as loss by step.
struct LineChart {
  struct Series {
    let style: SeriesStyle
    let points: [(x: Double, y: Double)]
    /// Marks at the points, each with its value; for few points.
    var isMarked = false
    var name = ""
  }

  /// Points a line is drawn with at most; longer series are drawn as means of runs of points.
  static let pointLimit = 240

  var title: String?
  let series: [Series]
  let xLabel: String
  let yLabel: String
  var wholeX = true
  /// Values that the vertical axis has to cover besides those shown, so that panels compare.
  var alsoCovering: [Double] = []
  /// Thin vertical lines, such as the starts of rounds.
  var dividers: [Double] = []
  var xRange: [Double] = []
  var width = 360.0
  var height = 230.0

  func draw(in parent: HTMLElement) {
    let left = 52.0
    let right = width - 14
    let top = title == nil ? 28.0 : 46.0
    let bottom = height - 36
    let ys = series.flatMap { $0.points.map(\.y) } + alsoCovering
    let xs = series.flatMap { $0.points.map(\.x) } + xRange
    let x = Scale(
      .linear, over: xs, to: (left, right), tickCount: 5, whole: wholeX,
      isExact: true)
    let y = Scale(.linear, over: ys, to: (bottom, top), tickCount: 4)
    let drawing = Drawing(
      in: parent, width: width, height: height, description: description)
    if let title {
      drawing.text(
        PrintableText.shortened(title, to: 48), 2, 14, style: .class("title"), title: title)
    }
    drawing.verticalAxis(y, left: left, right: right, label: yLabel)
    drawing.horizontalAxis(x, top: bottom, bottom: bottom, label: xLabel)
    for divider in dividers where divider > x.low && divider < x.high {
      drawing.line(x.position(divider), top, x.position(divider), bottom, .class("divider"))
    }
    for line in series {
      let points = LineChart.thinned(line.points)
      drawing.polyline(
        points.map { ($0.y.isFinite ? (x.position($0.x), y.position($0.y)) : nil) },
        line.style.line)
      guard line.isMarked || points.count == 1 else { continue }
      for point in points where point.y.isFinite {
        drawing.mark(
          line.style, x.position(point.x), y.position(point.y),
          title: "\(line.name): \(NumberText.fixed(point.y, 3))")
      }
    }
  }

  /// Means of equal runs of points where there are more than can be told apart.
  static func thinned(_ points: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
    guard points.count > pointLimit else { return points }
    let run = (points.count + pointLimit - 1) / pointLimit
    return stride(from: 0, to: points.count, by: run).map { start in
      let part = points[start..<min(start + run, points.count)]
      let count = Double(part.count)
      return (part.reduce(0) { $0 + $1.x / count }, part.reduce(0) { $0 + $1.y / count })
    }
  }

  private var description: String {
    "Line chart\(title.map { ", \($0)" } ?? ""): \(yLabel) by \(xLabel), "
      + NumberText.counted(series.count, "line")
  }
}
