// SPDX-License-Identifier: Apache-2.0
import Compute
import GGUF
import Safetensors
import Streams

/// A base model on disk: its settings and its mapped tensors. Opening reads headers only.
package struct BaseModel: Sendable {
  /// The folder or the GGUF file.
  package let path: String
  package let config: DecoderConfig
  package let store: TensorStore
  /// `general.architecture` of this model's GGUF files.
  package let ggufArchitecture: String
  /// Its GGUF files keep the rows of q and k interleaved by pairs.
  package let ggufInterleavesHeads: Bool
  /// A GGUF file, not a folder.
  package let isGGUF: Bool
  private let digestOfFiles: @Sendable () -> String

  /// Opens a Hugging Face folder (config.json and safetensors, single or sharded) or a GGUF file.
  ///
  /// - Throws: ``ModelError``; tensors are checked when ``DecoderWeights`` takes them.
  package init(path: String) throws(ModelError) {
    if FileSystem.isDirectory(path) {
      try self.init(folder: path)
    } else if FileSystem.exists(path) {
      guard GGUFFile.isGGUF(path: path) else {
        throw .notAModel(path: path, reason: "expected a folder or a GGUF file")
      }
      try self.init(gguf: path)
    } else {
      throw .notAModel(path: path, reason: "no such file or folder")
    }
  }

  /// SHA-256 by which adapters name this base: names, types, shapes, and the first and last 4 KiB of
  /// each tensor.
  package func digest() -> String { digestOfFiles() }

  private init(folder: String) throws(ModelError) {
    let configPath = "\(folder)/config.json"
    guard FileSystem.exists(configPath) else {
      throw .notAModel(path: folder, reason: "the folder has no config.json")
    }
    var fields = ConfigFields(try Self.readObject(configPath), path: configPath)
    guard let modelType = try fields.text("model_type") else {
      throw fields.missing("model_type", "the name of a model family")
    }
    let family = try FamilyCatalog.family(modelType: modelType, path: configPath)
    let config = try family.decoder(&fields)
    try fields.refuseUnread()
    let checkpoint: SafetensorsCheckpoint
    do { checkpoint = try SafetensorsCheckpoint(path: folder) } catch { throw .safetensors(error) }
    var tensors: [StoredTensor] = []
    var foreignTensors: [StoredTensor] = []
    for name in checkpoint.names {
      guard let view = checkpoint[name] else { continue }
      guard let format = WeightFormat(rawValue: view.dtype.rawValue) else {
        throw .unsupportedType(path: folder, tensor: name, type: view.dtype.rawValue)
      }
      let decoderName = family.decoderName(of: name)
      let tensor = StoredTensor(
        name: decoderName ?? name, fileName: name, shape: view.shape, format: format,
        bytes: view.bytes)
      if decoderName == nil { foreignTensors.append(tensor) } else { tensors.append(tensor) }
    }
    self.path = folder
    isGGUF = false
    // llama.cpp's converter calls a family without an architecture of its own a Llama.
    ggufArchitecture = family.ggufArchitecture ?? "llama"
    ggufInterleavesHeads = family.ggufInterleavesHeads
    self.config = config
    store = try TensorStore(
      path: folder, tensors: tensors, foreignTensors: foreignTensors, owner: checkpoint)
    digestOfFiles = { checkpoint.digest() }
  }

  private init(gguf path: String) throws(ModelError) {
    let file: GGUFFile
    do { file = try GGUFFile(path: path) } catch { throw .gguf(error) }
    let settings = try GGUFSettings(file)
    let family = try FamilyCatalog.family(
      ggufArchitecture: settings.architecture, path: path)
    var object = settings.fields
    family.completeGGUF(&object)
    var fields = ConfigFields(object, path: path)
    let config = try family.decoder(&fields)
    try fields.refuseUnread()
    let tensors = try settings.tensors(
      headSize: config.headSize, interleavesHeads: family.ggufInterleavesHeads)
    self.path = path
    isGGUF = true
    self.config = config
    ggufArchitecture = settings.architecture
    ggufInterleavesHeads = family.ggufInterleavesHeads
    store = try TensorStore(
      path: path, tensors: tensors, normCorrection: -config.normOffset, owner: file)
    digestOfFiles = { file.digest() }
  }

  private static func readObject(_ path: String) throws(ModelError) -> JSONObject {
    let mapping: MappedFile
    do { mapping = try MappedFile(path: path) } catch { throw .stream(error) }
    let value: JSONValue
    do { value = try JSONValue(parsing: mapping.bytes) } catch {
      throw .badConfig(path: path, reason: error.message)
    }
    guard let object = value.object else {
      throw .badConfig(path: path, reason: "expected an object, found \(value.kind.rawValue)")
    }
    return object
  }
}
