// SPDX-License-Identifier: Apache-2.0
package import Records
package import Streams

/// One-pass partition: each record is assigned by itself, while it passes. Memory does not depend
/// on the number of records; the bytes do not depend on the number of threads.
package final class HashPartition {
  /// As asked, with the number of clients.
  package let request: PartitionRequest
  private let router: HashRouter
  private let skipLimit: Int
  private let threads: Int
  private var tally: HashTally
  private var inputs: [Plan.Input] = []
  private var unit: LengthUnit?
  private var skippedCount = 0

  /// - Throws: ``PartitionError`` if the request needs to see all records first.
  package init(
    _ request: PartitionRequest, layout: RecordLayout = RecordLayout(), skipInvalid: Int = 0,
    threads: Int = 1
  ) throws(PartitionError) {
    let clients = try request.resolved(binSizes: [])
    self.request = clients
    skipLimit = skipInvalid
    self.threads = threads
    router = try HashRouter(clients, layout: layout, skipLimit: skipInvalid)
    tally = HashTally(clients: clients.clients, parts: max(1, clients.split.parts.count))
  }

  /// Reads the inputs and hands each selected record over, in order.
  ///
  /// - Parameters:
  ///   - open: how an input is opened as JSON Lines.
  ///   - take: the line without its end, where it stands, its client and its part.
  package func run(
    paths: [String], onSkip: @escaping (any Diagnosable) -> Void = { _ in },
    onProgress: (Int) -> Void = { _ in },
    open: (String) throws -> InputSource = { try InputSource(path: $0) },
    take: (UnsafeRawBufferPointer, _ client: Int, _ part: Int) throws -> Void
  ) throws {
    for path in paths {
      let input = try open(path)
      let meter = Meter()
      let digests = SerialWorkers(threads: threads > 1 ? 1 : 0)
      let blocks = LineBlockReader(input)
      var isFirst = true
      func measure(_ block: LineBlock?) {
        let mark = isFirst ? blocks.mark : []
        isFirst = false
        digests.give(0) {
          mark.withUnsafeBytes { meter.take($0) }
          if let block { meter.take(block.bytes) }
        }
      }
      let (before, skippedBefore) = (tally.records + tally.outOfRange, skippedCount)
      func tolerate(_ error: any Diagnosable) -> Bool {
        guard skippedCount < skipLimit else { return false }
        skippedCount += 1
        onSkip(error)
        return true
      }
      // Records that cannot even be made lines of.
      input.conversion?.tolerates = tolerate
      defer { input.conversion?.tolerates = nil }
      let router = router
      try OrderedPipeline.run(
        threads: threads,
        produce: {
          guard let block = try blocks.next() else {
            measure(nil)
            return nil
          }
          measure(block)
          if unit == nil { unit = router.unit(of: block) }
          return HashRouter.Piece(block: block, unit: unit)
        },
        state: { router.state() },
        work: { (state: inout HashRouter.State, piece: HashRouter.Piece) in
          router.route(&state, piece)
        },
        consume: { routed in
          for error in routed.bad {
            let error = ConvertedRecordError.located(error, by: input.conversion)
            guard tolerate(error) else { throw error }
          }
          for row in routed.rows {
            tally.add(row)
            if row.client < 0 { continue }
            let line = UnsafeRawBufferPointer(
              rebasing: routed.block.bytes[Int(row.offset)..<Int(row.offset) + Int(row.count)])
            try take(line, Int(row.client), Int(row.part))
          }
          try CountMatrix.check(bins: tally.ofBin.count, clients: request.clients)
          onProgress(tally.records)
        })
      digests.finish(0)
      inputs.append(
        Plan.Input(
          name: input.name, bytes: meter.count, sha256: meter.digest.hexadecimal(),
          records: tally.records + tally.outOfRange - before, skipped: skippedCount - skippedBefore)
      )
    }
  }

  /// The plan of everything that was read.
  package func plan(tool: String) throws(PartitionError) -> Plan {
    if let known = (request.method as? LikePlan)?.plan, let unit = known.lengthUnit,
      router.bins.parts.contains(where: { part in
        if case .fixed(let binning) = part { binning.axis == .length } else { false }
      }), let own = self.unit, own != unit
    {
      throw .unreadablePlan(
        path: known.path, reason: "its lengths are \(unit.rawValue), these are \(own.rawValue)")
    }
    let (bins, counts, proportions) = binned()
    let label =
      bins.binnings.count == 1 && bins.binnings[0].axis.isLabel
      ? (binning: bins.binnings[0], counts: counts) : nil
    let parts = request.split.parts.isEmpty ? [nil] : request.split.parts.map { Optional($0.name) }
    let files = (0..<request.clients).map { client in
      parts.enumerated().map { part, name in
        Plan.File(
          split: name,
          name: Plan.fileName(
            client: client, clients: request.clients, split: name, packing: request.packing),
          records: tally.ofFile[client * parts.count + part])
      }
    }
    return Plan(
      tool: tool, request: request, inputs: inputs, recordCount: tally.records,
      outOfRange: tally.outOfRange, notSampled: 0, overMaximum: 0, lengthUnit: unit, bins: bins,
      counts: counts, proportions: proportions, amounts: tally.amounts, files: files,
      imbalance: tally.imbalance(label: label), moves: [])
  }

  /// Bins, counts and shares, the values of a label in the order of their bytes.
  private func binned() -> (RecordBins, CountMatrix, [[Double]]) {
    var binnings = HashBins.binnings(router.bins.parts)
    var ofBin = tally.ofBin
    var proportions = router.bins.shares
    if case .open(let field)? = router.bins.parts.first {
      let names = router.labels.names
      let order = names.indices.sorted { names[$0].lexicographicallyPrecedes(names[$1]) }
      ofBin = order.map {
        $0 < ofBin.count ? ofBin[$0] : [Int](repeating: 0, count: request.clients)
      }
      proportions = order.map { router.shares(ofLabel: names[$0]) }
      binnings = [
        Binning(
          axis: .label(field: field),
          cuts: .categories(order.map { String(decoding: names[$0], as: UTF8.self) }))
      ]
    }
    let bins = RecordBins(binnings: binnings)
    var counts = CountMatrix(clients: request.clients, bins: bins.count)
    for (bin, row) in ofBin.enumerated() where bin < bins.count {
      for (client, count) in row.enumerated() { counts[client, bin] = count }
    }
    return (bins, counts, proportions)
  }
}

/// Size and digest of what passes; one thread at a time.
final class Meter: @unchecked Sendable {
  private(set) var count = 0
  let digest = ContentDigest()

  func take(_ bytes: UnsafeRawBufferPointer) {
    count += bytes.count
    digest.update(bytes)
  }
}
