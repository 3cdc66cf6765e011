// SPDX-License-Identifier: Apache-2.0
import Adapters
import ArgumentParser
import CommandSupport
import Compute
import LanguageModels
import Safetensors
import Streams

enum AdapterFormat: String, ExpressibleByArgument, CaseIterable {
  case safetensors, gguf
}

enum MergedType: String, ExpressibleByArgument, CaseIterable {
  case f32, f16, bf16

  var type: DType {
    switch self {
    case .f32: .float32
    case .f16: .float16
    case .bf16: .bfloat16
    }
  }
}

/// Options for results that need to know the base model.
struct ModelOutput: ParsableArguments {
  @Option(help: "Write the adapter as safetensors, or as gguf for llama.cpp (needs --model).")
  var format: AdapterFormat = .safetensors

  @Option(help: "gguf: the base model, a Hugging Face folder or GGUF file; names and settings only.")
  var model: String?

  @Option(help: "Write this model (a Hugging Face folder) with the result merged into it to -o DIR/.")
  var merge: String?

  @Option(help: "merge: type of the weights, f32, f16 or bf16 (default: as they are).")
  var dtype: MergedType?

  /// Whether one adapter is enough, so that its weight does not matter.
  var isConversion: Bool { merge != nil || format == .gguf }

  func check(output: String) throws {
    if merge != nil && format == .gguf { throw UsageError("--merge and --format gguf exclude each other") }
    if merge != nil && !AdapterWriter.isFolder(output) {
      throw UsageError("--merge writes a folder", hint: "-o DIR/")
    }
    if format == .gguf && model == nil { throw UsageError("--format gguf needs --model MODEL") }
    if format == .gguf && AdapterWriter.isFolder(output) {
      throw UsageError("--format gguf writes one file", hint: "-o adapter.gguf")
    }
    if format != .gguf && model != nil { throw UsageError("--model is for --format gguf") }
    if merge == nil && dtype != nil { throw UsageError("--dtype is for --merge") }
  }

  /// Writes `adapter` in the form asked for.
  ///
  /// - Returns: the paths of the files.
  func write(_ adapter: Adapter, to output: String, threads: Int) throws -> [String] {
    if let merge {
      let base = try open(merge, adapter)
      return try MergedModel(
        base: base, adapter: adapter, type: dtype?.type, loop: ParallelFor(threads: threads)
      ).write(to: output)
    }
    guard format == .gguf, let model else {
      return try AdapterWriter.write(adapter, to: output).files
    }
    let base = try open(model, adapter, isExact: false)
    let sink = try OutputSink(path: output)
    try GGUFAdapter.write(adapter, base: base, to: sink)
    try sink.close()
    return output == "-" ? [] : [output]
  }

  /// - Parameter isExact: the adapter must be made for these very files; names and settings are the
  ///   same in a converted copy.
  private func open(_ path: String, _ adapter: Adapter, isExact: Bool = true) throws -> BaseModel {
    let base = try BaseModel(path: path)
    if isExact, let made = adapter.provenance?.base {
      let found = base.digest()
      guard made == found else {
        throw ModelError.adapterMismatch(
          module: path, expected: "base model \(made.prefix(12))…",
          found: "\(found.prefix(12))…")
      }
    }
    return base
  }
}
