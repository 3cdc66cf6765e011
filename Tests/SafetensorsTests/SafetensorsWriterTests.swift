// SPDX-License-Identifier: Apache-2.0
import Foundation
import Safetensors
import Streams
import TestSupport
import Testing

@Suite struct SafetensorsWriterTests {
  let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory() }

  private func written(_ tensors: [OutputTensor], _ metadata: [String: String]) throws -> [UInt8] {
    let path = folder.path + "/" + UUID().uuidString
    let sink = try OutputSink(path: path)
    let count = try SafetensorsWriter.write(tensors, metadata: metadata, to: sink)
    try sink.close()
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    #expect(bytes.count == count)
    return bytes
  }

  @Test func writesTheseBytes() throws {
    let tensors = [
      OutputTensor(name: "b", dtype: .uint8, shape: [3], bytes: [7, 8, 9]),
      OutputTensor(name: "z", shape: [1], floats: [2]),
      OutputTensor(name: "a", shape: [2], floats: [1, -1]),
    ]
    let json =
      #"{"__metadata__":{"format":"pt","k\"":"v\n"},"#
      + #""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"#
      + #""z":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"#
      + #""b":{"dtype":"U8","shape":[3],"data_offsets":[12,15]}}"#
    let padding = String(repeating: " ", count: (8 - json.utf8.count % 8) % 8)
    let expected = RawFile.bytes(
      json: json + padding, data: RawFile.littleEndian([1, -1, 2]) + [7, 8, 9])
    #expect(try written(tensors, ["k\"": "v\n", "format": "pt"]) == expected)
    #expect(try written(tensors.reversed(), ["format": "pt", "k\"": "v\n"]) == expected)
  }

  /// Files longer than the pieces they are written in: tensors that end before, on and after a border.
  @Test(arguments: [-9, 0, 9])
  func longFilesAreWrittenInPieces(offset: Int) throws {
    let header = try written([OutputTensor(name: "a", dtype: .uint8, shape: [0], bytes: [])], [:])
    let sizes = [(1 << 21) - header.count + offset, 5 << 20, 7, (1 << 21) + 1]
    let tensors = sizes.enumerated().map { index, size in
      OutputTensor(
        name: "\(index)", dtype: .uint8, shape: [size],
        bytes: (0..<size).map { UInt8(truncatingIfNeeded: $0 / 251 + $0 + index) })
    }
    var data: [UInt8] = []
    for tensor in tensors { tensor.withBytes { data.append(contentsOf: $0) } }
    let bytes = try written(tensors, [:])
    #expect(bytes.suffix(data.count) == data[...])
  }

  @Test func whatIsWrittenIsRead() throws {
    let bytes = try written(
      [
        OutputTensor(name: "é/\"x\"", shape: [2, 0, 5], floats: []),
        OutputTensor(name: "", shape: [], floats: [.nan]),
      ], ["": "", "{\"a\":1}": "\u{0}\u{1f}😀"])
    let file = try SafetensorsFile(path: try folder.write("f", bytes))
    #expect(file.metadata == ["": "", "{\"a\":1}": "\u{0}\u{1f}😀"])
    #expect(file["é/\"x\""]?.shape == [2, 0, 5])
    #expect(try file.tensor("").floats().first?.isNaN == true)
  }

  @Test func wrongSizesAndDuplicatesAreRefused() throws {
    #expect(throws: SafetensorsError.self) {
      try written([OutputTensor(name: "a", shape: [2], floats: [1])], [:])
    }
    let twice = OutputTensor(name: "a", shape: [1], floats: [1])
    #expect(throws: SafetensorsError.self) { try written([twice, twice], [:]) }
  }
}

@Suite struct SafetensorsCheckpointTests {
  let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory() }

  private func shard(_ name: String, _ values: [Float]) throws -> [UInt8] {
    RawFile.bytes(
      json: """
        {"\(name)":{"dtype":"F32","shape":[\(values.count)],"data_offsets":[0,\(values.count * 4)]}}
        """, data: RawFile.littleEndian(values))
  }

  @Test func findsTensorsAcrossShards() throws {
    try folder.write("m-1.safetensors", try shard("x", [1, 2]))
    try folder.write("m-2.safetensors", try shard("w", [3]))
    let index = #"{"metadata":{},"weight_map":{"x":"m-1.safetensors","w":"m-2.safetensors"}}"#
    try folder.write("model.safetensors.index.json", Array(index.utf8))
    let checkpoint = try SafetensorsCheckpoint(path: folder.path)
    #expect(checkpoint.names == ["w", "x"])
    #expect(try checkpoint.tensor("x").floats() == [1, 2])
    #expect(try checkpoint.tensor("w").floats() == [3])
    #expect(checkpoint["y"] == nil)
    // One file with the same tensors has the same digest.
    let single = RawFile.bytes(
      json: #"{"w":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"#
        + #""x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
      data: RawFile.littleEndian([1, 2, 3]))
    let path = try folder.write("one.safetensors", single)
    #expect(try SafetensorsCheckpoint(path: path).digest() == checkpoint.digest())
  }

  @Test(arguments: [
    "{", "{}", #"{"weight_map":[]}"#, #"{"weight_map":{"x":1}}"#,
    #"{"weight_map":{"x":"../m-1.safetensors"}}"#, #"{"weight_map":{"x":"/etc/passwd"}}"#,
    #"{"weight_map":{"y":"m-1.safetensors"}}"#, #"{"weight_map":{"x":"m-9.safetensors"}}"#,
  ])
  func badIndexIsRefused(index: String) throws {
    try folder.write("m-1.safetensors", try shard("x", [1, 2]))
    try folder.write("model.safetensors.index.json", Array(index.utf8))
    #expect(throws: SafetensorsError.self) { try SafetensorsCheckpoint(path: folder.path) }
  }

  @Test func folderWithoutWeightsIsRefused() throws {
    #expect(throws: SafetensorsError(.noCheckpoint, path: folder.path)) {
      try SafetensorsCheckpoint(path: folder.path)
    }
  }

  /// SHA-256 of the text that the format page describes, made by hand.
  @Test func digestIsThatOfTheDescribedText() throws {
    try folder.write("model.safetensors", try shard("x", [1, 2]))
    let text = Array("1:x F32 [2] 8\n".utf8) + RawFile.littleEndian([1, 2])
    let expected = text.withUnsafeBytes { ContentDigest.hexadecimal(of: $0) }
    #expect(try SafetensorsCheckpoint(path: folder.path).digest() == expected)
  }

  @Test func digestOfALargeTensorTakesItsEdges() throws {
    let values = (0..<4096).map { Float($0) }
    let bytes = RawFile.littleEndian(values)
    try folder.write("model.safetensors", try shard("x", values))
    let text = Array("1:x F32 [4096] 16384\n".utf8) + bytes[..<4096] + bytes[(16384 - 4096)...]
    let expected = text.withUnsafeBytes { ContentDigest.hexadecimal(of: $0) }
    #expect(try SafetensorsCheckpoint(path: folder.path).digest() == expected)
  }
}
