// SPDX-License-Identifier: Apache-2.0
import GGUF
import TestSupport
import Testing

/// The bug classes that GGUF readers were attacked through; the names follow the advisories
/// (CVE-2024-21836, -23605, -23496, -21825, -21802, -32878, CVE-2025-53630, CVE-2026-27940,
/// -33298, -7482, gguf-py 27188).
@Suite struct HostileGGUFTests {
  struct Case: CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let expected: GGUFError.Problem
    var testDescription: String { name }
  }

  @Test(arguments: header + metadata + arrays + tensors + placement)
  func isRefused(hostile: Case) throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write("f", hostile.bytes)
    #expect(throws: GGUFError(hostile.expected, path: path)) { try GGUFFile(path: path) }
  }

  private static func file(
    tensors: UInt64 = 0, keys: UInt64 = 0, version: UInt32 = 3, _ body: (inout GGUFBytes) -> Void
  ) -> [UInt8] {
    var file = GGUFBytes(version: version, tensors: tensors, keys: keys)
    body(&file)
    return file.bytes
  }

  static let header: [Case] = [
    Case(name: "empty", bytes: [], expected: .badMagic),
    Case(name: "magic", bytes: Array("GGML".utf8) + [3, 0, 0, 0], expected: .badMagic),
    Case(name: "version_1", bytes: file(version: 1) { _ in }, expected: .unsupportedVersion(1)),
    Case(name: "version_4", bytes: file(version: 4) { _ in }, expected: .unsupportedVersion(4)),
    Case(name: "big_endian_v3", bytes: file(version: 3 << 24) { _ in }, expected: .bigEndian),
  ]
    + [1, 1 << 31, 1 << 61, 1 << 63, .max].map { count in
      Case(
        name: "n_tensors_\(count)", bytes: file(tensors: count) { _ in },
        expected: .impossibleCount(what: "tensors", count: count))
    }
    + [1, 0x1555_5555_5555_5556, 1 << 63, .max].map { count in
      Case(
        name: "n_kv_\(count)", bytes: file(keys: count) { _ in },
        expected: .impossibleCount(what: "keys", count: count))
    }

  private static let rest = [UInt8](repeating: 0, count: 64)

  static let metadata: [Case] =
    [UInt64(0), 65536, 1 << 30, 1 << 63, .max].map { length in
      Case(
        name: "key_len_\(length)",
        bytes: file(keys: 1) {
          $0.string([], length: length)
          $0.bytes += rest
        }, expected: .invalidName(what: "a key", bytes: length))
    } + [
      Case(
        name: "key_len_past_end",
        bytes: file(keys: 1) {
          $0.string(rest, length: 65)
        }, expected: .truncated(what: "a key")),
      Case(
        name: "kv_type_bad",
        bytes: file(keys: 1) {
          $0.key("k", type: 13, rest)
        }, expected: .unknownValueType(key: "k", type: 13)),
      Case(
        name: "kv_type_max",
        bytes: file(keys: 1) {
          $0.key("k", type: .max, rest)
        }, expected: .unknownValueType(key: "k", type: .max)),
      Case(
        name: "duplicate_key",
        bytes: file(keys: 2) {
          $0.key("k", type: 0, [1])
          $0.key("k", type: 0, [2])
        }, expected: .duplicateKey("k")),
      Case(
        name: "bool_2", bytes: file(keys: 1) { $0.key("k", type: 7, [2]) },
        expected: .invalidBool(key: "k")),
    ]
    + [65, 1 << 30, 1 << 63, .max - 7, .max].map { length in
      Case(
        name: "str_len_\(length)",
        bytes: file(keys: 1) {
          $0.key("k", type: 8, [])
          $0.string(rest, length: length)
        }, expected: .truncated(what: "key \"k\""))
    }

  private static func array(type: UInt32, count: UInt64, _ content: [UInt8]) -> [UInt8] {
    file(keys: 1) {
      $0.key("k", type: 9, GGUFBytes.littleEndian(type) + GGUFBytes.littleEndian(count) + content)
    }
  }

  static let arrays: [Case] = [
    Case(
      name: "arr_nested", bytes: array(type: 9, count: 1, rest), expected: .nestedArray(key: "k")),
    Case(
      name: "arr_type_bad", bytes: array(type: 99, count: 1, rest),
      expected: .unknownValueType(key: "k", type: 99)),
    Case(
      name: "arr_bool_7", bytes: array(type: 7, count: 2, [1, 7]),
      expected: .invalidBool(key: "k")),
    Case(
      name: "arr_str_short", bytes: array(type: 8, count: 8, [UInt8](repeating: 1, count: 64)),
      expected: .truncated(what: "key \"k\"")),
  ]
    + [UInt32(4), 8, 10].map { type in
      Case(
        name: "arr_\(type)_n_17", bytes: array(type: type, count: 17, rest),
        expected: .impossibleCount(what: "elements of key \"k\"", count: 17))
    }
    + [UInt32(0), 4, 8, 10].flatMap { type in
      [UInt64(65), 1 << 30, 1 << 61, 1 << 62, 1 << 63, .max].map { count in
        Case(
          name: "arr_\(type)_n_\(count)", bytes: array(type: type, count: count, rest),
          expected: .impossibleCount(what: "elements of key \"k\"", count: count))
      }
    }

  private static func tensor(
    _ dimensions: [UInt64], type: UInt32 = 0, offset: UInt64 = 0, count: UInt32? = nil,
    name: String = "t", data: Int = 64
  ) -> [UInt8] {
    file(tensors: 1) {
      $0.tensor(name, dimensions: dimensions, type: type, offset: offset, dimensionCount: count)
      $0.pad()
      $0.bytes += [UInt8](repeating: 0, count: data)
    }
  }

  static let tensors: [Case] = [
    Case(
      name: "n_dims_0", bytes: tensor([], count: 0),
      expected: .invalidDimensionCount(tensor: "t", count: 0)),
    Case(
      name: "n_dims_5", bytes: tensor([1, 1, 1, 1, 1]),
      expected: .invalidDimensionCount(tensor: "t", count: 5)),
    Case(
      name: "n_dims_max", bytes: tensor([1], count: .max),
      expected: .invalidDimensionCount(tensor: "t", count: .max)),
    Case(
      name: "name_long", bytes: tensor([1], name: String(repeating: "x", count: 65)),
      expected: .invalidName(what: "a tensor name", bytes: 65)),
    Case(
      name: "type_bad", bytes: tensor([32], type: 4),
      expected: .unsupportedTensorType(tensor: "t", type: 4)),
    Case(
      name: "type_max", bytes: tensor([32], type: .max),
      expected: .unsupportedTensorType(tensor: "t", type: .max)),
    Case(
      name: "broken_block", bytes: tensor([33], type: 8),
      expected: .invalidShape(tensor: "t", dimensions: [33])),
    Case(
      name: "duplicate_tensor",
      bytes: file(tensors: 2) {
        $0.tensor("t", dimensions: [1], type: 0, offset: 0)
        $0.tensor("t", dimensions: [1], type: 0, offset: 32)
        $0.pad()
        $0.bytes += rest
      }, expected: .duplicateTensor("t")),
  ]
    + [
      [0], [1 << 63], [.max], [1 << 32, 1 << 32], [1 << 21, 1 << 21, 1 << 21, 1 << 21],
      [1 << 62], [3, .max / 3],
    ].map { dimensions in
      Case(
        name: "dim_product_wrap_\(dimensions)", bytes: tensor(dimensions),
        expected: .invalidShape(tensor: "t", dimensions: dimensions))
    }

  static let placement: [Case] =
    [
      (UInt32(4), [UInt8](repeating: 0, count: 4)), (4, [13, 0, 0, 0]), (4, [0, 0, 0, 0x80]),
      (5, [32, 0, 0, 0]), (10, [32, 0, 0, 0, 0, 0, 0, 0]), (8, [0, 0, 0, 0, 0, 0, 0, 0]),
    ].map { type, value in
      Case(
        name: "align_\(type)_\(value)",
        bytes: file(keys: 1) { $0.key("general.alignment", type: type, value) },
        expected: .invalidAlignment)
    } + [
      Case(
        name: "offset_unaligned", bytes: tensor([1], offset: 4),
        expected: .misaligned(tensor: "t", offset: 4)),
      Case(
        name: "offset_past_end", bytes: tensor([1], offset: 64),
        expected: .outsideFile(tensor: "t", offset: 64, bytes: 4)),
      Case(
        name: "offset_wrap", bytes: tensor([16], offset: .max - 31),
        expected: .outsideFile(tensor: "t", offset: .max - 31, bytes: 64)),
      Case(
        name: "offset_2p63", bytes: tensor([16], offset: 1 << 63),
        expected: .outsideFile(tensor: "t", offset: 1 << 63, bytes: 64)),
      Case(
        name: "data_short", bytes: tensor([17]),
        expected: .outsideFile(tensor: "t", offset: 0, bytes: 68)),
      Case(
        name: "data_none", bytes: tensor([1], data: 0),
        expected: .outsideFile(tensor: "t", offset: 0, bytes: 4)),
      Case(
        name: "exabyte", bytes: tensor([1 << 60]),
        expected: .outsideFile(tensor: "t", offset: 0, bytes: 1 << 62)),
      Case(
        name: "overlap",
        bytes: file(tensors: 2) {
          $0.tensor("t", dimensions: [16], type: 0, offset: 0)
          $0.tensor("u", dimensions: [8], type: 0, offset: 32)
          $0.pad()
          $0.bytes += rest
        }, expected: .overlap(tensor: "u", other: "t")),
    ]
}
