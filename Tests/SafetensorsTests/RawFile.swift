// SPDX-License-Identifier: Apache-2.0

/// Files made by hand, byte by byte, so that the reader is not tested with its own writer.
enum RawFile {
  static func bytes(json: String, data: [UInt8] = []) -> [UInt8] {
    bytes(length: UInt64(json.utf8.count), rest: Array(json.utf8) + data)
  }

  static func bytes(length: UInt64, rest: [UInt8]) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * UInt64($0))) } + rest
  }

  static func littleEndian(_ values: [Float]) -> [UInt8] {
    values.flatMap { value in
      (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32($0))) }
    }
  }

  /// Two tensors: `a` (2, 2) of F32, `b` (3) of U8.
  static let small = bytes(
    json: """
      {"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},\
      "b":{"dtype":"U8","shape":[3],"data_offsets":[16,19]}}
      """, data: littleEndian([1, -2, 0.5, 4]) + [7, 8, 255])
}
