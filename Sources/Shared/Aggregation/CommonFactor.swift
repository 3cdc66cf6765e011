// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute
import Glibc
import Safetensors

/// Averages one factor where all clients have the same other one. Exact: Σ w_i s_i B_i A_0 is
/// (Σ w_i s_i B_i) A_0, and alike for a common B.
enum CommonFactor {
  /// - Parameter trained: the factor that differs between the clients.
  /// - Throws: ``AggregationError/otherFactor(path:module:factor:)``.
  static func mean(
    _ round: AggregationRound, trained: LoRAFactor, on loop: ParallelFor
  ) throws(AggregationError) -> RuleResult {
    try check(round.clients.map(\.file), common: trained == .a ? .b : .a, on: loop)
    let keepsScale = ClientFactors.haveEqualScales(round.clients.map(\.file))
    var config = round.clients[0].file.config
    if !keepsScale {
      config.isRankStabilized = false
      config.alpha = Double(config.rank)
    }
    let modules = round.modules.enumerated().map { index, module in
      let coefficients = zip(round.clients, round.weights).map { client, weight in
        keepsScale ? weight : weight * client.file.modules[index].scale
      }
      func factor(_ factor: LoRAFactor) -> [Float] {
        let views = round.clients.map { view($0.file.modules[index], factor) }
        return factor == trained
          ? WeightedSum.of(views, coefficients, on: loop)
          : WeightedSum.of([views[0]], [1], on: loop)
      }
      return AdapterModule(
        path: module.path, rank: module.rank, inputSize: module.inputSize,
        outputSize: module.outputSize, alpha: keepsScale ? module.alpha : Double(module.rank),
        loraA: factor(.a), loraB: factor(.b))
    }
    return RuleResult(Adapter(config: config, modules: modules))
  }

  private static func view(_ module: AdapterFile.Module, _ factor: LoRAFactor) -> TensorView {
    factor == .a ? module.loraA : module.loraB  // magnitudes are refused before
  }

  /// - Throws: ``AggregationError/otherFactor(path:module:factor:first:)``.
  static func check(
    _ files: [AdapterFile], common: LoRAFactor, on loop: ParallelFor
  ) throws(AggregationError) {
    let first = files[0]
    let differing = loop.map(files.count) { difference(files[$0], first, common) }
    for (file, module) in zip(files, differing) {
      if let module {
        throw .otherFactor(path: file.path, module: module, factor: common, first: first.path)
      }
    }
  }

  /// The clients that differ from the majority in what the rule needs common; of equal numbers those
  /// with the first client by name are right.
  ///
  /// - Parameter trained: nil takes what most clients say that they trained.
  static func errors(
    _ files: [AdapterFile], trained: LoRAFactor?
  ) -> [AggregationError?] {
    var errors = [AggregationError?](repeating: nil, count: files.count)
    var factor = trained
    if factor == nil {
      let claims = files.map { $0.provenance?.trained }
      let ofA = claims.filter { $0 == "A" }.count
      let expected = ofA > claims.filter { $0 == "B" }.count ? "A" : "B"
      factor = expected == "A" ? .a : .b
      for (index, claim) in claims.enumerated() where claim != expected {
        errors[index] = .notAlternating(
          path: files[index].path, trained: claim, expected: expected)
      }
    }
    let common: LoRAFactor = factor == .a ? .b : .a
    let order = files.indices.filter { errors[$0] == nil }.sorted {
      precedes(files[$0].provenance?.client ?? "", files[$1].provenance?.client ?? "")
    }
    // Each group has one file to compare with; nearly always there is one group.
    var groups: [[Int]] = []
    for index in order {
      let group = groups.firstIndex {
        difference(files[index], files[$0[0]], common) == nil
      }
      if let group { groups[group].append(index) } else { groups.append([index]) }
    }
    var largest = groups.first ?? []
    for group in groups where group.count > largest.count { largest = group }
    guard let first = largest.first else { return errors }
    for index in order where !largest.contains(index) {
      let module = difference(files[index], files[first], common) ?? ""
      errors[index] = .otherFactor(
        path: files[index].path, module: module, factor: common, first: files[first].path)
    }
    return errors
  }

  /// The first module whose factor differs.
  private static func difference(
    _ file: AdapterFile, _ other: AdapterFile, _ factor: LoRAFactor
  ) -> String? {
    zip(file.modules, other.modules).first {
      !isEqual(view($0, factor), view($1, factor))
    }?.0.path
  }

  private static func isEqual(_ left: TensorView, _ right: TensorView) -> Bool {
    if left.dtype == right.dtype {
      guard let x = left.bytes.baseAddress, let y = right.bytes.baseAddress else { return true }
      return left.bytes.count == right.bytes.count && memcmp(x, y, left.bytes.count) == 0
    }
    return ClientFactors.values(left) == ClientFactors.values(right)
  }
}
