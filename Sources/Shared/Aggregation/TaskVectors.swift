// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute
import Safetensors

/// Merging of what clients changed, tensor by tensor.
enum TaskVectors {
  /// - Parameter merge: the clients' tensors less the parent's, and the tensor's name, to what is added
  ///   to the parent; without a parent the tensors themselves.
  static func merged(
    _ round: AggregationRound, on loop: ParallelFor, _ merge: ([[Float]], String) -> [Double]
  ) -> Adapter {
    let fold = FactorFold(round, parent: round.parent)
    let factors = loop.map(2 * round.modules.count) { task -> [Float] in
      let (index, isB) = task.quotientAndRemainder(dividingBy: 2)
      let folds = fold.factors(round, module: index)
      let parent = round.parent.map { file -> [Double] in
        let module = file.modules[index]
        let root = fold.keepsScale ? 1 : module.scale.squareRoot()
        return ClientFactors.values(isB == 1 ? module.loraB : module.loraA).map { root * $0 }
      }
      var name = ""
      let vectors = zip(round.clients, folds).map { client, root -> [Float] in
        let view = isB == 1 ? client.file.modules[index].loraB : client.file.modules[index].loraA
        name = view.name
        let values = ClientFactors.values(view)
        guard let parent else { return values.map { Float(root * $0) } }
        return zip(values, parent).map { Float(root * $0 - $1) }
      }
      let merged = merge(vectors, name)
      guard let parent else { return merged.map { Float($0) } }
      return zip(merged, parent).map { Float($0 + $1) }
    }
    return fold.adapter(round, values: { module, isB in factors[2 * module + (isB ? 1 : 0)] })
  }
}
