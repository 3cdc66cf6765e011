// SPDX-License-Identifier: Apache-2.0
import Streams

/// One tensor of a GGUF file.
package struct GGUFTensor: Sendable, Equatable {
  package let name: String
  /// As in the file: the fastest axis first. A Linear weight [out, in] has [in, out].
  package let dimensions: [Int]
  package let type: GGMLType
  /// Where its bytes lie in the file, from the file's start.
  package let range: Range<Int>

  /// Row-major: the slowest axis first.
  package var shape: [Int] { dimensions.reversed() }
  /// Number of values.
  package var elementCount: Int { dimensions.reduce(1, *) }
}

/// A mapped GGUF file, version 2 or 3, little endian.
///
/// Holds when the initialiser returns: keys and tensor names are unique; every tensor lies inside
/// the file, aligned, and overlaps no other; its size is that of its dimensions and type, and its
/// rows are whole blocks. Strings and tensor bytes are valid as long as the object lives.
package final class GGUFFile: @unchecked Sendable {
  /// Largest `general.alignment` that is accepted.
  package static let maximumAlignment = 1 << 20

  package let path: String
  package let version: UInt32
  /// Keys in the order of the file.
  package let keys: [String]
  /// In the order of the file.
  package let tensors: [GGUFTensor]
  private let values: [String: GGUFValue]
  private let positions: [String: Int]
  private let mapping: MappedFile

  /// Maps the file and reads everything but the tensors' bytes.
  package init(path: String) throws(GGUFError) {
    do { mapping = try MappedFile(path: path) } catch {
      throw GGUFError(.stream(error), path: path)
    }
    self.path = path
    var parser = GGUFParser(mapping.bytes)
    do { try parser.parse() } catch { throw GGUFError(error, path: path) }
    version = parser.version
    keys = parser.keys
    values = parser.values
    tensors = parser.tensors
    positions = parser.positions
  }

  /// Whether a file starts like a GGUF file; false if it cannot be read.
  package static func isGGUF(path: String) -> Bool {
    guard let mapping = try? MappedFile(path: path) else { return false }
    return mapping.bytes.starts(with: GGUFParser.magic)
  }

  /// The metadata value of `key`, or nil.
  package subscript(key: String) -> GGUFValue? { values[key] }

  /// The integer value of `key`.
  ///
  /// - Throws: ``GGUFError/Problem/invalidKey(_:expected:)`` if it is missing or no integer.
  package func int(_ key: String) throws(GGUFError) -> Int {
    guard let value = values[key]?.int else {
      throw GGUFError(.invalidKey(key, expected: "an integer"), path: path)
    }
    return value
  }

  /// The numeric value of `key`.
  ///
  /// - Throws: ``GGUFError/Problem/invalidKey(_:expected:)`` if it is missing or no number.
  package func number(_ key: String) throws(GGUFError) -> Double {
    guard let value = values[key]?.number else {
      throw GGUFError(.invalidKey(key, expected: "a number"), path: path)
    }
    return value
  }

  /// The text of `key`.
  ///
  /// - Throws: ``GGUFError/Problem/invalidKey(_:expected:)`` if it is missing or no string.
  package func text(_ key: String) throws(GGUFError) -> String {
    guard let value = values[key]?.text else {
      throw GGUFError(.invalidKey(key, expected: "a string"), path: path)
    }
    return value
  }

  /// The tensor `name`, or nil.
  package func find(_ name: String) -> GGUFTensor? { positions[name].map { tensors[$0] } }

  /// The tensor `name`.
  ///
  /// - Throws: ``GGUFError/Problem/missingTensor(_:)``.
  package func tensor(_ name: String) throws(GGUFError) -> GGUFTensor {
    guard let tensor = find(name) else { throw GGUFError(.missingTensor(name), path: path) }
    return tensor
  }

  /// The bytes of one of ``tensors``.
  package func bytes(of tensor: GGUFTensor) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: mapping.bytes[tensor.range])
  }

  /// The digest by which adapters name this base model; reads at most 8 KiB a tensor.
  package func digest() -> String {
    let digest = TensorSetDigest(part: .edges)
    let ordered = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    for tensor in ordered {
      digest.update(
        name: tensor.name, type: tensor.type.name, shape: tensor.shape, bytes: bytes(of: tensor))
    }
    return digest.hexadecimal()
  }
}
