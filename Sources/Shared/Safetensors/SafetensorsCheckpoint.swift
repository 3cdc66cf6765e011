// SPDX-License-Identifier: Apache-2.0
import Streams

/// The weights of a model: one file, or the shards that `model.safetensors.index.json` lists.
package final class SafetensorsCheckpoint: Sendable {
  package static let singleName = "model.safetensors"
  package static let indexName = "model.safetensors.index.json"

  package let path: String
  /// Tensor names in byte order.
  package let names: [String]
  private let files: [SafetensorsFile]
  private let places: [String: Int]

  /// Opens a folder, an index file, or a single safetensors file.
  package init(path: String) throws(SafetensorsError) {
    self.path = path
    var file = path
    if FileSystem.isDirectory(path) {
      file = "\(path)/\(Self.indexName)"
      if !FileSystem.exists(file) { file = "\(path)/\(Self.singleName)" }
      if !FileSystem.exists(file) { throw SafetensorsError(.noCheckpoint, path: path) }
    }
    if file.hasSuffix(".json") {
      let index = try Self.readIndex(file)
      files = index.files
      places = index.places
    } else {
      let single = try SafetensorsFile(path: file)
      files = [single]
      places = Dictionary(uniqueKeysWithValues: single.tensors.map { ($0.name, 0) })
    }
    names = places.keys.sorted(by: precedes)
  }

  /// The tensor `name`, or nil.
  package subscript(name: String) -> TensorView? {
    places[name].flatMap { files[$0][name] }
  }

  /// The tensor `name`.
  ///
  /// - Throws: ``SafetensorsError/Problem/missingTensor(_:)``.
  package func tensor(_ name: String) throws(SafetensorsError) -> TensorView {
    guard let view = self[name] else { throw SafetensorsError(.missingTensor(name), path: path) }
    return view
  }

  /// The digest by which adapters name this base model; reads at most 8 KiB a tensor.
  package func digest() -> String {
    let digest = TensorSetDigest(part: .edges)
    for name in names {
      guard let view = self[name] else { continue }
      digest.update(
        name: name, type: view.dtype.rawValue, shape: view.shape, bytes: view.bytes)
    }
    return digest.hexadecimal()
  }

  private static func readIndex(
    _ path: String
  ) throws(SafetensorsError) -> (files: [SafetensorsFile], places: [String: Int]) {
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    var files: [SafetensorsFile] = []
    var positions: [String: Int] = [:]
    var places: [String: Int] = [:]
    for (tensor, value) in try weightMap(path).members {
      // A shard lies beside its index: a name with a slash could point anywhere.
      guard let shard = value.text, !shard.contains("/"), shard.hasSuffix(".safetensors") else {
        throw SafetensorsError(
          .malformedIndex("weight_map \"\(tensor)\": expected the name of a .safetensors file"),
          path: path)
      }
      let position: Int
      if let known = positions[shard] {
        position = known
      } else {
        position = files.count
        files.append(try SafetensorsFile(path: folder + shard))
        positions[shard] = position
      }
      guard files[position].header[tensor] != nil else {
        throw SafetensorsError(.tensorNotInShard(tensor: tensor, shard: shard), path: path)
      }
      places[tensor] = position
    }
    return (files, places)
  }

  private static func weightMap(_ path: String) throws(SafetensorsError) -> JSONObject {
    let mapping: MappedFile
    do { mapping = try MappedFile(path: path) } catch {
      throw SafetensorsError(.stream(error), path: path)
    }
    guard mapping.bytes.count <= SafetensorsHeader.maximumBytes else {
      throw SafetensorsError(.malformedIndex("larger than any header may be"), path: path)
    }
    let value: JSONValue
    do { value = try JSONValue(parsing: mapping.bytes) } catch {
      throw SafetensorsError(.malformedIndex(error.message), path: path)
    }
    guard let map = value["weight_map"]?.object else {
      throw SafetensorsError(.malformedIndex("expected an object \"weight_map\""), path: path)
    }
    return map
  }
}
