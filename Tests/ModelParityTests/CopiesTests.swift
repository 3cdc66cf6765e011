// SPDX-License-Identifier: Apache-2.0
import Compute
import LanguageModels
import Safetensors
import Streams
import Testing
import TestSupport

/// The goldens again in files of other shapes: several with an index, and halves of floats.
@Suite(.serialized) struct CopiesTests {
  private func logits(_ path: String, _ golden: Golden) throws -> [[Float]] {
    let model = try LanguageModel(
      base: try BaseModel(path: path), device: try makeDevice("cpu"))
    return try golden.sequences.map { try model.logits(PackedRow([$0])) }
  }

  private func copyConfiguration(_ golden: Golden, to folder: TemporaryDirectory) throws {
    let config = try InputSource(path: "\(golden.modelPath)/config.json").readAll()
    try folder.write("config.json", config)
  }

  private func write(
    _ tensors: [OutputTensor], _ name: String, in folder: TemporaryDirectory
  ) throws {
    let sink = try OutputSink(path: folder.file(name))
    try SafetensorsWriter.write(tensors, metadata: ["format": "pt"], to: sink)
    try sink.close()
  }

  @Test(arguments: Golden.names)
  func aShardedCopyIsTheSameModel(name: String) throws {
    let golden = try Golden(name)
    let folder = try TemporaryDirectory()
    try copyConfiguration(golden, to: folder)
    let file = try SafetensorsFile(path: "\(golden.modelPath)/model.safetensors")
    var shards: [[OutputTensor]] = [[], [], []]
    var places: [(name: String, shard: Int)] = []
    // Neighbours lie apart, as no writer would leave them.
    for (index, info) in file.tensors.enumerated() {
      let floats = try file.tensor(info.name).floats()
      shards[index % 3].append(OutputTensor(name: info.name, shape: info.shape, floats: floats))
      places.append((info.name, index % 3))
    }
    for (index, tensors) in shards.enumerated() {
      try write(tensors, "part-\(index).safetensors", in: folder)
    }
    var writer = JSONWriter()
    writer.object { writer in
      writer.object("weight_map") { writer in
        for (name, shard) in places { writer.field(name, "part-\(shard).safetensors") }
      }
    }
    try folder.write("model.safetensors.index.json", writer.bytes)
    for (index, found) in try logits(folder.path, golden).enumerated() {
      let expected = try golden.expected.tensor("base_logits.\(index)").floats()
      #expect(Golden.largestDifference(found, expected) <= Golden.logitTolerance)
    }
  }

  /// Weights in 16 bits are the model of the rounded weights, no less exactly than in 32.
  @Test(arguments: Golden.names, [DType.float16, .bfloat16])
  func aCopyInHalvesIsTheRoundedModel(name: String, type: DType) throws {
    let golden = try Golden(name)
    let (halves, rounded) = (try TemporaryDirectory(), try TemporaryDirectory())
    let file = try SafetensorsFile(path: "\(golden.modelPath)/model.safetensors")
    var written: (short: [OutputTensor], long: [OutputTensor]) = ([], [])
    for info in file.tensors {
      let values = try file.tensor(info.name).floats()
      var bytes: [UInt8] = []
      var floats: [Float] = []
      for value in values {
        let bits =
          type == .float16
          ? Float16(value).bitPattern : UInt16(truncatingIfNeeded: (value.bitPattern + 0x8000) >> 16)
        bytes += [UInt8(truncatingIfNeeded: bits), UInt8(truncatingIfNeeded: bits >> 8)]
        floats.append(
          type == .float16
            ? Float(Float16(bitPattern: bits)) : Float(bitPattern: UInt32(bits) << 16))
      }
      written.short.append(
        OutputTensor(name: info.name, dtype: type, shape: info.shape, bytes: bytes))
      written.long.append(OutputTensor(name: info.name, shape: info.shape, floats: floats))
    }
    for (folder, tensors) in [(halves, written.short), (rounded, written.long)] {
      try copyConfiguration(golden, to: folder)
      try write(tensors, "model.safetensors", in: folder)
    }
    let (found, expected) = (try logits(halves.path, golden), try logits(rounded.path, golden))
    for (index, pair) in zip(found, expected).enumerated() {
      #expect(Golden.largestDifference(pair.0, pair.1) <= Golden.logitTolerance)
      // Rounding shows: the copy is not the model in 32 bits.
      let exact = try golden.expected.tensor("base_logits.\(index)").floats()
      #expect(Golden.largestDifference(pair.0, exact) > Golden.logitTolerance)
    }
  }
}
