// SPDX-License-Identifier: Apache-2.0
import Streams

/// One safetensors file, mapped from disk or held in memory after it came through a pipe.
///
/// Opening reads the header only. All bytes stay valid as long as the object or one of its
/// ``TensorView``s lives.
package final class SafetensorsFile: @unchecked Sendable {
  package let path: String
  package let header: SafetensorsHeader
  /// Size of the whole file.
  package let byteCount: Int
  private let data: UnsafeRawBufferPointer
  /// A ``MappedFile`` or a ``ReceivedBytes``.
  private let owner: AnyObject

  /// Maps the file at `path` and checks its header.
  package convenience init(path: String) throws(SafetensorsError) {
    let mapping: MappedFile
    do { mapping = try MappedFile(path: path) } catch {
      throw SafetensorsError(.stream(error), path: path)
    }
    try self.init(path: path, bytes: mapping.bytes, owner: mapping)
  }

  /// A file in memory, as ``SafetensorsWriter`` would write it.
  package convenience init(
    path: String, tensors: [OutputTensor], metadata: [String: String]
  ) throws(SafetensorsError) {
    let content = try SafetensorsWriter.bytes(tensors, metadata: metadata, path: path)
    let owner = HeldBytes(content)
    try self.init(path: path, bytes: owner.bytes, owner: owner)
  }

  /// - Parameter owner: keeps `bytes` alive.
  init(
    path: String, bytes: UnsafeRawBufferPointer, owner: AnyObject
  ) throws(SafetensorsError) {
    let jsonBytes = try SafetensorsHeader.jsonBytes(prefix: bytes, path: path)
    let start = 8 + jsonBytes
    guard start <= bytes.count else {
      throw SafetensorsError(
        .truncated(expectedBytes: start, foundBytes: bytes.count), path: path)
    }
    header = try SafetensorsHeader(
      parsing: UnsafeRawBufferPointer(rebasing: bytes[8..<start]), path: path)
    let found = bytes.count - start
    guard header.dataBytes <= found else {
      let (expected, overflow) = start.addingReportingOverflow(header.dataBytes)
      throw SafetensorsError(
        .truncated(expectedBytes: overflow ? .max : expected, foundBytes: bytes.count),
        path: path)
    }
    guard header.dataBytes == found else {
      throw SafetensorsError(.trailingBytes(found - header.dataBytes), path: path)
    }
    self.path = path
    self.owner = owner
    byteCount = bytes.count
    data = UnsafeRawBufferPointer(rebasing: bytes[start...])
  }

  /// In the order of their names' bytes.
  package var tensors: [TensorInfo] { header.tensors }
  package var metadata: [String: String] { header.metadata }

  /// The tensor `name`, or nil.
  package subscript(name: String) -> TensorView? { header[name].map(view) }

  /// The tensor `name`.
  ///
  /// - Throws: ``SafetensorsError/Problem/missingTensor(_:)``.
  package func tensor(_ name: String) throws(SafetensorsError) -> TensorView {
    guard let info = header[name] else {
      throw SafetensorsError(.missingTensor(name), path: path)
    }
    return view(info)
  }

  /// - Precondition: `info` is one of ``tensors``.
  package func view(_ info: TensorInfo) -> TensorView {
    TensorView(info: info, bytes: UnsafeRawBufferPointer(rebasing: data[info.range]), file: self)
  }
}

/// Bytes that stay where they are.
private final class HeldBytes {
  let bytes: UnsafeRawBufferPointer

  init(_ content: [UInt8]) {
    let storage = UnsafeMutableRawBufferPointer.allocate(
      byteCount: content.count, alignment: 64)
    storage.copyBytes(from: content)
    bytes = UnsafeRawBufferPointer(storage)
  }

  deinit { bytes.deallocate() }
}
