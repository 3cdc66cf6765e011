// SPDX-License-Identifier: Apache-2.0
package import Adapters
package import Streams

/// What each client goes on from, where that is not the result itself.
package enum PersonalAdapters {
  /// Why they cannot be made.
  package enum Problem: Error, Equatable, Diagnosable {
    /// A client's name must do as the name of a file.
    case unusableName(path: String, client: String?)
    case repeatedName(client: String)

    package var category: FailureCategory { .badData }
    package var location: String? {
      if case .unusableName(let path, _) = self { path } else { nil }
    }
    package var message: String {
      switch self {
      case .unusableName(_, let client):
        "client \(client.map { "\"\($0)\"" } ?? "without a name"): no name for a file, "
          + "expected letters, digits, \".\", \"_\" and \"-\", not starting with a dot"
      case .repeatedName(let client): "client \"\(client)\" takes part more than once"
      }
    }
  }

  /// Adapters by client, in the order of the round: of a rule that cuts, the first ranks of the result,
  /// as many as the client has; else the result's A with the client's own B.
  ///
  /// - Throws: ``Problem``.
  package static func make(
    _ outcome: AggregationJob.Outcome, of rule: RuleCatalog.Entry
  ) throws(Problem) -> [(client: String, adapter: Adapter)] {
    var names: Set<String> = []
    var result: [(client: String, adapter: Adapter)] = []
    for client in outcome.round.clients {
      guard let name = client.client, isFileName(name) else {
        throw .unusableName(path: client.file.path, client: client.client)
      }
      guard names.insert(name).inserted else { throw .repeatedName(client: name) }
      var adapter =
        rule.traits.contains(.keepsOwnB)
        ? withOwnB(client.file, outcome.adapter) : cut(outcome.adapter, to: client.file)
      adapter.provenance = outcome.adapter.provenance
      adapter.provenance?.client = name
      result.append((name, adapter))
    }
    return result
  }

  private static func isFileName(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= 200 && name.utf8.first != UInt8(ascii: ".")
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
          UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }

  private static func withOwnB(_ file: AdapterFile, _ result: Adapter) -> Adapter {
    var adapter = result
    for (index, module) in result.modules.enumerated() {
      // Roots of unequal scales are folded into both factors, as in the result's A.
      let own = file.modules[index]
      let scale = result.scale(of: module)
      let fold = own.scale == scale ? 1 : (own.scale / scale).squareRoot()
      adapter.setFactors(
        index, loraA: module.loraA,
        loraB: ClientFactors.values(own.loraB).map { Float(fold * $0) })
    }
    return adapter
  }

  private static func cut(_ result: Adapter, to file: AdapterFile) -> Adapter {
    let modules = zip(result.modules, file.modules).map { module, own in
      let rank = min(own.rank, module.rank)
      return AdapterModule(
        path: module.path, rank: rank, inputSize: module.inputSize, outputSize: module.outputSize,
        alpha: Double(rank), loraA: Array(module.loraA.prefix(rank * module.inputSize)),
        loraB: (0..<module.outputSize).flatMap { output in
          module.loraB[output * module.rank..<output * module.rank + rank]
        })
    }
    return ScaleOne.adapter(modules, like: result.config)
  }
}
