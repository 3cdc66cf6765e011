// SPDX-License-Identifier: Apache-2.0

/// How the clients' adapters became one: weights, effective clients, drift.
enum AggregationSection: ReportSection {
  static let anchor: StaticString = "aggregation"
  static let title = "Aggregation"

  static func applies(to run: Run) -> Bool { run.isFolder || !run.aggregations.isEmpty }

  static func write(_ run: Run, into parent: HTMLElement) {
    let aggregations = run.aggregations.sorted {
      ($0.arm ?? "", $0.round ?? 0, $0.source) < ($1.arm ?? "", $1.round ?? 0, $1.source)
    }
    guard let last = aggregations.last else {
      parent.missing(
        "No aggregation: cl-aggregate --report arm-federated/round-001/aggregate.jsonl writes one.")
      return
    }
    writeFigures(aggregations, last, into: parent)
    writeModules(last, into: parent)
    roundTable(aggregations).write(into: parent)
    weightTable(aggregations).write(into: parent)
    moduleTable(last).write(into: parent)
  }

  private static func writeFigures(
    _ aggregations: [Aggregation], _ last: Aggregation, into parent: HTMLElement
  ) {
    let drift = aggregations.compactMap { part -> (x: Double, y: Double)? in
      guard let round = part.round, let drift = part.drift else { return nil }
      return (Double(round), drift)
    }
    let weighted = last.clients.filter { $0.weight != nil }
    if weighted.isEmpty && drift.isEmpty { return }
    let drawn = weighted.prefix(PlanSection.drawnClients)
    parent.figure(
      "Left: weight of each client's adapter in the last round. Right: aggregation drift by round: how "
        + "far the aggregated update lies from the weighted mean of the clients' updates, relative to "
        + "that mean (Frobenius norms). 0 means that nothing was lost by averaging the factors A and B "
        + "apart."
    ) { plots in
      if !weighted.isEmpty {
        BarChart(
          rows: drawn.map {
            BarChart.Row(
              label: $0.id.label, value: $0.weight ?? 0,
              text: NumberText.percent($0.weight ?? 0))
          }, xLabel: "weight, as a share of 1"
        ).draw(in: plots)
      }
      if !drift.isEmpty {
        LineChart(
          series: [
            LineChart.Series(style: .global, points: drift, isMarked: true, name: "drift")
          ], xLabel: "round", yLabel: "drift", alsoCovering: [0]
        ).draw(in: plots)
      }
    }
  }

  // MARK: Modules

  /// Layer and projection of a module's name, such as `model.layers.3.self_attn.q_proj`.
  static func place(of module: String) -> (layer: Int, part: String)? {
    let parts = module.split(separator: ".").map(String.init)
    guard let index = parts.lastIndex(of: "layers"), index + 1 < parts.count,
      let layer = Int(parts[index + 1]), layer >= 0, layer < 1000, let last = parts.last,
      index + 1 < parts.count - 1
    else { return nil }
    return (layer, last)
  }

  private static func writeModules(_ aggregation: Aggregation, into parent: HTMLElement) {
    var parts: [String] = []
    var cells: [String: [Int: Aggregation.Module]] = [:]
    var layers = 0
    for module in aggregation.modules {
      guard module.drift != nil || module.norm != nil, let place = place(of: module.name) else {
        continue
      }
      if !parts.contains(place.part) { parts.append(place.part) }
      cells[place.part, default: [:]][place.layer] = module
      layers = max(layers, place.layer + 1)
    }
    if parts.isEmpty || parts.count > 40 { return }
    parent.figure(
      "Last round, each adapted matrix: darker is more. Pointing at a cell shows its number; the "
        + "table below has all."
    ) { plots in
      for (title, value) in [
        ("drift by layer", { (module: Aggregation.Module) in module.drift }),
        ("norm of the mean update by layer", { module in module.norm }),
      ] {
        map(title, value, parts: parts, cells: cells, layers: layers)?.draw(in: plots)
      }
    }
  }

  private static func map(
    _ title: String, _ value: (Aggregation.Module) -> Double?, parts: [String],
    cells: [String: [Int: Aggregation.Module]], layers: Int
  ) -> HeatMap? {
    let all = parts.flatMap { part in
      (0..<layers).compactMap { cells[part]?[$0].flatMap(value) }
    }
    guard let most = all.max(), most > 0 else { return nil }
    return HeatMap(
      rowLabels: parts,
      columnLabels: (0..<layers).map { $0 % 5 == 0 || layers <= 8 ? "\($0)" : "" },
      cells: parts.map { part in
        (0..<layers).map { layer in
          let amount = cells[part]?[layer].flatMap(value)
          let text = amount.map { NumberText.significant($0, 3) } ?? NumberText.none
          return HeatMap.Cell(
            share: amount.map { $0 / most }, text: "", title: "\(part), layer \(layer): \(text)")
        }
      }, columnTitle: title, rowTitle: "",
      scaleLabels: ("0", NumberText.significant(most, 3)),
      cellWidth: layers > 40 ? 8 : layers > 16 ? 13 : 22, cellHeight: 18)
  }

  // MARK: Tables

  private static func roundTable(_ aggregations: [Aggregation]) -> Table {
    var table = Table(
      "Every aggregation. Effective clients: 1 / sum of squared weights. In and out: bytes of the "
        + "clients' adapters and of the aggregate. Privacy: what holds for the aggregate, not for this "
        + "report nor against whoever sees single adapters.",
      [
        .text("Arm"), .number("Round"), .text("Rule"), .text("Weights by"), .number("Clients"),
        .number("Effective clients"), .text("Refused"), .number("Rank"), .number("Drift"),
        .number("In"), .number("Out"), .text("Privacy"), .source("Source"),
      ])
    for part in aggregations {
      table.row([
        part.arm ?? NumberText.none, NumberText.count(part.round),
        part.rule ?? NumberText.none, part.weights ?? NumberText.none,
        NumberText.count(part.clients.count),
        part.effectiveClients.map { NumberText.fixed($0, 2) } ?? NumberText.none,
        part.refused.isEmpty ? "none" : part.refused.joined(separator: "; "),
        NumberText.count(part.rank),
        part.drift.map { NumberText.significant($0, 3) } ?? NumberText.none,
        part.bytesIn.map(NumberText.bytes) ?? NumberText.none,
        part.bytesOut.map(NumberText.bytes) ?? NumberText.none, part.guarantee, part.source,
      ])
    }
    return table
  }

  private static func weightTable(_ aggregations: [Aggregation]) -> Table {
    var table = Table(
      "Weights of the clients in every round.",
      [
        .number("Round"), .text("Client"), .number("Weight"), .number("Records"),
        .number("Tokens"), .number("Target tokens"), .source("Source"),
      ])
    for part in aggregations {
      for client in part.clients {
        table.row([
          NumberText.count(part.round), client.id.label,
          client.weight.map { NumberText.percent($0, 2) } ?? NumberText.none,
          NumberText.count(client.records), NumberText.count(client.tokens),
          NumberText.count(client.targetTokens), part.source,
        ])
      }
    }
    return table
  }

  private static func moduleTable(_ last: Aggregation) -> Table {
    var table = Table(
      "Each adapted matrix in the last round: Frobenius norm of the weighted mean of the clients' "
        + "updates, and the aggregate's drift from it.",
      [.text("Module"), .number("Norm"), .number("Drift"), .source("Source")])
    for module in last.modules {
      table.row([
        module.name, module.norm.map { NumberText.significant($0, 3) } ?? NumberText.none,
        module.drift.map { NumberText.significant($0, 3) } ?? NumberText.none, last.source,
      ])
    }
    return table
  }
}
