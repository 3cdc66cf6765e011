// SPDX-License-Identifier: Apache-2.0

/// Who has how much of what, in rows of characters: one row a client, a bar for its records and, for
/// each axis, a strip with a character a bin. The darker or taller, the larger the bin's share of
/// the client's records; all strips of an axis have one scale.
package struct Picture: Sendable {
  /// Whether block characters may be used; plain ASCII else.
  package let usesBlocks: Bool

  static let barWidth = 20
  static let stripWidth = 24
  /// Rows beyond which the rest is only counted.
  static let rowLimit = 40

  package init(usesBlocks: Bool) { self.usesBlocks = usesBlocks }

  private var levels: [Character] { Array(usesBlocks ? " ▁▂▃▄▅▆▇█" : " .:-=+*#%@") }

  /// - Parameter names: one a client.
  package func lines(names: [String], records: [Double], axes: [Imbalance.OneAxis]) -> [String] {
    let strips = axes.map { (title: $0.axis.name, counts: merged($0.counts)) }
    let largest = records.max() ?? 0
    let nameWidth = max(6, names.prefix(Self.rowLimit).map(\.count).max() ?? 0)
    let countWidth = max(7, records.map { "\(Int($0))".count }.max() ?? 0)
    var header = pad("client", nameWidth) + " " + pad("records", countWidth, right: true) + " "
    header += String(repeating: " ", count: Self.barWidth)
    for strip in strips { header += " |" + pad(strip.title, width(strip.counts)) }
    var lines = [header + "|"]
    let tops = strips.map { strip in
      (0..<strip.counts.clients).flatMap { shares(strip.counts.row($0)) }.max() ?? 0
    }
    for client in names.indices.prefix(Self.rowLimit) {
      var line = pad(names[client], nameWidth) + " "
      line += pad("\(Int(records[client]))", countWidth, right: true) + " "
      line += pad(bar(records[client], of: largest), Self.barWidth)
      for (strip, top) in zip(strips, tops) {
        let cells = shares(strip.counts.row(client)).map { cell($0, of: top) }
        line += " |" + pad(String(cells), width(strip.counts))
      }
      lines.append(line + "|")
    }
    if names.count > Self.rowLimit { lines.append("and \(names.count - Self.rowLimit) more") }
    return lines
  }

  private func width(_ counts: CountMatrix) -> Int { max(counts.bins, 9) }

  private func shares(_ row: ArraySlice<Int>) -> [Double] {
    let total = Double(max(1, row.reduce(0, +)))
    return row.map { Double($0) / total }
  }

  private func cell(_ share: Double, of top: Double) -> Character {
    if share <= 0 || top <= 0 { return levels[0] }
    let steps = levels.count - 1
    return levels[min(steps, max(1, Int((share / top * Double(steps)).rounded())))]
  }

  private func bar(_ value: Double, of largest: Double) -> String {
    if value <= 0 || largest <= 0 { return "" }
    let cells = max(1, Int((value / largest * Double(Self.barWidth)).rounded()))
    return String(repeating: usesBlocks ? "█" : "#", count: cells)
  }

  /// Neighbouring bins together, so that a strip stays narrow.
  private func merged(_ counts: CountMatrix) -> CountMatrix {
    if counts.bins <= Self.stripWidth { return counts }
    var result = CountMatrix(clients: counts.clients, bins: Self.stripWidth)
    for client in 0..<counts.clients {
      for (bin, count) in counts.row(client).enumerated() {
        result[client, bin * Self.stripWidth / counts.bins] += count
      }
    }
    return result
  }

  /// Cut or filled with spaces to a width, in characters.
  func pad(_ text: String, _ width: Int, right: Bool = false) -> String {
    let cut = String(text.prefix(width))
    let space = String(repeating: " ", count: width - cut.count)
    return right ? space + cut : cut + space
  }
}
