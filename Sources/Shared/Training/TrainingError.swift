// SPDX-License-Identifier: Apache-2.0
package import Examples
package import LanguageModels
package import Records
package import Safetensors
package import Streams

// Training: the loop of LoRA fine-tuning on one client's records. Decides the order of records,
// their cut into steps, learning rates and clipping; the arithmetic is the language model's and the
// device's. Reports by events; prints nothing.

/// Why training cannot start or go on.
package enum TrainingError: Error, Equatable {
  /// No record with a target in `source`, which may be empty.
  case noRecords(source: String)
  /// The model has no adapter to train.
  case nothingToTrain
  /// The loss or the gradient of a step is NaN or infinite.
  case notFinite(quantity: String, step: Int, record: RecordLocation, count: Int)
  /// A saved state that does not belong to this run.
  case foreignState(path: String, reason: String)
  /// A memory budget that no plan fits in.
  case memoryBudget(needed: Int, budget: Int)
  /// A number of record-level privacy out of its range.
  case invalidPrivacy(option: String, expected: String)
  case model(ModelError)
  case examples(ExampleError)
  case safetensors(SafetensorsError)
  case stream(StreamError)
}

extension TrainingError: Diagnosable {
  package var category: FailureCategory {
    switch self {
    case .noRecords, .notFinite, .foreignState: .badData
    case .nothingToTrain, .memoryBudget, .invalidPrivacy: .usage
    case .model(let error): error.category
    case .examples(let error): error.category
    case .safetensors(let error): error.category
    case .stream(let error): error.category
    }
  }

  package var location: String? {
    switch self {
    case .notFinite(_, _, let place, _): place.description
    case .foreignState(let path, _): path
    case .model(let error): error.location
    case .examples(let error): error.location
    case .safetensors(let error): error.location
    case .stream(let error): error.location
    case .noRecords(let source): source.isEmpty ? nil : source
    case .nothingToTrain, .memoryBudget, .invalidPrivacy: nil
    }
  }

  package var message: String {
    switch self {
    case .noRecords: "no record to train on"
    case .nothingToTrain: "no module of the model is adapted"
    case .notFinite(let quantity, let step, _, let count):
      "the \(quantity) of step \(step) is not finite"
        + (count > 1 ? " (the first of its \(count) records stands here)" : "")
    case .foreignState(_, let reason): reason
    case .memoryBudget(let needed, let budget):
      "--memory \(budget) is too little: at least \(needed) bytes are needed"
    case .invalidPrivacy(let option, let expected): "--\(option): expected \(expected)"
    case .model(let error): error.message
    case .examples(let error): error.message
    case .safetensors(let error): error.message
    case .stream(let error): error.message
    }
  }

  package var hint: String? {
    switch self {
    case .notFinite: "a lower --learning-rate, or --clip, may help"
    case .noRecords: "a shard without records has nothing to train: leave its client out"
    case .model(let error): error.hint
    case .examples(let error): error.hint
    case .safetensors(let error): error.hint
    case .stream(let error): error.hint
    default: nil
    }
  }
}
