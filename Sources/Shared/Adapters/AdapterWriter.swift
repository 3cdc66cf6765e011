// SPDX-License-Identifier: Apache-2.0
import Safetensors
package import Streams

/// Writes adapters: as one safetensors file, or as PEFT's pair of files in a folder.
package enum AdapterWriter {
  /// What was written.
  package struct Result: Sendable {
    /// Paths of the files; empty for standard output.
    package let files: [String]
    /// Size of the safetensors file.
    package let byteCount: Int
  }

  /// Whether `path` means a folder: it ends with a slash, or is one.
  package static func isFolder(_ path: String) -> Bool {
    path.hasSuffix("/") || FileSystem.isDirectory(path)
  }

  /// Writes to a file, to standard output (`-`), or to a folder (see ``isFolder(_:)``), which is
  /// made where it is missing. Each file appears whole or not at all.
  @discardableResult
  package static func write(
    _ adapter: Adapter, to path: String, as encoding: AdapterEncoding = .float32
  ) throws(AdapterError) -> Result {
    guard isFolder(path) else {
      let sink = try attempt(path) { () throws(StreamError) in try OutputSink(path: path) }
      let count = try write(adapter, to: sink, as: encoding)
      try attempt(path) { () throws(StreamError) in try sink.close() }
      return Result(files: path == "-" ? [] : [path], byteCount: count)
    }
    let folder = path.hasSuffix("/") && path != "/" ? String(path.dropLast()) : path
    let (config, weights) = try attempt(path) { () throws(StreamError) in
      try FileSystem.createDirectory(folder)
      return (
        try OutputSink(path: "\(folder)/\(AdapterReader.configName)"),
        try OutputSink(path: "\(folder)/\(AdapterReader.weightsName)")
      )
    }
    let count = try write(adapter, to: weights, as: encoding)
    try attempt(path) { () throws(StreamError) in
      try config.write(adapter.describedConfig.jsonLines)
      try config.close()
      try weights.close()
    }
    return Result(files: [config.name, weights.name], byteCount: count)
  }

  private static func attempt<Value>(
    _ path: String, _ body: () throws(StreamError) -> Value
  ) throws(AdapterError) -> Value {
    do { return try body() } catch { throw AdapterError(.stream(error), path: path) }
  }

  /// Writes one safetensors file to `sink`, which stays open.
  ///
  /// - Returns: the number of bytes.
  @discardableResult
  package static func write(
    _ adapter: Adapter, to sink: OutputSink, as encoding: AdapterEncoding = .float32
  ) throws(AdapterError) -> Int {
    do {
      return try SafetensorsWriter.write(
        adapter.tensors(as: encoding), metadata: metadata(of: adapter, encoding), to: sink)
    } catch {
      throw AdapterError(.safetensors(error), path: sink.name)
    }
  }

  /// Size of the safetensors file that ``write(_:to:)`` makes.
  package static func byteCount(
    _ adapter: Adapter, as encoding: AdapterEncoding = .float32
  ) throws(AdapterError) -> Int {
    do {
      return try SafetensorsWriter.byteCount(
        adapter.tensors(as: encoding), metadata: metadata(of: adapter, encoding))
    } catch {
      throw AdapterError(.safetensors(error), path: "")
    }
  }

  private static func metadata(
    of adapter: Adapter, _ encoding: AdapterEncoding
  ) -> [String: String] {
    var metadata = ["format": "pt", "adapter_config": adapter.describedConfig.json]
    if encoding == .int8 { metadata[AdapterEncoding.metadataKey] = encoding.rawValue }
    metadata["cl"] = adapter.provenance?.json
    return metadata
  }
}
