// SPDX-License-Identifier: Apache-2.0
import CommandSupport
import Partitioning
import Randomness

extension PartitionCommand {
  /// What the options ask for.
  func request() throws -> PartitionRequest {
    if planOnly && annotate {
      throw UsageError("--plan-only and --annotate exclude each other")
    }
    if writesShards && common.output == "-" {
      throw UsageError(
        "no folder for the shards", hint: "name one with -o, or ask for --plan-only or --annotate")
    }
    guard ["exact", "hash", nil].contains(assign), plan == nil || assign != "exact" else {
      throw PartitionError.invalidOption(
        "--assign", value: assign ?? "",
        expected: plan == nil ? "exact or hash" : "hash with --plan")
    }
    if let plan { return try request(of: PlanFile(path: plan)) }
    return try PartitionRequest(
      clients: clients, method: method, alpha: alpha, by: by, bins: bins, minimum: minRecords,
      maximum: maxRecords, split: split == "none" ? nil : split,
      selection: try Selection(keep: keep, sample: sample), groupBy: groupBy,
      participation: try schedule(), compress: compress, usesHash: assign == "hash",
      seed: Seed(common.seed))
  }

  /// What a plan did, for more records.
  private func request(of known: PlanFile) throws -> PartitionRequest {
    if by != nil || bins != nil || clients != nil || method != "dirichlet" {
      throw UsageError("--plan says by itself what --clients, --method, --by and --bins would")
    }
    let parts = known.split.parts.map { "\($0.name)=\($0.share)" }.joined(separator: ",")
    return try PartitionRequest(
      clients: nil, method: "like:\(known.path)", alpha: alpha, minimum: minRecords,
      maximum: maxRecords, split: parts.isEmpty ? nil : parts,
      selection: try Selection(keep: keep, sample: sample), groupBy: groupBy,
      participation: try schedule(), compress: compress, usesHash: true, seed: Seed(known.seed))
  }

  private func schedule() throws -> Participation? {
    guard let rounds else {
      if participation != nil || availability != nil {
        throw UsageError("--participation and --availability need --rounds")
      }
      return nil
    }
    return try Participation(rounds: rounds, amount: participation, availability: availability)
  }
}
