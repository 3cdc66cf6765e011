// SPDX-License-Identifier: Apache-2.0

/// Turns merges as files write them into ids.
enum MergeText {
  /// A merge written as "left right".
  static func resolve(
    _ text: UnsafeRawBufferPointer, index: Int, path: String,
    into definition: inout TokenizerDefinition
  ) throws(TokenizerError) {
    let space = UInt8(ascii: " ")
    guard let cut = text.firstIndex(of: space), !text[(cut + 1)...].contains(space) else {
      throw .invalidField(
        path: path, field: "merges[\(index)]", expected: "two tokens and a space",
        found: "\"\(String(decoding: text, as: UTF8.self))\"")
    }
    try resolve(
      UnsafeRawBufferPointer(rebasing: text[..<cut]),
      UnsafeRawBufferPointer(rebasing: text[(cut + 1)...]), index: index, path: path,
      into: &definition)
  }

  static func resolve(
    _ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer, index: Int, path: String,
    into definition: inout TokenizerDefinition
  ) throws(TokenizerError) {
    func missing(_ parts: UnsafeRawBufferPointer...) -> TokenizerError {
      .unknownMerge(
        path: path, index: index,
        token: String(decoding: parts.flatMap { Array($0) }, as: UTF8.self))
    }
    guard let first = definition.vocabulary.id(of: left) else { throw missing(left) }
    guard let second = definition.vocabulary.id(of: right) else { throw missing(right) }
    let joined = withUnsafeTemporaryAllocation(
      byteCount: left.count + right.count, alignment: 1
    ) { buffer -> Int32? in
      UnsafeMutableRawBufferPointer(rebasing: buffer[..<left.count]).copyMemory(from: left)
      UnsafeMutableRawBufferPointer(rebasing: buffer[left.count...]).copyMemory(from: right)
      return definition.vocabulary.id(of: UnsafeRawBufferPointer(buffer))
    }
    guard let joined else { throw missing(left, right) }
    definition.merges.append((first, second, joined, definition.merges.count))
  }
}
