// SPDX-License-Identifier: Apache-2.0
import Adapters
import Compute
import Foundation
import GGUF
import LanguageModels
import Safetensors
import Streams
import TestSupport
import Testing

/// Adapters for other programs: merged into their base, and as llama.cpp's files.
@Suite(.serialized) struct OutputTests {
  private func merged(
    _ name: String, type: DType?, in folder: TemporaryDirectory
  ) throws -> BaseModel {
    let golden = try Golden(name)
    let adapter = try AdapterReader.read(path: "\(golden.folder)/adapter-init")
    let files = try MergedModel(
      base: try BaseModel(path: golden.modelPath), adapter: adapter, type: type,
      loop: ParallelFor(threads: 2)
    ).write(to: folder.file("merged/"))
    #expect(files.contains(folder.file("merged/model.safetensors")))
    return try BaseModel(path: folder.file("merged"))
  }

  @Test(arguments: Golden.names)
  func theMergedModelIsTheAdaptedOne(name: String) throws {
    let golden = try Golden(name)
    let folder = try TemporaryDirectory()
    let base = try merged(name, type: nil, in: folder)
    let model = try LanguageModel(base: base, device: try makeDevice("cpu"))
    for (index, sequence) in golden.sequences.enumerated() {
      let logits = try model.logits(PackedRow([sequence]))
      let expected = try golden.expected.tensor("adapted_logits.\(index)").floats()
      #expect(Golden.largestDifference(logits, expected) <= 2 * Golden.logitTolerance)
    }
  }

  @Test func theTypeOfTheWeightsCanBeChanged() throws {
    let folder = try TemporaryDirectory()
    let base = try merged("llama3", type: .bfloat16, in: folder)
    #expect(base.store.tensors.allSatisfy { $0.format == .bfloat16 })
    let exact = try TemporaryDirectory()
    let reference = try merged("llama3", type: nil, in: exact)
    for tensor in reference.store.tensors {
      let rounded = try #require(base.store[tensor.name])
      for index in 0..<tensor.bytes.count / 4 {
        let value = tensor.bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
        let bits = rounded.bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
        let found = Float(bitPattern: UInt32(bits) << 16)
        if abs(found - value) > abs(value) / 256 { Issue.record("\(tensor.name) \(index)") }
      }
    }
    let text = try String(decoding: folder.read("merged/config.json"), as: UTF8.self)
    #expect(text.contains("bfloat16"))
  }

  @Test func theBaseModelsFolderIsNotWrittenOver() throws {
    let golden = try Golden("llama3")
    let adapter = try AdapterReader.read(path: "\(golden.folder)/adapter-init")
    let base = try BaseModel(path: golden.modelPath)
    let model = try MergedModel(base: base, adapter: adapter, loop: ParallelFor(threads: 1))
    #expect(throws: ModelError.self) { try model.write(to: golden.modelPath) }
  }

  /// The factors in a GGUF file give, by llama.cpp's rules, the update of the rows where its converter
  /// puts them.
  @Test(arguments: ["llama3", "llama3-rslora-some", "qwen3", "phi3-mini-4k", "smollm3", "gemma3"])
  func ggufHasTheSameUpdates(name: String) throws {
    let golden = try Golden(name)
    let base = try BaseModel(path: golden.modelPath)
    let adapter = try AdapterReader.read(path: "\(golden.folder)/adapter-init")
    let folder = try TemporaryDirectory()
    let sink = try OutputSink(path: folder.file("a.gguf"))
    try GGUFAdapter.write(adapter, base: base, to: sink)
    try sink.close()
    let file = try GGUFFile(path: folder.file("a.gguf"))
    #expect(try file.text("general.type") == "adapter" && file.text("adapter.type") == "lora")
    #expect(file.tensors.count == 2 * adapter.modules.count)
    let alpha = try file.number("adapter.lora.alpha")
    let interleaves = ["llama3", "llama3-rslora-some", "smollm3"].contains(name)
    let names = [
      "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
      "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down",
      "qkv_proj": "attn_qkv", "gate_up_proj": "ffn_up",
    ]
    for module in adapter.modules {
      let layer = try #require(AdapterNaming.layer(of: module.path))
      let suffix = AdapterNaming.suffix(of: module.path)
      let prefix = "blk.\(layer).\(try #require(names[suffix])).weight"
      let (a, b) = (try file.tensor(prefix + ".lora_a"), try file.tensor(prefix + ".lora_b"))
      #expect(a.shape == [module.rank, module.inputSize] && b.shape == [module.outputSize, module.rank])
      let values = file.bytes(of: b).bindMemory(to: Float.self)
      let scale = Float(alpha / Double(module.rank))
      let half = base.config.headSize / 2
      for row in 0..<module.outputSize {
        var place = row
        if interleaves && (suffix == "q_proj" || suffix == "k_proj") {
          let (head, inHead) = (row / (2 * half), row % (2 * half))
          place = head * 2 * half + 2 * (inHead % half) + inHead / half
        }
        for r in 0..<module.rank {
          let found = scale * values[place * module.rank + r]
          let expected = Float(adapter.scale(of: module)) * module.loraB[row * module.rank + r]
          #expect(abs(found - expected) <= 1e-6 * max(1, abs(expected)))
        }
      }
    }
  }

  @Test func doraHasNoPlaceInGGUF() throws {
    let golden = try Golden("llama3-dora")
    let adapter = try AdapterReader.read(path: "\(golden.folder)/adapter-init")
    let folder = try TemporaryDirectory()
    let sink = try OutputSink(path: folder.file("a.gguf"))
    #expect(throws: ModelError.self) {
      try GGUFAdapter.write(adapter, base: try BaseModel(path: golden.modelPath), to: sink)
    }
  }
}
