// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute

extension AggregationJob {
  static func finite(
    _ files: [AdapterFile], on loop: ParallelFor
  ) -> (accepted: [AdapterFile], refused: [Refusal]) {
    let errors = loop.map(files.count) { index -> AdapterError? in
      do throws(AdapterError) { try files[index].checkFinite() } catch { return error }
      return nil
    }
    var (accepted, refused): ([AdapterFile], [Refusal]) = ([], [])
    for (file, error) in zip(files, errors) {
      if let error {
        refused.append(Refusal(path: file.path, client: file.provenance?.client, error: error))
      } else {
        accepted.append(file)
      }
    }
    return (accepted, refused)
  }

  /// The first module that holds a value that is no finite number.
  static func firstInfinite(_ adapter: Adapter, on loop: ParallelFor) -> String? {
    let isFinite = loop.map(adapter.modules.count) { index in
      let module = adapter.modules[index]
      // One `or` a value keeps the loop in vectors.
      var found: UInt32 = 0
      for values in [module.loraA, module.loraB, module.magnitude ?? []] {
        for value in values { found |= value.bitPattern & 0x7f80_0000 == 0x7f80_0000 ? 1 : 0 }
      }
      return found == 0
    }
    return isFinite.firstIndex(of: false).map { adapter.modules[$0].path }
  }

  /// Which adapters fit together, say what their weight is made of, and are within bounds.
  func compatible(
    _ files: [AdapterFile], _ table: ClientWeights, on loop: ParallelFor
  ) -> (accepted: [AdapterFile], refused: [Refusal]) {
    var errors: [AggregationError?] = Compatibility.errors(
      files, needsEqualRanks: rule.needsEqualRanks,
      averagesMagnitudes: rule.traits.contains(.averagesMagnitudes)
        && server == nil && privacy == nil && secure == nil)
    var counts = [Double](repeating: 0, count: files.count)
    for (index, file) in files.enumerated() where errors[index] == nil {
      do throws(AggregationError) {
        counts[index] = try table.weight(of: file)
        try shaping.checkClaims(of: file)
      } catch {
        errors[index] = error
      }
    }
    func refine(_ found: ([AdapterFile], [Double]) -> [AggregationError?]) {
      let left = errors.indices.filter { errors[$0] == nil }
      let more = found(left.map { files[$0] }, left.map { counts[$0] })
      for (index, error) in zip(left, more) { errors[index] = error }
    }
    // A file of weights is no client's claim.
    if !rule.ignoresWeights, !weights.isFile {
      refine { TrustBounds.implausible($0, counts: $1) }
    }
    if rule.traits.contains(.commonFactor) {
      let trained: LoRAFactor? = rule.name == FrozenA.entry.name ? .b : nil
      refine { files, _ in CommonFactor.errors(files, trained: trained) }
    }
    refine { files, _ in files.isEmpty ? [] : trust.tooLong(files, parent: parent, on: loop) }
    var (accepted, refused): ([AdapterFile], [Refusal]) = ([], [])
    for (file, error) in zip(files, errors) {
      if let error {
        refused.append(Refusal(path: file.path, client: file.provenance?.client, error: error))
      } else {
        accepted.append(file)
      }
    }
    return (accepted, refused)
  }

  /// The parent must fit, and be the one that the clients name where they name one.
  func check(_ parent: AdapterFile, against clients: [Contribution]) throws {
    try parent.checkFinite()
    // The first two of three agree, so that the parent is what does not fit.
    let first = clients[0].file
    let errors = Compatibility.errors(
      [first, first, parent], needsEqualRanks: rule.needsEqualRanks)
    if let error = errors[2] { throw error }
    let digest = parent.digest()
    for client in clients {
      if let claim = client.file.provenance?.parent, claim != digest {
        throw AggregationError.otherParent(
          path: client.file.path, found: claim, expected: digest)
      }
    }
  }

  func checkCount(
    accepted: Int, refused: [Refusal], onRefusal: (Refusal) -> Void
  ) throws {
    if minimumClients == nil, refused.count > toleratedRefusals, let first = refused.first {
      throw first.error
    }
    refused.forEach(onRefusal)
    let required = max(1, minimumClients ?? 1)
    if accepted < required {
      throw AggregationError.tooFewClients(accepted: accepted, required: required)
    }
  }
}
