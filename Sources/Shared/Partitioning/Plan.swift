// SPDX-License-Identifier: Apache-2.0
package import Streams

/// A partition and everything needed to judge and repeat it: `plan.json`, described in
/// Documentation/formats/plan.md. Equal inputs, options and seed give equal bytes.
package struct Plan: Sendable {
  package static let version = 1

  /// One input as it was read.
  package struct Input: Sendable, Equatable {
    package let name: String
    /// Size and digest of the unpacked content.
    package let bytes: Int
    package let sha256: String
    package let records: Int
    /// Bad lines that `--skip-invalid` tolerated.
    package let skipped: Int

    package init(name: String, bytes: Int, sha256: String, records: Int, skipped: Int) {
      self.name = name
      self.bytes = bytes
      self.sha256 = sha256
      self.records = records
      self.skipped = skipped
    }
  }

  /// One shard file.
  package struct File: Sendable, Equatable {
    /// The part of the split; nil without one.
    package let split: String?
    package let name: String
    package let records: Int
    /// Of the content before it is packed; known once the file is written.
    package var bytes: Int?
    package var sha256: String?
  }

  package let tool: String
  package let request: PartitionRequest
  package let inputs: [Input]
  /// Records that the clients got.
  package let recordCount: Int
  /// Records that `--keep` left out.
  package let outOfRange: Int
  /// Records that `--sample` left out.
  package let notSampled: Int
  /// Records over `--max-records`.
  package let overMaximum: Int
  /// Nil if a one-pass partition did not look at lengths.
  package let lengthUnit: LengthUnit?
  package let bins: RecordBins
  package let counts: CountMatrix
  package let proportions: [[Double]]?
  package let amounts: Amounts
  /// A row of files a client.
  package internal(set) var files: [[File]]
  package let imbalance: Imbalance
  package let moves: [MinimumSize.Move]

  /// The client's name everywhere: its number from 0 with at least three digits.
  package func clientID(_ client: Int) -> String {
    Self.clientID(client, of: request.clients)
  }

  package static func clientID(_ client: Int, of clients: Int) -> String {
    let width = max(3, "\(clients - 1)".count)
    let digits = "\(client)"
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  /// `client-007.train.jsonl`, or `client-007.jsonl` without a split; `.gz` or `.zst` behind it if it
  /// is packed.
  package static func fileName(
    client: Int, clients: Int, split: String?, packing: Packing? = nil
  ) -> String {
    "client-\(clientID(client, of: clients))\(split.map { ".\($0)" } ?? "").jsonl"
      + (packing?.ending ?? "")
  }
}
