// SPDX-License-Identifier: Apache-2.0
import GGUF
import Streams
import TestSupport
import Testing

@Suite struct GGUFFileTests {
  let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory() }

  @Test(arguments: [UInt32(2), 3])
  func readsEveryTypeOfValue(version: UInt32) throws {
    let file = try GGUFFile(path: try folder.write("f", GGUFBytes.sample(version: version)))
    #expect(file.version == version)
    #expect(try file.text("general.architecture") == "llama")
    #expect(try file.int("u8") == 200)
    #expect(try file.int("i8") == -1)
    #expect(try file.int("u16") == 60000)
    #expect(try file.int("i16") == -3)
    #expect(try file.int("u32") == 4_294_967_295)
    #expect(try file.int("i32") == -2_147_483_648)
    #expect(try file.number("f32") == 1.5)
    #expect(try file.int("i64") == -9)
    #expect(try file.number("f64") == 0.1)
    #expect(file["bool"]?.bool == true)
    // It does not fit in Int: nil, not a trap.
    #expect(file["u64"]?.int == nil)
    #expect(file["u64"]?.number == 18_446_744_073_709_551_616)
    #expect(file.keys.count == 14)
    #expect(file.keys.last == "numbers")
  }

  @Test func readsArrays() throws {
    let file = try GGUFFile(path: try folder.write("f", GGUFBytes.sample()))
    let names = try #require(file["names"]?.array)
    #expect(names.count == 3)
    #expect(
      (0..<3).map { Array(names.stringBytes($0)) } == [
        Array("a".utf8), [], Array("ĠÃ".utf8),
      ])
    #expect(names.integers() == nil)
    #expect(file["numbers"]?.array?.integers() == [4, -4])
    #expect(file["numbers"]?.array?.numbers() == [4, -4])
  }

  @Test func wrongTypesAndMissingKeysAreNamed() throws {
    let path = try folder.write("f", GGUFBytes.sample())
    let file = try GGUFFile(path: path)
    #expect(
      throws: GGUFError(.invalidKey("f32", expected: "an integer"), path: path)
    ) { try file.int("f32") }
    #expect(throws: GGUFError(.invalidKey("u8", expected: "a string"), path: path)) {
      try file.text("u8")
    }
    #expect(throws: GGUFError(.invalidKey("none", expected: "a number"), path: path)) {
      try file.number("none")
    }
    #expect(throws: GGUFError(.missingTensor("none"), path: path)) { try file.tensor("none") }
  }

  @Test func findsTensors() throws {
    let file = try GGUFFile(path: try folder.write("f", GGUFBytes.sample()))
    #expect(file.tensors.map(\.name) == ["w", "q", "h"])
    let weight = try file.tensor("w")
    #expect(weight.dimensions == [2, 3])
    #expect(weight.shape == [3, 2])
    #expect(weight.elementCount == 6)
    let bytes = file.bytes(of: weight)
    #expect((0..<6).map { bytes.load(fromByteOffset: $0 * 4, as: Float.self) } == [0, 1, 2, 3, 4, 5])
    let quantized = try file.tensor("q")
    #expect(quantized.type == .q8_0)
    #expect(file.bytes(of: quantized).count == 4 * 34)
    #expect(file.bytes(of: quantized).allSatisfy { $0 == 9 })
  }

  @Test func digestIsThatOfTheDescribedText() throws {
    let file = try GGUFFile(path: try folder.write("f", GGUFBytes.sample()))
    var text = Array("1:h BF16 [1] 2\n".utf8) + [0x80, 0x3f]
    text += Array("1:q Q8_0 [2,64] 136\n".utf8) + [UInt8](repeating: 9, count: 136)
    text += Array("1:w F32 [3,2] 24\n".utf8)
    for value in 0..<6 { text += GGUFBytes.littleEndian(Float(value).bitPattern) }
    #expect(file.digest() == text.withUnsafeBytes { ContentDigest.hexadecimal(of: $0) })
  }

  @Test func everyTruncationIsRefused() throws {
    let sample = GGUFBytes.sample()
    for count in 0..<sample.count {
      #expect(throws: GGUFError.self, "cut at \(count)") {
        try GGUFFile(path: try folder.write("f", Array(sample[..<count])))
      }
    }
  }

  /// No single byte may make the reader trap; what is read must stay inside the file.
  @Test func everyByteSetToExtremesIsReadOrRefused() throws {
    let sample = GGUFBytes.sample()
    for position in 0..<sample.count - 300 {
      for byte in [UInt8(0), 0x7f, 0x80, 0xff, sample[position] ^ 1] {
        var bytes = sample
        bytes[position] = byte
        let path = try folder.write("f", bytes)
        guard let file = try? GGUFFile(path: path) else { continue }
        for tensor in file.tensors { #expect(file.bytes(of: tensor).count == tensor.range.count) }
        for key in file.keys {
          guard let array = file[key]?.array, array.elementType == .string else { continue }
          for index in 0..<array.count { _ = array.stringBytes(index).count }
        }
      }
    }
  }

  /// The blocks of llama.cpp's `ggml_type_traits`.
  @Test func blockSizes() {
    let expected: [(GGMLType, Int, Int)] = [
      (.f32, 1, 4), (.f16, 1, 2), (.bf16, 1, 2), (.q4_0, 32, 18), (.q4_1, 32, 20),
      (.q5_0, 32, 22), (.q5_1, 32, 24), (.q8_0, 32, 34), (.q2_K, 256, 84), (.q3_K, 256, 110),
      (.q4_K, 256, 144), (.q5_K, 256, 176), (.q6_K, 256, 210),
    ]
    for (type, size, bytes) in expected {
      #expect(type.blockSize == size && type.blockBytes == bytes, "\(type.name)")
    }
  }

  @Test func realModel() throws {
    guard let path = PackageLayout.smolLM2 else { return }
    let file = try GGUFFile(path: path)
    #expect(try file.text("general.architecture") == "llama")
    #expect(file.tensors.count == 272)
    #expect(file["tokenizer.ggml.tokens"]?.array?.count == 49152)
    #expect(file["tokenizer.ggml.merges"]?.array?.count == 48900)
    #expect(try file.tensor("token_embd.weight").shape == [49152, 576])
  }
}
