// SPDX-License-Identifier: Apache-2.0
import Foundation
import Partitioning
import Randomness
import Records
import TestSupport
import Testing

/// Indices of ten bins of FOLDOC's word counts, computed by another program (means of five draws).
@Suite struct ReferenceValueTests {
  struct Row: Sendable, CustomTestStringConvertible {
    let clients: Int
    let method: String
    let alpha: Double
    /// Divergence in bits, normalised divergence, Hellinger, octaves.
    let expected: [Double]
    let tolerance: [Double]
    var testDescription: String { "\(clients) clients, \(method) \(alpha)" }
  }

  /// Methods without draws of shares are compared closely; what Dirichlet draws differs by as much as
  /// five draws of one program do from five others.
  private static let close = [0.01, 0.004, 0.006, 0.015]
  private static let drawn = [0.3, 0.09, 0.06, 0.2]

  static let rows = [
    Row(
      clients: 8, method: "iid", alpha: 1, expected: [0.005, 0.0005, 0.030, 0.040], tolerance: close
    ),
    Row(
      clients: 8, method: "rank:0.3", alpha: 1, expected: [0.062, 0.019, 0.105, 0.339],
      tolerance: [0.02, 0.008, 0.012, 0.03]),
    Row(
      clients: 8, method: "rank:0.6", alpha: 1, expected: [0.292, 0.096, 0.236, 0.721],
      tolerance: [0.02, 0.008, 0.01, 0.03]),
    Row(
      clients: 8, method: "rank:0.9", alpha: 1, expected: [1.04, 0.346, 0.483, 1.204],
      tolerance: [0.03, 0.01, 0.01, 0.02]),
    Row(
      clients: 8, method: "rank", alpha: 1, expected: [2.46, 0.819, 0.749, 1.515], tolerance: close),
    Row(
      clients: 8, method: "dirichlet", alpha: 10, expected: [0.055, 0.017, 0.098, 0.122],
      tolerance: [0.02, 0.008, 0.02, 0.05]),
    Row(
      clients: 8, method: "dirichlet", alpha: 1, expected: [0.484, 0.164, 0.307, 0.408],
      tolerance: drawn),
    Row(
      clients: 8, method: "dirichlet", alpha: 0.1, expected: [1.69, 0.634, 0.621, 0.739],
      tolerance: drawn),
    Row(
      clients: 32, method: "dirichlet", alpha: 0.1, expected: [1.99, 0.437, 0.658, 0.987],
      tolerance: drawn),
    Row(
      clients: 32, method: "rank", alpha: 1, expected: [3.13, 0.622, 0.809, 1.593], tolerance: close
    ),
  ]

  private func table() throws -> RecordTable {
    let text = try String(
      contentsOfFile: "\(PackageLayout.root)/Tests/Fixtures/partitioning/foldoc-words.tsv",
      encoding: .utf8)
    var table = RecordTable(choice: try PropertyChoice(parsing: "length"))
    for line in text.split(separator: "\n") {
      let pair = line.split(separator: "\t").compactMap { Int($0) }
      let record = Array(#"{"text":"","cl_score":{"words":\#(pair[0])}}"#.utf8)
      try record.withUnsafeBytes { bytes in
        let fields = try RecordFields(bytes, at: RecordLocation(file: "t", line: 1))
        for _ in 0..<pair[1] { try table.append(fields) }
      }
    }
    try table.finish()
    return table
  }

  @Test(arguments: rows)
  func indicesOfFoldocAreThoseOfTheReference(row: Row) throws {
    let table = try table()
    #expect(table.count == 12_014)
    var means = [0.0, 0, 0, 0]
    for seed in 1...5 {
      let request = try PartitionRequest(
        clients: row.clients, method: row.method, alpha: row.alpha, by: "length", minimum: 0,
        seed: Seed(UInt64(seed)))
      let plan = try Plan.make(request, table: table, inputs: [], tool: "test 1").plan
      let axis = try #require(plan.imbalance.axes.first)
      let found = [
        axis.indices.divergence, axis.indices.normalised, axis.indices.hellinger,
        axis.distance ?? 0,
      ]
      for index in means.indices { means[index] += found[index] / 5 }
      #expect(plan.amounts.records.reduce(0, +) == 12_014)
    }
    for (mean, (expected, tolerance)) in zip(means, zip(row.expected, row.tolerance)) {
      #expect(abs(mean - expected) <= tolerance, "\(means)")
    }
  }

  /// The reference's 32 clients at alpha .05 had a smallest client of 0.2 records on average.
  @Test func noClientIsEmptyWhereTheReferenceHasEmptyOnes() throws {
    let table = try table()
    for seed in 1...5 {
      let request = try PartitionRequest(
        clients: 32, method: "dirichlet", alpha: 0.05, by: "length", minimum: 10,
        seed: Seed(UInt64(seed)))
      let plan = try Plan.make(request, table: table, inputs: [], tool: "test 1").plan
      #expect(try #require(plan.amounts.records.min()) >= 10)
    }
  }
}
