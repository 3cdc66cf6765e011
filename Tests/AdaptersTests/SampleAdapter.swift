// SPDX-License-Identifier: Apache-2.0
import Adapters
import Safetensors
import Streams
import TestSupport

/// A small adapter, and the parts of which broken ones are made.
enum SampleAdapter {
  static let path = "model.layers.0.self_attn.q_proj"
  static let config = """
    {"peft_type":"LORA","r":2,"lora_alpha":6,"target_modules":["q_proj"],"bias":"none"}
    """

  static func module(
    _ path: String = path, rank: Int = 2, alpha: Double = 6, first: Float = 0
  ) -> AdapterModule {
    AdapterModule(
      path: path, rank: rank, inputSize: 3, outputSize: 4, alpha: alpha,
      loraA: (0..<rank * 3).map { first + Float($0) },
      loraB: (0..<rank * 4).map { first - Float($0) / 4 })
  }

  static var adapter: Adapter {
    var provenance = AdapterProvenance(tool: "cl-train 0.1.0")
    provenance.base = "abc"
    provenance.client = "3"
    provenance.round = 2
    provenance.seed = 1
    provenance.records = 10
    provenance.tokens = 100
    provenance.targetTokens = 60
    provenance.qualityTokens = 45.5
    provenance.steps = 4
    provenance.trained = "AB"
    return Adapter(
      config: AdapterConfig(rank: 2, alpha: 6, targets: .modules(["q_proj"])),
      modules: [module("model.layers.1.self_attn.q_proj", first: 5), module()],
      provenance: provenance)
  }

  static func a(_ shape: [Int] = [2, 3], _ values: [Float]? = nil) -> OutputTensor {
    OutputTensor(
      name: AdapterNaming.tensorName(path, .a), shape: shape,
      floats: values ?? [Float](repeating: 1, count: shape.reduce(1, *)))
  }

  static func b(_ shape: [Int] = [4, 2], _ values: [Float]? = nil) -> OutputTensor {
    OutputTensor(
      name: AdapterNaming.tensorName(path, .b), shape: shape,
      floats: values ?? [Float](repeating: 1, count: shape.reduce(1, *)))
  }

  /// Writes a safetensors file; `config` and `cl` go to the metadata.
  static func write(
    _ tensors: [OutputTensor], config: String? = config, cl: String? = nil, to path: String
  ) throws {
    var metadata: [String: String] = [:]
    metadata["adapter_config"] = config
    metadata["cl"] = cl
    let sink = try OutputSink(path: path)
    try SafetensorsWriter.write(tensors, metadata: metadata, to: sink)
    try sink.close()
  }
}
