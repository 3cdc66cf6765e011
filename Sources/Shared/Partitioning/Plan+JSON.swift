// SPDX-License-Identifier: Apache-2.0
internal import Randomness
internal import Streams

extension Plan {
  /// The plan as one JSON object on one line.
  package func json() -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("type", "plan")
      writer.field("v", Plan.version)
      writer.field("tool", tool)
      writeRequest(to: &writer)
      writer.array("inputs") { writer in
        for input in inputs { Self.write(input, to: &writer) }
      }
      writer.field("records", recordCount)
      writer.field("out_of_range", outOfRange)
      writer.field("not_sampled", notSampled)
      if request.maximum != nil { writer.field("over_maximum", overMaximum) }
      writer.field("length_unit", ifPresent: lengthUnit?.rawValue)
      writeBins(to: &writer)
      writer.array("clients") { writer in
        for client in 0..<request.clients { write(client: client, to: &writer) }
      }
      writer.object("imbalance") { imbalance.write(to: &$0) }
      writeRepair(to: &writer)
      if let participation = request.participation { write(participation, to: &writer) }
    }
    writer.newline()
    return writer.bytes
  }

  private func writeRequest(to writer: inout JSONWriter) {
    writer.key("seed")
    writer.raw("\(request.seed.value)".utf8)
    writer.field("method", request.methodName)
    writer.field("by", ifPresent: request.choice?.name)
    writer.object("parameters") { writer in
      writer.field("clients", request.clients)
      writer.field("alpha", request.alpha)
      writer.field("bins", request.binning.name)
      writer.field("min_records", request.minimum)
      writer.field("max_records", ifPresent: request.maximum)
      writer.field("assign", request.usesHash ? "hash" : "exact")
      writer.field("group_by", ifPresent: request.groupBy)
      writer.field("compress", ifPresent: request.packing?.rawValue)
      writer.field("keep", ifPresent: request.selection.rangeName)
      writer.field("sample", ifPresent: request.selection.sample)
      if !request.split.parts.isEmpty {
        writer.object("split") { writer in
          for part in request.split.parts { writer.field(part.name, part.share) }
        }
      }
    }
  }

  private static func write(_ input: Input, to writer: inout JSONWriter) {
    writer.object { writer in
      writer.field("name", input.name)
      writer.field("bytes", input.bytes)
      writer.field("sha256", input.sha256)
      writer.field("records", input.records)
      writer.field("skipped", input.skipped)
    }
  }

  private func writeBins(to writer: inout JSONWriter) {
    writer.object("bins") { writer in
      writer.array("axes") { writer in
        for binning in bins.binnings { writer.object { binning.write(to: &$0) } }
      }
      writer.field("records", counts.binTotals)
      if let proportions {
        writer.array("proportions") { writer in
          for row in proportions { writer.array { for share in row { $0.value(share) } } }
        }
      }
      counts.write("counts", to: &writer)
    }
  }

  private func write(client: Int, to writer: inout JSONWriter) {
    writer.object { writer in
      writer.field("client", clientID(client))
      for amount in amounts.named { writer.number(amount.name, amount.values[client]) }
      writer.array("files") { writer in
        for file in files[client] {
          writer.object { writer in
            writer.field("split", ifPresent: file.split)
            writer.field("name", file.name)
            writer.field("records", file.records)
            writer.field("bytes", ifPresent: file.bytes)
            writer.field("sha256", ifPresent: file.sha256)
          }
        }
      }
    }
  }

  private func write(_ participation: Participation, to writer: inout JSONWriter) {
    writer.object("participation") { writer in
      writer.field("rounds", participation.rounds)
      writer.field("per_round", participation.clientsPerRound(of: request.clients))
      writer.field("availability", participation.availability)
      writer.array("clients") { writer in
        for round in participation.schedule(clients: request.clients, seed: request.seed) {
          writer.array { for client in round { $0.value(clientID(client)) } }
        }
      }
    }
  }

  private func writeRepair(to writer: inout JSONWriter) {
    writer.object("repair") { writer in
      writer.field("moved", moves.reduce(0) { $0 + $1.records })
      writer.array("moves") { writer in
        for move in moves {
          writer.object { writer in
            writer.field("from", clientID(move.from))
            writer.field("to", clientID(move.to))
            writer.field("bin", move.bin)
            writer.field("records", move.records)
          }
        }
      }
    }
  }
}
