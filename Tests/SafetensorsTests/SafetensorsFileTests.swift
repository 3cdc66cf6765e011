// SPDX-License-Identifier: Apache-2.0
import Foundation
import Safetensors
import Streams
import TestSupport
import Testing

@Suite struct SafetensorsFileTests {
  let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory() }

  private func problem(_ bytes: [UInt8]) throws -> SafetensorsError.Problem? {
    let path = try folder.write(UUID().uuidString, bytes)
    do {
      _ = try SafetensorsFile(path: path)
      return nil
    } catch {
      #expect(error.path == path)
      return error.problem
    }
  }

  @Test func readsTensorsAndMetadata() throws {
    let file = try SafetensorsFile(path: try folder.write("f", RawFile.small))
    #expect(file.metadata == ["format": "pt"])
    #expect(file.tensors.map(\.name) == ["a", "b"])
    #expect(try file.tensor("a").floats() == [1, -2, 0.5, 4])
    #expect(try file.tensor("a").shape == [2, 2])
    #expect(try file.tensor("b").integers() == [7, 8, 255])
    #expect(file["c"] == nil)
  }

  @Test func aViewKeepsTheFileMapped() throws {
    let path = try folder.write("f", RawFile.small)
    let view = try { try SafetensorsFile(path: path).tensor("a") }()
    #expect(try view.floats() == [1, -2, 0.5, 4])
  }

  @Test func everyTruncationIsRefused() throws {
    for count in 0..<RawFile.small.count {
      guard case .truncated = try problem(Array(RawFile.small[..<count])) else {
        Issue.record("cut at \(count) was accepted or refused for another reason")
        continue
      }
    }
  }

  /// Header text, data, the refusal that it must meet.
  static let malformed: [(String, Int, SafetensorsError.Problem)] = [
    ("[]", 0, .headerNotAnObject),
    (" {}", 0, .headerNotAnObject),
    ("", 0, .headerNotAnObject),
    ("{", 0, .malformedHeader(JSONError(.unexpectedEnd, at: 1))),
    ("{} x", 0, .malformedHeader(JSONError(.trailingCharacters, at: 3))),
    ("{}", 3, .trailingBytes(3)),
    (
      #"{"a":1}"#, 0, .invalidField(tensor: "a", field: "(entry)", expected: "an object")
    ),
    (
      #"{"a":{"shape":[],"data_offsets":[0,4]}}"#, 4,
      .invalidField(tensor: "a", field: "dtype", expected: "a string, found nothing")
    ),
    (
      #"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#, 4,
      .invalidField(tensor: "a", field: "shape", expected: "an array, found nothing")
    ),
    (
      #"{"a":{"dtype":"F32","shape":[]}}"#, 4,
      .invalidField(
        tensor: "a", field: "data_offsets", expected: "[begin, end] with begin <= end")
    ),
    (
      #"{"a":{"dtype":"F32","shape":[],"data_offsets":[4,0]}}"#, 4,
      .invalidField(
        tensor: "a", field: "data_offsets", expected: "[begin, end] with begin <= end")
    ),
    (
      #"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4,8]}}"#, 4,
      .invalidField(
        tensor: "a", field: "data_offsets", expected: "[begin, end] with begin <= end")
    ),
    (
      #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4,
      .invalidField(tensor: "a", field: "shape", expected: "an array of natural numbers")
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}"#, 4,
      .invalidField(tensor: "a", field: "shape", expected: "an array of natural numbers")
    ),
    (
      #"{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}"#, 4,
      .invalidField(tensor: "a", field: "shape", expected: "an array of natural numbers")
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}"#, 4,
      .invalidField(tensor: "a", field: "x", expected: "dtype, shape and data_offsets only")
    ),
    (
      #"{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}"#, 1,
      .unknownDType(tensor: "a", dtype: "F4")
    ),
    (
      #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#, 0,
      .sizeOverflow(tensor: "a", shape: [4_294_967_296, 4_294_967_296])
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4,
      .sizeMismatch(tensor: "a", shape: [2], dtype: .float32, bytes: 4)
    ),
    (
      #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"#
        + #""b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#, 3,
      .notContiguous(tensor: "b")
    ),
    (
      #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"#
        + #""b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#, 2,
      .notContiguous(tensor: "b")
    ),
    (
      #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#, 3, .notContiguous(tensor: "a")
    ),
    (
      #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"#
        + #""a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#, 0,
      .malformedHeader(JSONError(.duplicateKey("a"), at: 54))
    ),
    (#"{"__metadata__":[]}"#, 0, .invalidMetadata(key: "__metadata__")),
    (#"{"__metadata__":{"x":1}}"#, 0, .invalidMetadata(key: "x")),
    (
      #"{"__metadata__":{"x":"1","x":"2"}}"#, 0,
      .malformedHeader(JSONError(.duplicateKey("x"), at: 26))
    ),
    (
      #"{"a":{"dtype":"U8","shape":[9223372036854775807],"#
        + #""data_offsets":[0,9223372036854775807]}}"#, 4,
      .truncated(expectedBytes: .max, foundBytes: 101)
    ),
  ]

  @Test(arguments: malformed)
  func malformedHeaderIsRefused(
    json: String, dataBytes: Int, expected: SafetensorsError.Problem
  ) throws {
    let bytes = RawFile.bytes(json: json, data: [UInt8](repeating: 0, count: dataBytes))
    #expect(try problem(bytes) == expected)
  }

  @Test(arguments: [100_000_001, 1 << 63, UInt64.max])
  func hugeHeaderIsRefusedBeforeAnythingIsRead(length: UInt64) throws {
    let bytes = RawFile.bytes(length: length, rest: Array("{}".utf8))
    #expect(try problem(bytes) == .headerTooLarge(bytes: length))
  }

  @Test func invalidUTF8IsRefused() throws {
    let bytes = RawFile.bytes(length: 8, rest: Array("{\"".utf8) + [0xff] + Array("\":{}}".utf8))
    guard case .malformedHeader = try problem(bytes) else {
      Issue.record("accepted")
      return
    }
  }

  @Test func deepNestingIsRefused() throws {
    let json = "{\"a\":" + String(repeating: "[", count: 1_000_000)
    #expect(try problem(RawFile.bytes(json: json)) != nil)
  }

  @Test func emptyAndScalarTensorsAreAccepted() throws {
    let json =
      #"{"e":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]},"#
      + #""s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   "#
    let bytes = RawFile.bytes(json: json, data: RawFile.littleEndian([3]))
    let file = try SafetensorsFile(path: try folder.write("f", bytes))
    #expect(try file.tensor("e").floats() == [])
    #expect(try file.tensor("s").floats() == [3])
    let none = try SafetensorsFile(path: try folder.write("g", RawFile.bytes(json: "{}")))
    #expect(none.tensors.isEmpty)
  }

  /// Bit patterns from IEEE 754 and the definition of bfloat16 (the upper half of a float32).
  @Test func halfPrecisionIsReadExactly() throws {
    let json =
      #"{"b":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]},"#
      + #""h":{"dtype":"F16","shape":[5],"data_offsets":[8,18]}}"#
    let brain: [UInt16] = [0x3f80, 0xc000, 0x4049, 0x7f80]
    let half: [UInt16] = [0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff]
    let data = (brain + half).flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    let file = try SafetensorsFile(
      path: try folder.write("f", RawFile.bytes(json: json, data: data)))
    #expect(try file.tensor("b").floats() == [1, -2, 3.140625, .infinity])
    #expect(
      try file.tensor("h").floats() == [1, -2, 0.333251953125, 5.9604644775390625e-8, 65504])
    #expect(throws: SafetensorsError.self) { try file.tensor("h").integers() }
  }

  @Test func foldersAndMissingFilesAreNamed() throws {
    #expect(
      throws: SafetensorsError(.stream(.isDirectory(path: folder.path)), path: folder.path)
    ) { try SafetensorsFile(path: folder.path) }
    let missing = folder.path + "/none"
    #expect(
      throws: SafetensorsError(
        .stream(.cannotOpen(path: missing, errno: ENOENT)), path: missing)
    ) { try SafetensorsFile(path: missing) }
  }
}
