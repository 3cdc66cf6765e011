// SPDX-License-Identifier: Apache-2.0

/// Finds ASCII text in bytes, capitals or not.
enum ByteSearch {
  /// Occurrences of `needle`, which is in lower case, not overlapping.
  static func count(_ bytes: UnsafeBufferPointer<UInt8>, _ needle: StaticString) -> Int {
    needle.withUTF8Buffer { needle in
      var (index, found) = (0, 0)
      while index + needle.count <= bytes.count {
        var matched = 0
        while matched < needle.count, lower(bytes[index + matched]) == needle[matched] {
          matched += 1
        }
        if matched == needle.count {
          found += 1
          index += matched
        } else {
          index += 1
        }
      }
      return found
    }
  }

  static func contains(_ bytes: UnsafeBufferPointer<UInt8>, _ needle: StaticString) -> Bool {
    count(bytes, needle) > 0
  }

  @inline(__always)
  private static func lower(_ byte: UInt8) -> UInt8 {
    (0x41...0x5a).contains(byte) ? byte | 0x20 : byte
  }
}
