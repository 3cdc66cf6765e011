// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// What the report needs of a plan of cl-partition (Documentation/formats/plan.md).
package struct Plan {
  package struct Client {
    package let id: ClientID
    /// Amounts by name, such as records, length, sentences.
    package let amounts: [(name: String, value: Double)]
    package let files: [File]

    package func amount(_ name: String) -> Double? { amounts.first { $0.name == name }?.value }
  }

  package struct File {
    package let split: String?
    package let name: String
    package let records: Int?
    package let sha256: String?
  }

  /// Bins of one axis.
  package struct Binning {
    package let axis: String
    /// Bin 0 is below the first edge, bin i from edge i - 1 to below edge i.
    package let edges: [Double]?
    /// One bin a value.
    package let values: [String]?

    /// How the bins are called.
    package var labels: [String] {
      if let values { return values }
      guard let edges else { return [] }
      guard let first = edges.first, let last = edges.last else { return ["all"] }
      let areWhole = edges.allSatisfy { Int(exactly: $0) != nil }
      let digits = edges.allSatisfy { abs($0) < 10 } ? 2 : 0
      func text(_ value: Double) -> String {
        areWhole ? NumberText.shortest(value) : NumberText.fixed(value, digits)
      }
      var labels = ["<\(text(first))"]
      for (low, next) in zip(edges, edges.dropFirst()) {
        // A bin of whole numbers ends one below the next edge.
        let high = areWhole ? next - 1 : next
        labels.append(high <= low ? text(low) : "\(text(low))–\(text(high))")
      }
      labels.append("≥\(text(last))")
      return labels
    }
  }

  /// The unevenness along one axis, or several together.
  package struct Index {
    package let axis: String
    package let binning: Binning?
    package let counts: [[Int]]
    package let njs: Double?
    package let gjs: Double?
    package let hellinger: Double?
    package let distance: Double?
    package let distanceUnit: String?
    package let p: Double?
    package let interaction: Double?
  }

  package struct Quantity {
    package let name: String
    package let gini: Double?
    package let effectiveClients: Double?
  }

  package let source: String
  package let tool: String?
  package let method: String?
  package let by: String?
  package let seed: String?
  package let alpha: Double?
  package let parameters: [(name: String, value: String)]
  package let records: Int?
  package let lengthUnit: String?
  package let bins: [Binning]
  package let counts: [[Int]]
  package let clients: [Client]
  package let axes: [Index]
  package let joint: [Index]
  package let quantities: [Quantity]
  package let movedRecords: Int?
  package let inputs: [ManifestLine.File]

  init(_ line: LineFields, source: String) throws(RecordError) {
    self.source = source
    tool = try line.text("tool")
    method = try line.text("method")
    by = try line.text("by")
    seed = try line.name("seed")
    let settings = try line.object("parameters")
    alpha = try settings?.number("alpha")
    parameters = (settings?.value.object?.members ?? []).map { ($0.key, Plan.text(of: $0.value)) }
    records = try line.count("records")
    lengthUnit = try line.text("length_unit")
    let bins = try line.object("bins")
    var binnings: [Binning] = []
    for axis in try bins?.objects("axes") ?? [] { binnings.append(try Plan.binning(axis)) }
    self.bins = binnings
    counts = try bins.map { (bins) throws(RecordError) in try Plan.matrix(bins, "counts") } ?? []
    var clients: [Client] = []
    for client in try line.objects("clients") { clients.append(try Plan.client(client)) }
    self.clients = clients
    let imbalance = try line.object("imbalance")
    var axes: [Index] = []
    for axis in try imbalance?.objects("axes") ?? [] { axes.append(try Plan.index(axis)) }
    self.axes = axes
    var joint: [Index] = []
    for pair in try imbalance?.objects("joint") ?? [] { joint.append(try Plan.index(pair)) }
    self.joint = joint
    var quantities: [Quantity] = []
    for quantity in try imbalance?.objects("quantity") ?? [] {
      quantities.append(
        Quantity(
          name: try quantity.text("of") ?? "?", gini: try quantity.number("gini"),
          effectiveClients: try quantity.number("effective_clients")))
    }
    self.quantities = quantities
    movedRecords = try line.object("repair")?.count("moved")
    var inputs: [ManifestLine.File] = []
    for input in try line.objects("inputs") {
      inputs.append(
        ManifestLine.File(
          name: try input.text("name") ?? "?", bytes: try input.count("bytes"),
          sha256: try input.text("sha256") ?? "?"))
    }
    self.inputs = inputs
  }

  private static func client(_ line: LineFields) throws(RecordError) -> Client {
    var amounts: [(name: String, value: Double)] = []
    for member in line.value.object?.members ?? [] where member.key != "client" {
      if member.value.kind == .number, let number = try line.number(member.key) {
        amounts.append((member.key, number))
      }
    }
    var files: [File] = []
    for file in try line.objects("files") {
      files.append(
        File(
          split: try file.text("split"), name: try file.text("name") ?? "?",
          records: try file.count("records"), sha256: try file.text("sha256")))
    }
    return Client(
      id: ClientID(try line.name("client") ?? "?"), amounts: amounts, files: files)
  }

  private static func binning(_ line: LineFields) throws(RecordError) -> Binning {
    Binning(
      axis: try line.text("axis") ?? "?", edges: try line.numbers("edges"),
      values: try line.texts("values"))
  }

  private static func index(_ line: LineFields) throws(RecordError) -> Index {
    let axes = try line.texts("axes")?.joined(separator: " × ")
    var name = axes
    if name == nil { name = try line.text("axis") }
    return Index(
      axis: name ?? "?",
      binning: axes == nil ? try binning(line) : nil, counts: try matrix(line, "counts"),
      njs: try line.number("njs"), gjs: try line.number("gjs"),
      hellinger: try line.number("hellinger"), distance: try line.number("w1"),
      distanceUnit: try line.text("w1_unit"), p: try line.number("p"),
      interaction: try line.number("interaction"))
  }

  private static func matrix(_ line: LineFields, _ key: String) throws(RecordError) -> [[Int]] {
    var rows: [[Int]] = []
    for (index, row) in try (line.elements(key) ?? []).enumerated() {
      let place = "\(key)[\(index)]"
      let fields = LineFields(
        location: line.location, value: .object(Plan.object(place, row)))
      var counts: [Int] = []
      for number in try fields.numbers(place) ?? [] {
        guard let count = Int(exactly: number), count >= 0, count <= LineFields.largestCount else {
          throw .wrongType(
            line.location, field: place, expected: "counts", found: "another number")
        }
        counts.append(count)
      }
      rows.append(counts)
    }
    return rows
  }

  private static func object(_ key: String, _ value: JSONValue) -> JSONObject {
    var object = JSONObject()
    object[key] = value
    return object
  }

  /// A parameter as it is shown: JSON, without quotes around a string.
  private static func text(of value: JSONValue) -> String {
    if let text = value.text { return text }
    var writer = JSONWriter()
    writer.value(value)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  /// How the partition was made, in words: `length, dirichlet, alpha 0.5`.
  package var summary: String {
    var parts: [String] = []
    if let method { parts.append(method) }
    if let alpha, let method, method.hasPrefix("dirichlet") || method == "quantity" {
      parts.append("alpha \(NumberText.shortest(alpha))")
    }
    let how = parts.joined(separator: ", ")
    guard let by else { return how }
    return how.isEmpty ? "by \(by)" : "by \(by) (\(how))"
  }

  /// The index along the axis that the records were divided by; else the greatest one.
  package var mainIndex: Index? {
    let wanted = by == "tokens" ? "length" : by
    if let match = axes.first(where: { $0.axis == wanted }) { return match }
    return axes.max { ($0.njs ?? -1) < ($1.njs ?? -1) }
  }
}
