// SPDX-License-Identifier: Apache-2.0
package import Safetensors
package import Streams

/// Opens adapters wherever they lie.
package enum AdapterReader {
  package static let configName = "adapter_config.json"
  package static let weightsName = "adapter_model.safetensors"
  /// No honest configuration comes near.
  private static let maximumConfigBytes = 1 << 24

  /// Opens a PEFT folder, a safetensors file with its configuration in the metadata, or a bare
  /// PEFT file with `adapter_config.json` beside it.
  ///
  /// In a folder `adapter_config.json` decides, as it does for PEFT; for a file its metadata does.
  package static func open(path: String) throws(AdapterError) -> AdapterFile {
    if FileSystem.isDirectory(path) {
      let folder = path.hasSuffix("/") ? String(path.dropLast()) : path
      let config = try config(at: "\(folder)/\(configName)")
      let file = try safetensors("\(folder)/\(weightsName)")
      return try AdapterFile(file, config: config, path: path)
    }
    let file = try safetensors(path)
    if file.metadata["adapter_config"] != nil { return try open(file) }
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    guard FileSystem.exists(folder + configName) else {
      throw AdapterError(.missingConfiguration, path: path)
    }
    return try AdapterFile(file, config: try config(at: folder + configName), path: path)
  }

  /// Reads an adapter into memory: ``open(path:)``, then its values.
  package static func read(path: String) throws(AdapterError) -> Adapter {
    try open(path: path).adapter()
  }

  /// An adapter whose configuration stands in its metadata.
  package static func open(_ file: SafetensorsFile) throws(AdapterError) -> AdapterFile {
    guard let text = file.metadata["adapter_config"] else {
      throw AdapterError(.missingConfiguration, path: file.path)
    }
    return try AdapterFile(
      file, config: try config(parsing: Array(text.utf8), path: file.path), path: file.path)
  }

  private static func safetensors(_ path: String) throws(AdapterError) -> SafetensorsFile {
    do { return try SafetensorsFile(path: path) } catch {
      throw AdapterError(.safetensors(error), path: path)
    }
  }

  private static func config(at path: String) throws(AdapterError) -> AdapterConfig {
    let mapping: MappedFile
    do { mapping = try MappedFile(path: path) } catch {
      throw AdapterError(.stream(error), path: path)
    }
    guard mapping.bytes.count <= maximumConfigBytes else {
      throw AdapterError(
        .malformedConfiguration("larger than \(maximumConfigBytes) bytes"), path: path)
    }
    return try config(parsing: Array(mapping.bytes), path: path)
  }

  private static func config(
    parsing json: [UInt8], path: String
  ) throws(AdapterError) -> AdapterConfig {
    do {
      return try json.withUnsafeBufferPointer { (bytes) throws(AdapterError.Problem) in
        try AdapterConfig(parsing: UnsafeRawBufferPointer(bytes))
      }
    } catch {
      throw AdapterError(error, path: path)
    }
  }
}

/// Adapters back to back on one pipe.
package final class AdapterStream {
  private let files: SafetensorsStream

  package init(_ source: InputSource) { files = SafetensorsStream(source) }

  /// The next file on the pipe, its adapter not yet looked at; nil at the end.
  ///
  /// Damage here ends the stream: where the next file starts is unknown.
  package func next() throws(AdapterError) -> SafetensorsFile? {
    do { return try files.next() } catch {
      throw AdapterError(.safetensors(error), path: error.path)
    }
  }
}
