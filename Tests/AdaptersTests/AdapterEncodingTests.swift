// SPDX-License-Identifier: Apache-2.0
import Adapters
import Safetensors
import Streams
import TestSupport
import Testing

@Suite struct AdapterEncodingTests {
  private static func adapter(_ scale: Float = 1) -> Adapter {
    let (rank, inputs, outputs) = (3, 50, 70)
    func values(_ count: Int, _ seed: Int) -> [Float] {
      (0..<count).map { Float(($0 * 7919 + seed * 104_729) % 2003 - 1001) / 1001 * scale }
    }
    return Adapter(
      config: AdapterConfig(rank: rank, alpha: 6, targets: .modules(["q_proj"])),
      modules: [
        AdapterModule(
          path: "model.layers.0.q_proj", rank: rank, inputSize: inputs, outputSize: outputs,
          alpha: 6, loraA: values(rank * inputs, 1), loraB: values(outputs * rank, 2))
      ])
  }

  private static func bound(_ encoding: AdapterEncoding) -> Float {
    switch encoding {
    case .float32: 0
    case .float16: 0x1p-11
    case .bfloat16: 0x1p-8
    // Of the largest of 64 values, here at most 1.
    case .int8: 1 / 254 * 1.0001
    }
  }

  @Test(arguments: AdapterEncoding.allCases, [Float(1), 0.001])
  func whatIsWrittenIsReadBackWithinTheBound(encoding: AdapterEncoding, scale: Float) throws {
    let folder = try TemporaryDirectory()
    let adapter = Self.adapter(scale)
    let result = try AdapterWriter.write(adapter, to: folder.file("a"), as: encoding)
    #expect(result.byteCount == (try folder.read("a").count))
    #expect(result.byteCount == (try AdapterWriter.byteCount(adapter, as: encoding)))
    let read = try AdapterReader.read(path: folder.file("a"))
    let rounded = adapter.rounded(to: encoding)
    #expect(read.digest() == rounded.digest())
    #expect(try AdapterReader.open(path: folder.file("a")).digest() == rounded.digest())
    for (x, y) in zip(read.modules[0].loraA, adapter.modules[0].loraA) {
      #expect(abs(x - y) <= Self.bound(encoding) * scale)
    }
    // Once rounded, nothing more is lost.
    #expect(rounded.rounded(to: encoding).digest() == rounded.digest())
  }

  @Test func halvesAndBytesAreSmaller() throws {
    let sizes = try AdapterEncoding.allCases.map {
      try AdapterWriter.byteCount(Self.adapter(), as: $0)
        - AdapterWriter.byteCount(Self.adapter(), as: .int8)
    }
    #expect(sizes[0] > sizes[1] && abs(sizes[1] - sizes[2]) <= 8 && sizes[1] > 0)
  }

  @Test func bfloat16RoundsToEven() {
    let rounded = AdapterEncoding.bfloat16
    func one(_ value: Float) -> Float {
      let module = AdapterModule(
        path: "m", rank: 1, inputSize: 1, outputSize: 1, alpha: 1, loraA: [value], loraB: [1])
      let adapter = Adapter(
        config: AdapterConfig(rank: 1, alpha: 1, targets: .modules(["m"])), modules: [module])
      return adapter.rounded(to: rounded).modules[0].loraA[0]
    }
    #expect(one(1 + 0x1p-8) == 1)
    #expect(one(1 + 0x1p-7 + 0x1p-8) == 1 + 0x1p-6)
    #expect(one(1 + 0x1p-8 + 0x1p-20) == 1 + 0x1p-7)
    #expect(one(-.greatestFiniteMagnitude) == -.infinity)
    #expect(one(0) == 0)
  }

  @Test(arguments: ["count", "type", "nan", "none"])
  func damagedScalesAreRefused(damage: String) throws {
    let folder = try TemporaryDirectory()
    var tensors = Self.adapter().tensors(as: .int8)
    let scales = tensors[1]
    switch damage {
    case "count":
      tensors[1] = OutputTensor(name: scales.name, shape: [1], floats: [1])
    case "type":
      tensors[0] = OutputTensor(
        name: tensors[0].name, shape: tensors[0].shape,
        floats: [Float](repeating: 1, count: 150))
    case "nan":
      tensors[1] = OutputTensor(
        name: scales.name, shape: scales.shape, floats: [.nan, 1, 1])
    default: tensors.remove(at: 1)
    }
    let sink = try OutputSink(path: folder.file("bad"))
    try SafetensorsWriter.write(
      tensors,
      metadata: [
        "adapter_config": Self.adapter().describedConfig.json, "cl_encoding": "int8",
      ], to: sink)
    try sink.close()
    #expect(throws: AdapterError.self) { try AdapterReader.open(path: folder.file("bad")) }
  }
}
