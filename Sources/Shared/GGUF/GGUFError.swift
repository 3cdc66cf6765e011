// SPDX-License-Identifier: Apache-2.0
package import Streams

/// Why a file is no GGUF file that we can read.
package struct GGUFError: Error, Equatable {
  package enum Problem: Error, Equatable, Sendable {
    /// Does not start with `GGUF`.
    case badMagic
    /// A version other than 2 and 3.
    case unsupportedVersion(UInt32)
    /// Written on a big-endian machine.
    case bigEndian
    /// The file ends before `what`, or `what` claims more bytes than are left.
    case truncated(what: String)
    /// A count that the rest of the file cannot hold.
    case impossibleCount(what: String, count: UInt64)
    /// An empty or too long key or tensor name.
    case invalidName(what: String, bytes: UInt64)
    case duplicateKey(String)
    case unknownValueType(key: String, type: UInt32)
    /// A bool that is neither 0 nor 1.
    case invalidBool(key: String)
    /// An array of arrays.
    case nestedArray(key: String)
    /// `general.alignment` is no uint32, or no power of two in 1...1048576.
    case invalidAlignment
    case duplicateTensor(String)
    /// No dimension or more than four.
    case invalidDimensionCount(tensor: String, count: UInt32)
    /// An extent of zero, a row of broken blocks, or a product beyond the address space.
    case invalidShape(tensor: String, dimensions: [UInt64])
    case unsupportedTensorType(tensor: String, type: UInt32)
    /// The offset is no multiple of the alignment.
    case misaligned(tensor: String, offset: UInt64)
    /// The tensor's bytes are not inside the file.
    case outsideFile(tensor: String, offset: UInt64, bytes: Int)
    case overlap(tensor: String, other: String)
    /// A tensor that was asked for is not there.
    case missingTensor(String)
    /// A key that was asked for is not there or has another type.
    case invalidKey(String, expected: String)
    /// Opening failed.
    case stream(StreamError)
  }
  package let path: String
  package let problem: Problem

  package init(_ problem: Problem, path: String) {
    self.path = path
    self.problem = problem
  }
}

extension GGUFError: Diagnosable {
  package var category: FailureCategory {
    switch problem {
    case .stream(let error): error.category
    case .unsupportedVersion, .bigEndian, .unsupportedTensorType: .unsupportedConfiguration
    default: .badData
    }
  }

  package var location: String? { path }

  package var message: String {
    switch problem {
    case .badMagic: "this is no GGUF file"
    case .unsupportedVersion(let version): "GGUF version \(version), supported are 2 and 3"
    case .bigEndian: "big-endian GGUF is not supported"
    case .truncated(let what): "truncated: the file ends inside \(what)"
    case .impossibleCount(let what, let count):
      "\(count) \(what) are claimed, more than the file can hold"
    case .invalidName(let what, let bytes): "\(what) of \(bytes) bytes"
    case .duplicateKey(let key): "key \"\(key)\" is given twice"
    case .unknownValueType(let key, let type): "key \"\(key)\": unknown value type \(type)"
    case .invalidBool(let key): "key \"\(key)\": expected a bool, 0 or 1"
    case .nestedArray(let key): "key \"\(key)\": arrays of arrays are not supported"
    case .invalidAlignment:
      "general.alignment: expected a uint32 that is a power of two in 1...\(GGUFFile.maximumAlignment)"
    case .duplicateTensor(let name): "tensor \"\(name)\" is given twice"
    case .invalidDimensionCount(let tensor, let count):
      "tensor \"\(tensor)\": \(count) dimensions, expected 1 to 4"
    case .invalidShape(let tensor, let dimensions):
      "tensor \"\(tensor)\": invalid dimensions \(dimensions)"
    case .unsupportedTensorType(let tensor, let type):
      "tensor \"\(tensor)\": unsupported tensor type \(type)"
    case .misaligned(let tensor, let offset):
      "tensor \"\(tensor)\": offset \(offset) is not aligned"
    case .outsideFile(let tensor, let offset, let bytes):
      "tensor \"\(tensor)\": \(bytes) bytes at offset \(offset) are not inside the file"
    case .overlap(let tensor, let other):
      "tensor \"\(tensor)\": its bytes overlap those of \"\(other)\""
    case .missingTensor(let name): "tensor \"\(name)\" is missing"
    case .invalidKey(let key, let expected): "key \"\(key)\": expected \(expected)"
    case .stream(let error): error.message
    }
  }
}
