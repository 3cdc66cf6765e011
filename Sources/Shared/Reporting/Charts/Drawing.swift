// SPDX-License-Identifier: Apache-2.0

/// What a mark stands for; the style sheet gives each its colour, and each has a shape of its own.
enum SeriesStyle: Int, CaseIterable {
  case base, own, global, pooled, other, faint

  var line: HTMLAttribute {
    switch self {
    case .base: .class("line base")
    case .own: .class("line own")
    case .global: .class("line global")
    case .pooled: .class("line pooled")
    case .other: .class("line other")
    case .faint: .class("line faint")
    }
  }

  var mark: HTMLAttribute {
    switch self {
    case .base: .class("mark base")
    case .own: .class("mark own")
    case .global: .class("mark global")
    case .pooled: .class("mark pooled")
    case .other: .class("mark other")
    case .faint: .class("mark faint")
    }
  }
}

/// A named series in a legend.
struct LegendEntry {
  let style: SeriesStyle
  let text: String
}

/// An SVG drawing of fixed size; coordinates in pixels from the upper left.
struct Drawing {
  enum TextAnchor { case start, middle, end }

  let element: HTMLElement
  let width: Double
  let height: Double

  /// - Parameter description: what the drawing shows, for readers who cannot see it; nil for one
  ///   that only repeats the text beside it.
  init(in parent: HTMLElement, width: Double, height: Double, description: String?) {
    var attributes: [HTMLAttribute] = [
      .init("width", width), .init("height", height), .init("viewBox", [0, 0, width, height]),
      description == nil ? .init("aria-hidden", "true") : .init("role", "img"),
    ]
    // Shrunk to a narrow window, a very wide drawing could not be read: it scrolls instead.
    if width > 640 { attributes.insert(.class("wide"), at: 0) }
    element = parent.add("svg", attributes)
    if let description { element.add("title", text: description) }
    self.width = width
    self.height = height
  }

  func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: HTMLAttribute) {
    element.add(
      "line", [style, .init("x1", x1), .init("y1", y1), .init("x2", x2), .init("y2", y2)])
  }

  func rectangle(
    _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ style: HTMLAttribute,
    title: String? = nil
  ) {
    let shape = element.add(
      "rect",
      [
        style, .init("x", x), .init("y", y), .init("width", max(0, width)),
        .init("height", max(0, height)),
      ])
    if let title { shape.add("title", text: title) }
  }

  /// A line through points; a value that is missing breaks it.
  func polyline(_ points: [(x: Double, y: Double)?], _ style: HTMLAttribute) {
    var path = SVGPath()
    var isOpen = false
    for point in points {
      guard let point else {
        isOpen = false
        continue
      }
      if isOpen { path.line(point.x, point.y) } else { path.move(point.x, point.y) }
      isOpen = true
    }
    element.add("path", [style, .path(path)])
  }

  func text(
    _ text: String, _ x: Double, _ y: Double, _ anchor: TextAnchor = .start,
    style: HTMLAttribute? = nil, title: String? = nil
  ) {
    var attributes: [HTMLAttribute] = [.init("x", x), .init("y", y)]
    switch anchor {
    case .start: break
    case .middle: attributes.append(.init("text-anchor", "middle"))
    case .end: attributes.append(.init("text-anchor", "end"))
    }
    if let style { attributes.append(style) }
    let label = element.add("text", attributes, text: text)
    if let title { label.add("title", text: title) }
  }

  /// The mark of a series: circle, square, triangle, diamond, so that colour is never alone.
  func mark(_ style: SeriesStyle, _ x: Double, _ y: Double, title: String? = nil) {
    var path = SVGPath()
    let r = style == .faint ? 2.5 : 4.0
    var shape: HTMLElement
    switch style {
    case .global, .faint:
      shape = element.add("circle", [style.mark, .init("cx", x), .init("cy", y), .init("r", r)])
      if let title { shape.add("title", text: title) }
      return
    case .own:
      path.move(x - 3.5, y - 3.5)
      path.line(x + 3.5, y - 3.5)
      path.line(x + 3.5, y + 3.5)
      path.line(x - 3.5, y + 3.5)
    case .pooled:
      path.move(x, y - 4.5)
      path.line(x + 4.5, y + 3.5)
      path.line(x - 4.5, y + 3.5)
    case .base, .other:
      path.move(x, y - 5)
      path.line(x + 5, y)
      path.line(x, y + 5)
      path.line(x - 5, y)
    }
    path.close()
    shape = element.add("path", [style.mark, .path(path)])
    if let title { shape.add("title", text: title) }
  }

  /// A horizontal axis below the plot with its grid lines.
  ///
  /// - Parameters:
  ///   - top: upper end of the grid lines.  - bottom: where the axis lies.
  func horizontalAxis(_ scale: Scale, top: Double, bottom: Double, label: String) {
    for tick in scale.ticks {
      let x = scale.position(tick.value)
      line(x, top, x, bottom, .class("grid"))
      text(tick.text, x, bottom + 14, .middle, style: .class("tick"))
    }
    let middle = (scale.position(scale.low) + scale.position(scale.high)) / 2
    text(label, middle, bottom + 30, .middle, style: .class("axis"))
  }

  /// A vertical axis left of the plot with its grid lines; its label stands above it.
  func verticalAxis(_ scale: Scale, left: Double, right: Double, label: String) {
    for tick in scale.ticks {
      let y = scale.position(tick.value)
      line(left, y, right, y, .class("grid"))
      text(tick.text, left - 6, y + 4, .end, style: .class("tick"))
    }
    text(label, 2, scale.position(scale.high) - 10, style: .class("axis"))
  }

  /// Pixels that `text` takes at the size of labels, roughly.
  static func width(of text: String) -> Double { Double(text.count) * 6.4 }
}
