// SPDX-License-Identifier: Apache-2.0
import GGUF
import Streams
import Testing
import TestSupport

@Suite struct GGUFWriterTests {
  @Test func whatIsWrittenIsRead() throws {
    let folder = try TemporaryDirectory()
    let sink = try OutputSink(path: folder.file("a.gguf"))
    let count = try GGUFWriter.write(
      metadata: [
        ("general.type", .text("adapter")), ("x.alpha", .float32(1.5)), ("x.count", .uint32(7)),
      ],
      tensors: [
        GGUFOutputTensor(name: "one", shape: [2, 3], values: [1, 2, 3, 4, 5, 6]),
        GGUFOutputTensor(name: "two", shape: [1], values: [-1]),
      ], to: sink)
    try sink.close()
    #expect(try folder.read("a.gguf").count == count)
    let file = try GGUFFile(path: folder.file("a.gguf"))
    #expect(file.version == 3 && file.keys == ["general.type", "x.alpha", "x.count"])
    #expect(try file.text("general.type") == "adapter")
    #expect(try file.number("x.alpha") == 1.5 && file.int("x.count") == 7)
    let one = try file.tensor("one")
    #expect(one.shape == [2, 3] && one.dimensions == [3, 2] && one.type == .f32)
    #expect(one.range.lowerBound % 32 == 0)
    let values = file.bytes(of: one)
    #expect((0..<6).map { values.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) } == [1, 2, 3, 4, 5, 6])
    #expect(try file.bytes(of: file.tensor("two")).loadUnaligned(as: Float.self) == -1)
  }
}
