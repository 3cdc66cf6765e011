// SPDX-License-Identifier: Apache-2.0
import Adapters
import Foundation
import Safetensors
import Streams
import TestSupport
import Testing

@Suite struct AdapterFileTests {
  let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory() }

  private func problem(
    _ tensors: [OutputTensor], config: String? = SampleAdapter.config, cl: String? = nil
  ) throws -> AdapterError.Problem? {
    let path = folder.file("x.safetensors")
    try SampleAdapter.write(tensors, config: config, cl: cl, to: path)
    do {
      _ = try AdapterReader.read(path: path)
      return nil
    } catch {
      #expect(error.path == path)
      return error.problem
    }
  }

  @Test func readsAFileOfOurs() throws {
    let path = folder.file("x.safetensors")
    try AdapterWriter.write(SampleAdapter.adapter, to: path)
    let adapter = try AdapterReader.read(path: path)
    #expect(adapter.config == SampleAdapter.adapter.config)
    #expect(adapter.provenance == SampleAdapter.adapter.provenance)
    #expect(
      adapter.modules.map(\.path) == [
        "model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj",
      ])
    let module = try #require(adapter["model.layers.1.self_attn.q_proj"])
    #expect(module.loraA == [5, 6, 7, 8, 9, 10])
    #expect(module.loraB == [5, 4.75, 4.5, 4.25, 4, 3.75, 3.5, 3.25])
    #expect(module.rank == 2 && module.inputSize == 3 && module.outputSize == 4)
    #expect(adapter.scale(of: module) == 3)
    #expect(adapter["q_proj"] == nil)
    #expect(adapter.parameterCount == 28)
  }

  @Test func folderAndFileHoldTheSame() throws {
    let result = try AdapterWriter.write(SampleAdapter.adapter, to: folder.file("new/deep") + "/")
    #expect(try folder.files() == [
      "new/deep/adapter_config.json", "new/deep/adapter_model.safetensors",
    ])
    #expect(result.byteCount == (try folder.read("new/deep/adapter_model.safetensors")).count)
    let adapter = try AdapterReader.read(path: folder.file("new/deep"))
    #expect(adapter.digest() == SampleAdapter.adapter.digest())
    #expect(adapter.provenance == SampleAdapter.adapter.provenance)
    let bare = try AdapterReader.read(path: folder.file("new/deep/adapter_model.safetensors"))
    #expect(bare.digest() == adapter.digest())
  }

  @Test func bareFileNeedsItsConfiguration() throws {
    let path = folder.file("x.safetensors")
    try SampleAdapter.write([SampleAdapter.a(), SampleAdapter.b()], config: nil, to: path)
    #expect(throws: AdapterError(.missingConfiguration, path: path)) {
      try AdapterReader.open(path: path)
    }
    try folder.write("adapter_config.json", SampleAdapter.config)
    #expect(try AdapterReader.open(path: path).modules.count == 1)
  }

  @Test func inAFolderTheConfigurationFileDecides() throws {
    try SampleAdapter.write(
      [SampleAdapter.a(), SampleAdapter.b()], to: folder.file("adapter_model.safetensors"))
    try folder.write(
      "adapter_config.json",
      SampleAdapter.config.replacingOccurrences(of: ":6", with: ":8"))
    #expect(try AdapterReader.open(path: folder.path).modules[0].alpha == 8)
    #expect(
      try AdapterReader.open(path: folder.file("adapter_model.safetensors")).modules[0].alpha == 6)
  }

  @Test func ranksAndAlphasOfTheirOwnComeBack() throws {
    let adapter = Adapter(
      config: AdapterConfig(rank: 2, alpha: 6, targets: .modules(["q_proj"])),
      modules: [
        SampleAdapter.module(), SampleAdapter.module("model.layers.1.self_attn.q_proj", rank: 3),
        SampleAdapter.module("model.layers.11.self_attn.q_proj", alpha: 1.5),
      ])
    try AdapterWriter.write(adapter, to: folder.file("x.safetensors"))
    let read = try AdapterReader.read(path: folder.file("x.safetensors"))
    #expect(read.modules.map(\.rank) == [2, 3, 2])
    #expect(read.modules.map(\.alpha) == [6, 6, 1.5])
    #expect(read.digest() == adapter.digest())
  }

  @Test func faultsAreNamed() throws {
    let (a, b) = (SampleAdapter.a(), SampleAdapter.b())
    #expect(try problem([]) == .empty)
    #expect(try problem([a]) == .missingTensor(b.name))
    #expect(try problem([b]) == .missingTensor(a.name))
    #expect(
      try problem([a, SampleAdapter.b([8])]) == .invalidShape(tensor: b.name, shape: [8]))
    #expect(
      try problem([SampleAdapter.a([2, 0]), b]) == .invalidShape(tensor: a.name, shape: [2, 0]))
    #expect(
      try problem([SampleAdapter.a([3, 3]), b])
        == .rankMismatch(module: SampleAdapter.path, found: 3, expected: 2))
    #expect(
      try problem([a, SampleAdapter.b([4, 3])])
        == .rankMismatch(module: SampleAdapter.path, found: 3, expected: 2))
    #expect(
      try problem([a, SampleAdapter.b(values: 5, .nan)])
        == .notFinite(tensor: b.name, index: 5))
    #expect(
      try problem([SampleAdapter.a(values: 0, -.infinity), b])
        == .notFinite(tensor: a.name, index: 0))
    let magnitude = OutputTensor(
      name: "base_model.model.\(SampleAdapter.path).lora_magnitude_vector", shape: [4],
      floats: [1, 1, 1, 1])
    #expect(try problem([a, b, magnitude]) == .unsupportedTensor(magnitude.name))
    let foreign = OutputTensor(name: "lm_head.weight", shape: [1], floats: [1])
    #expect(try problem([a, b, foreign]) == .unsupportedTensor("lm_head.weight"))
    let other = SampleAdapter.config.replacingOccurrences(of: "q_proj", with: "v_proj")
    #expect(try problem([a, b], config: other) == .untargetedModule(SampleAdapter.path))
    let integers = OutputTensor(
      name: a.name, dtype: .int8, shape: [2, 3], bytes: [UInt8](repeating: 0, count: 6))
    guard case .safetensors(let error) = try problem([integers, b]) else {
      Issue.record("accepted")
      return
    }
    #expect(error.problem == .unsupportedConversion(tensor: a.name, dtype: .int8))
  }

  @Test(arguments: [
    ("{", "(all)"), ("[]", "(all)"), ("{}", "v"), (#"{"v":2}"#, "v"),
    (#"{"v":1,"records":-1}"#, "records"), (#"{"v":1,"records":1.5}"#, "records"),
    (#"{"v":1,"tokens":"1"}"#, "tokens"), (#"{"v":1,"client":3}"#, "client"),
    (#"{"v":1,"quality_tokens":-0.5}"#, "quality_tokens"), (#"{"v":1,"trained":"C"}"#, "trained"),
    (#"{"v":1,"clients":[1]}"#, "clients"),
  ])
  func falseClaimsAreRefused(cl: String, field: String) throws {
    guard
      case .invalidProvenance(let found, _) = try problem(
        [SampleAdapter.a(), SampleAdapter.b()], cl: cl)
    else {
      Issue.record("accepted")
      return
    }
    #expect(found == field)
  }

  @Test func largestSeedDoesNotSpoilTheFile() throws {
    var adapter = SampleAdapter.adapter
    adapter.provenance?.seed = .max
    try AdapterWriter.write(adapter, to: folder.file("x.safetensors"))
    #expect(try AdapterReader.read(path: folder.file("x.safetensors")).provenance?.seed == nil)
  }

  /// All three values are exact in half precision, so the digest must not see the type.
  @Test(arguments: [DType.float16, .bfloat16, .float64])
  func otherFloatTypesHaveTheSameDigest(dtype: DType) throws {
    let values: [Float] = [1, -0.5, 2, 0, 1, 1]
    let bytes = values.flatMap { value -> [UInt8] in
      let bits: UInt64
      switch dtype {
      case .float16: bits = UInt64(Float16(value).bitPattern)
      case .bfloat16: bits = UInt64(value.bitPattern >> 16)
      default: bits = Double(value).bitPattern
      }
      return (0..<dtype.byteCount).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt64($0))) }
    }
    let narrow = OutputTensor(
      name: SampleAdapter.a().name, dtype: dtype, shape: [2, 3], bytes: bytes)
    try SampleAdapter.write([narrow, SampleAdapter.b()], to: folder.file("n.safetensors"))
    try SampleAdapter.write(
      [SampleAdapter.a([2, 3], values), SampleAdapter.b()], to: folder.file("f.safetensors"))
    let found = try AdapterReader.open(path: folder.file("n.safetensors"))
    let expected = try AdapterReader.open(path: folder.file("f.safetensors"))
    #expect(found.digest() == expected.digest())
    #expect(try found.adapter().digest() == expected.digest())
    #expect(try found.adapter().modules[0].loraA == values)
  }

  @Test func digestIsThatOfTheDescribedText() throws {
    let adapter = Adapter(
      config: AdapterConfig(rank: 1, alpha: 1, targets: .modules(["m"])),
      modules: [
        AdapterModule(
          path: "m", rank: 1, inputSize: 2, outputSize: 1, alpha: 1, loraA: [1, 2], loraB: [3])
      ])
    var text = Array("32:base_model.model.m.lora_A.weight F32 [1,2] 8\n".utf8)
    text += [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]
    text += Array("32:base_model.model.m.lora_B.weight F32 [1,1] 4\n".utf8) + [0, 0, 0x40, 0x40]
    #expect(adapter.digest() == text.withUnsafeBytes { ContentDigest.hexadecimal(of: $0) })
  }

  @Test func adaptersFollowOneAnotherOnAPipe() throws {
    try AdapterWriter.write(SampleAdapter.adapter, to: folder.file("x.safetensors"))
    let one = try folder.read("x.safetensors")
    let stream = AdapterStream(try InputSource(path: try folder.write("pipe", one + one)))
    for _ in 0..<2 {
      let file = try #require(try stream.next())
      #expect(try AdapterReader.open(file).digest() == SampleAdapter.adapter.digest())
    }
    #expect(try stream.next() == nil)
    let cut = AdapterStream(try InputSource(path: try folder.write("cut", one + one.dropLast())))
    _ = try cut.next()
    #expect(throws: AdapterError.self) { try cut.next() }
  }

  @Test func whatPEFTWroteIsRead() throws {
    guard let path = PackageLayout.shared("golden/llama3/adapter-init") else { return }
    let adapter = try AdapterReader.read(path: path)
    #expect(adapter.modules.count == 14)
    #expect(adapter.modules.allSatisfy { $0.rank == 4 && $0.alpha == 8 })
    let module = try #require(adapter["model.layers.1.self_attn.k_proj"])
    #expect(module.loraA.count == 4 * module.inputSize)
  }
}

extension SampleAdapter {
  /// The factor with one value changed.
  static func a(values index: Int, _ value: Float) -> OutputTensor {
    var values = [Float](repeating: 1, count: 6)
    values[index] = value
    return a([2, 3], values)
  }

  static func b(values index: Int, _ value: Float) -> OutputTensor {
    var values = [Float](repeating: 1, count: 8)
    values[index] = value
    return b([4, 2], values)
  }
}
