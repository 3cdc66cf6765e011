// SPDX-License-Identifier: Apache-2.0

/// How the records were divided, and how uneven that is along each axis.
enum PlanSection: ReportSection {
  static let anchor: StaticString = "plan"
  static let title = "Plan and imbalance"

  static func applies(to run: Run) -> Bool { run.isFolder || run.plan != nil }

  /// Rows a heat map has at most; the table always has all.
  static let drawnClients = 40

  static func write(_ run: Run, into parent: HTMLElement) {
    guard let plan = run.plan else {
      parent.missing("No plan: cl-partition … -o \(run.name)/shards writes shards/plan.json.")
      return
    }
    parent.paragraph(
      "The records were divided \(plan.summary.isEmpty ? "as the plan says" : plan.summary)"
        + " over \(NumberText.counted(plan.clients.count, "client"))"
        + (plan.movedRecords.map {
          $0 > 0
            ? "; \(NumberText.counted($0, "record")) moved so that each client has enough" : ""
        } ?? "") + ".")
    writeHeatMaps(plan, into: parent)
    indexTable(plan).write(into: parent)
    quantityTable(plan).write(into: parent)
    clientTable(plan).write(into: parent)
    var parameters = Table("Parameters of the split.", [.text("Parameter"), .text("Value")])
    for parameter in plan.parameters { parameters.row([parameter.name, parameter.value]) }
    parameters.write(into: parent)
  }

  // MARK: Heat maps

  private static func writeHeatMaps(_ plan: Plan, into parent: HTMLElement) {
    let maps = plan.axes.filter { !$0.counts.isEmpty && $0.binning != nil }
    if maps.isEmpty { return }
    let shown = min(drawnClients, plan.clients.count)
    var caption =
      "Shade and number: the share of the client's records, in per cent, that lies in each bin. "
      + "Bins hold about equally many of all records, so even rows mean an even split."
    if shown < plan.clients.count {
      caption += " The first \(shown) of \(plan.clients.count) clients are drawn."
    }
    let shares = maps.flatMap { map in
      map.counts.prefix(shown).map { Double($0.max() ?? 0) / Double(max(1, $0.total)) }
    }
    let most = max(0.1, ((shares.max() ?? 1) * 10).rounded(.up) / 10)
    parent.figure(caption) { plots in
      for map in maps { heatMap(map, plan, shown, most).draw(in: plots) }
    }
  }

  /// - Parameter most: the share with the darkest shade.
  private static func heatMap(
    _ index: Plan.Index, _ plan: Plan, _ shown: Int, _ most: Double
  ) -> HeatMap {
    let labels = index.binning?.labels ?? []
    let rows = index.counts.prefix(shown)
    let columns = min(40, max(labels.count, rows.map(\.count).max() ?? 0))
    let cells = rows.map { counts in
      let total = max(1, counts.total)
      return (0..<columns).map { column in
        let count = column < counts.count ? counts[column] : 0
        let share = Double(count) / Double(total)
        return HeatMap.Cell(
          share: share / most, text: count == 0 ? "" : NumberText.fixed(share * 100, 0),
          title: "\(NumberText.counted(count, "record")), \(NumberText.percent(share))")
      }
    }
    let unit = index.axis == "length" ? " (\(plan.lengthUnit ?? "tokens"))" : ""
    return HeatMap(
      rowLabels: rows.indices.map {
        $0 < plan.clients.count ? plan.clients[$0].id.label : "client \($0)"
      },
      columnLabels: (0..<columns).map {
        $0 < labels.count ? PrintableText.shortened(labels[$0], to: 12) : ""
      },
      cells: cells, columnTitle: index.axis + unit, rowTitle: "",
      scaleLabels: ("0 %", NumberText.percent(most, 0)),
      cellWidth: columns > 12 ? 24 : 28)
  }

  // MARK: Tables

  private static func indexTable(_ plan: Plan) -> Table {
    var table = Table(
      "Imbalance along each axis. NJS: bias-corrected Jensen–Shannon divergence over the entropy of "
        + "the client sizes, 0 for an IID split, 1 if the bin tells the client. W1: mean "
        + "Wasserstein distance of a client from all records. p: chance of a split at least this "
        + "uneven under IID.",
      [
        .text("Axis"), .number("NJS"), .number("JS, bits"), .number("Hellinger"), .number("W1"),
        .text("W1 unit"), .number("p"), .number("Interaction, bits"), .source("Source"),
      ])
    for index in plan.axes + plan.joint {
      func fixed(_ value: Double?) -> String {
        value.map { NumberText.fixed($0, 3) } ?? NumberText.none
      }
      table.row([
        index.axis, fixed(index.njs), fixed(index.gjs), fixed(index.hellinger),
        fixed(index.distance), index.distanceUnit ?? NumberText.none,
        index.p.map { $0 == 0 ? "< 10⁻³⁰⁰" : NumberText.significant($0, 2) } ?? NumberText.none,
        index.interaction.map { NumberText.signed($0, 3) } ?? NumberText.none, plan.source,
      ])
    }
    return table
  }

  private static func quantityTable(_ plan: Plan) -> Table {
    var table = Table(
      "Evenness of the amounts. Gini: 0 if all clients have the same, 1 if one has all. Effective "
        + "clients: exp of the entropy of the shares.",
      [.text("Amount"), .number("Gini"), .number("Effective clients"), .source("Source")])
    for quantity in plan.quantities {
      table.row([
        name(of: quantity.name, plan),
        quantity.gini.map { NumberText.fixed($0, 3) } ?? NumberText.none,
        quantity.effectiveClients.map { NumberText.fixed($0, 2) } ?? NumberText.none, plan.source,
      ])
    }
    return table
  }

  private static func clientTable(_ plan: Plan) -> Table {
    var amounts: [String] = []
    var splits: [String] = []
    for client in plan.clients {
      for amount in client.amounts where !amounts.contains(amount.name) {
        amounts.append(amount.name)
      }
      for file in client.files {
        if let split = file.split, !splits.contains(split) { splits.append(split) }
      }
    }
    var table = Table(
      "What each client has.",
      [.text("Client")] + amounts.map { .number(name(of: $0, plan)) }
        + splits.map { .number("\($0) records") } + [.source("Source")])
    func text(_ value: Double) -> String {
      if let whole = Int(exactly: value) { return NumberText.count(whole) }
      return NumberText.count(Int(max(-1e15, min(1e15, value)).rounded()))
    }
    for client in plan.clients {
      table.row(
        [client.id.label]
          + amounts.map { client.amount($0).map(text) ?? NumberText.none }
          + splits.map { split in
            NumberText.count(
              client.files.filter { $0.split == split }.compactMap(\.records).total)
          } + [plan.source])
    }
    guard plan.clients.count > 1 else { return table }
    table.row(
      ["all"]
        + amounts.map { name in
          text(plan.clients.reduce(0) { $0 + ($1.amount(name) ?? 0) })
        }
        + splits.map { split in
          NumberText.count(
            plan.clients.map { client in
              client.files.filter { $0.split == split }.compactMap(\.records).total
            }.total)
        } + [plan.source], isTotal: true)
    return table
  }

  /// The names of the plan in words.
  private static func name(of amount: String, _ plan: Plan) -> String {
    switch amount {
    case "length": plan.lengthUnit ?? "length"
    case "quality_mass": "quality × length"
    default: amount
    }
  }
}
