// SPDX-License-Identifier: Apache-2.0

/// How many records each client has of each bin: clients are rows, bins are columns.
package struct CountMatrix: Sendable, Equatable {
  package let clients: Int
  package let bins: Int
  package private(set) var values: [Int]

  /// Cells beyond which a partition is refused (200 MB a matrix).
  package static let cellLimit = 25_000_000

  /// - Throws: ``PartitionError/tooManyCells(bins:clients:limit:)``.
  static func check(bins: Int, clients: Int) throws(PartitionError) {
    let (cells, overflow) = bins.multipliedReportingOverflow(by: clients)
    if overflow || cells > cellLimit {
      throw .tooManyCells(bins: bins, clients: clients, limit: cellLimit)
    }
  }

  package init(clients: Int, bins: Int) {
    self.clients = clients
    self.bins = bins
    values = [Int](repeating: 0, count: clients * bins)
  }

  package init(_ rows: [[Int]]) {
    self.init(clients: rows.count, bins: rows.first?.count ?? 0)
    values = rows.flatMap { $0 }
    precondition(values.count == clients * bins, "all rows have the same length")
  }

  /// Counts an assignment.
  package init(clients: Int, bins: Int, clientOf: [Int32], binOf: [Int32]) {
    self.init(clients: clients, bins: bins)
    for (client, bin) in zip(clientOf, binOf) { values[Int(client) * bins + Int(bin)] += 1 }
  }

  package subscript(client: Int, bin: Int) -> Int {
    get { values[client * bins + bin] }
    set { values[client * bins + bin] = newValue }
  }

  package func row(_ client: Int) -> ArraySlice<Int> {
    values[client * bins..<(client + 1) * bins]
  }

  package var total: Int { values.reduce(0, +) }
  package var clientTotals: [Int] { (0..<clients).map { row($0).reduce(0, +) } }

  package var binTotals: [Int] {
    var totals = [Int](repeating: 0, count: bins)
    for client in 0..<clients {
      for (bin, count) in row(client).enumerated() { totals[bin] += count }
    }
    return totals
  }
}
