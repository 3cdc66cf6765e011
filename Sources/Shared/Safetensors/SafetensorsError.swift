// SPDX-License-Identifier: Apache-2.0
package import Streams

/// Why a file is no valid safetensors file, or why a tensor cannot be used.
package struct SafetensorsError: Error, Equatable {
  package enum Problem: Equatable, Sendable {
    /// The file or the stream ends before the bytes that its header promises.
    case truncated(expectedBytes: Int, foundBytes: Int)
    /// The header is longer than ``SafetensorsHeader/maximumBytes``.
    case headerTooLarge(bytes: UInt64)
    /// The header does not start with `{`.
    case headerNotAnObject
    /// The header is no JSON, or holds a key twice.
    case malformedHeader(JSONError)
    /// A field of a tensor's entry is missing, of the wrong kind, or out of range.
    case invalidField(tensor: String, field: String, expected: String)
    /// A type that we do not know.
    case unknownDType(tensor: String, dtype: String)
    /// `__metadata__` holds something else than strings.
    case invalidMetadata(key: String)
    /// The product of `shape` and the element size exceeds the address space.
    case sizeOverflow(tensor: String, shape: [Int])
    /// `shape` and `dtype` disagree with `data_offsets`.
    case sizeMismatch(tensor: String, shape: [Int], dtype: DType, bytes: Int)
    /// Tensors leave a hole or overlap. The format forbids both.
    case notContiguous(tensor: String)
    /// Bytes follow the last tensor.
    case trailingBytes(Int)
    /// Two tensors of one name are to be written.
    case duplicateTensor(String)
    /// A tensor that was asked for is not there.
    case missingTensor(String)
    /// The values of this type cannot be read as numbers of the kind asked for.
    case unsupportedConversion(tensor: String, dtype: DType)
    /// A folder holds neither `model.safetensors` nor an index.
    case noCheckpoint
    /// The index is no JSON or lacks a proper `weight_map`.
    case malformedIndex(String)
    /// The index places a tensor in a shard that does not hold it.
    case tensorNotInShard(tensor: String, shard: String)
    /// Opening, reading or writing failed.
    case stream(StreamError)
  }
  /// The file, or `(standard input)`, with the number of the file on the pipe.
  package let path: String
  package let problem: Problem

  package init(_ problem: Problem, path: String) {
    self.path = path
    self.problem = problem
  }
}

extension SafetensorsError: Diagnosable {
  package var category: FailureCategory {
    switch problem {
    case .stream(let error): error.category
    case .noCheckpoint: .noInput
    case .unsupportedConversion, .unknownDType: .unsupportedConfiguration
    case .duplicateTensor: .internalError
    default: .badData
    }
  }

  package var location: String? {
    if case .stream(let error) = problem { return error.location ?? path }
    return path
  }

  package var message: String {
    switch problem {
    case .truncated(let expected, let found):
      "truncated: expected \(expected) bytes, found \(found)"
    case .headerTooLarge(let bytes):
      "header of \(bytes) bytes, the limit is \(SafetensorsHeader.maximumBytes): "
        + "this is no safetensors file"
    case .headerNotAnObject: "header does not start with \"{\": this is no safetensors file"
    case .malformedHeader(let error): "header: \(error.message)"
    case .invalidField(let tensor, let field, let expected):
      "tensor \"\(tensor)\": field \"\(field)\": expected \(expected)"
    case .unknownDType(let tensor, let dtype): "tensor \"\(tensor)\": unknown type \"\(dtype)\""
    case .invalidMetadata(let key): "__metadata__ \"\(key)\": expected a string"
    case .sizeOverflow(let tensor, let shape): "tensor \"\(tensor)\": shape \(shape) is too large"
    case .sizeMismatch(let tensor, let shape, let dtype, let bytes):
      "tensor \"\(tensor)\": \(dtype.rawValue) of shape \(shape) does not fill \(bytes) bytes"
    case .notContiguous(let tensor):
      "tensor \"\(tensor)\": its bytes leave a hole or overlap another tensor's"
    case .trailingBytes(let count): "\(count) bytes after the last tensor"
    case .duplicateTensor(let name): "tensor \"\(name)\" is given twice"
    case .missingTensor(let name): "tensor \"\(name)\" is missing"
    case .unsupportedConversion(let tensor, let dtype):
      "tensor \"\(tensor)\": values of type \(dtype.rawValue) cannot be used here"
    case .noCheckpoint:
      "neither \(SafetensorsCheckpoint.indexName) nor \(SafetensorsCheckpoint.singleName) here"
    case .malformedIndex(let reason): "malformed index: \(reason)"
    case .tensorNotInShard(let tensor, let shard):
      "the index places tensor \"\(tensor)\" in \(shard), which does not hold it"
    case .stream(let error): error.message
    }
  }

  package var hint: String? {
    if case .trailingBytes = problem {
      return "several files back to back are read from a pipe, one file each from disk"
    }
    return nil
  }
}
