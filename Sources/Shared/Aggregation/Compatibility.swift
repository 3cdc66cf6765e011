// SPDX-License-Identifier: Apache-2.0
import Adapters
import Safetensors

/// Whether adapters may be averaged at all: same base model, same modules and sizes, and the same
/// ranks where the rule needs them.
///
/// The majority decides what is right; between equal numbers the smaller key in byte order, so
/// that the order of arguments does not matter.
enum Compatibility {
  /// The error of each file that does not agree with the majority; nil for the others.
  static func errors(
    _ files: [AdapterFile], needsEqualRanks: Bool, averagesMagnitudes: Bool = true
  ) -> [AggregationError?] {
    var errors = [AggregationError?](repeating: nil, count: files.count)
    for (index, file) in files.enumerated() where file.config.isDecomposed && !averagesMagnitudes {
      errors[index] = .magnitudes(path: file.path)
    }
    if let base = majority(files.compactMap { $0.provenance?.base }) {
      for (index, file) in files.enumerated() where errors[index] == nil {
        if let found = file.provenance?.base, found != base {
          errors[index] = .otherBase(path: file.path, found: found, expected: base)
        }
      }
    }
    let keys = files.map { layoutKey($0, needsEqualRanks: needsEqualRanks) }
    let candidates = files.indices.filter { errors[$0] == nil }
    guard let layout = majority(candidates.map { keys[$0] }),
      let reference = candidates.first(where: { keys[$0] == layout })
    else { return errors }
    for index in candidates where keys[index] != layout {
      errors[index] = difference(files[index], from: files[reference])
    }
    return errors
  }

  private static func majority(_ keys: [String]) -> String? {
    var counts: [String: Int] = [:]
    for key in keys { counts[key, default: 0] += 1 }
    return counts.max {
      $0.value != $1.value ? $0.value < $1.value : precedes($1.key, $0.key)
    }?.key
  }

  private static func layoutKey(_ file: AdapterFile, needsEqualRanks: Bool) -> String {
    let kind = file.config.isDecomposed ? "DoRA\n" : ""
    return kind + file.modules.map {
      "\($0.path) \($0.inputSize) \($0.outputSize) \(needsEqualRanks ? $0.rank : 0)"
    }.joined(separator: "\n")
  }

  private static func difference(
    _ file: AdapterFile, from reference: AdapterFile
  ) -> AggregationError {
    if file.config.isDecomposed != reference.config.isDecomposed {
      return .otherKind(path: file.path, isDecomposed: file.config.isDecomposed)
    }
    for (found, expected) in zip(file.modules, reference.modules) {
      if precedes(found.path, expected.path) {
        return .extraModule(path: file.path, module: found.path)
      }
      if found.path != expected.path {
        return .missingModule(path: file.path, module: expected.path)
      }
      let sizes = ([found.inputSize, found.outputSize], [expected.inputSize, expected.outputSize])
      if sizes.0 != sizes.1 {
        return .otherSize(
          path: file.path, module: found.path, found: sizes.0, expected: sizes.1)
      }
      if found.rank != expected.rank {
        return .otherRank(
          path: file.path, module: found.path, found: found.rank, expected: expected.rank)
      }
    }
    if file.modules.count > reference.modules.count {
      return .extraModule(path: file.path, module: file.modules[reference.modules.count].path)
    }
    let missing = min(file.modules.count, reference.modules.count - 1)
    return .missingModule(path: file.path, module: reference.modules[missing].path)
  }
}
