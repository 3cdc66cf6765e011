// SPDX-License-Identifier: Apache-2.0
package import Adapters
package import Compute
import Glibc
package import Safetensors
import Streams

/// A base model with an adapter worked into its weights, as a Hugging Face folder of its own.
///
/// Each adapted weight becomes W + scale · B·A, with DoRA scaled to its magnitudes by rows; float32
/// arithmetic, rounded once to the type that is written. All other tensors, and the files beside them
/// (tokenizer, template, settings), stay as they are. Tensors are computed while they are written,
/// some rows at a time, so that memory does not grow with the model.
package struct MergedModel {
  /// Floats that are computed at a time.
  private static let pieceFloats = 1 << 20

  private let base: BaseModel
  private let adapter: Adapter
  private let modules: [String: LoRAModule]
  private let type: DType?
  private let loop: ParallelFor

  /// - Parameter type: of all matrices and vectors written; nil leaves each as it is.
  /// - Throws: ``ModelError/adapterMismatch(module:expected:found:)``, and
  ///   ``ModelError/notAModel(path:reason:)`` where the base model is no Hugging Face folder.
  package init(
    base: BaseModel, adapter: Adapter, type: DType? = nil, loop: ParallelFor
  ) throws(ModelError) {
    guard FileSystem.isDirectory(base.path) else {
      throw .notAModel(
        path: base.path, reason: "merging needs a Hugging Face folder, with its config.json")
    }
    self.base = base
    self.adapter = adapter
    self.type = type
    self.loop = loop
    var modules: [String: LoRAModule] = [:]
    for module in try LoRAModule.modules(of: adapter, config: base.config) {
      let name = base.config.modules[module.module].name
      modules["model.layers.\(module.layer).\(name).weight"] = module
    }
    self.modules = modules
  }

  /// Writes model.safetensors and the files beside it.
  ///
  /// - Returns: the paths of the files.
  /// - Throws: ``ModelError/stream(_:)``, ``ModelError/safetensors(_:)``,
  ///   ``ModelError/badConfig(path:reason:)``.
  package func write(to folder: String) throws(ModelError) -> [String] {
    let folder = folder.hasSuffix("/") && folder != "/" ? String(folder.dropLast()) : folder
    do { try FileSystem.createDirectory(folder) } catch { throw .stream(error) }
    if Self.isSame(folder, base.path) {
      throw .badConfig(path: folder, reason: "this is the base model's own folder")
    }
    var tensors: [OutputTensor] = []
    for tensor in base.store.tensors + base.store.foreignTensors {
      tensors.append(try output(tensor))
    }
    var written: [String] = []
    let path = "\(folder)/\(SafetensorsCheckpoint.singleName)"
    do {
      let weights = try OutputSink(path: path)
      do {
        try SafetensorsWriter.write(tensors, metadata: ["format": "pt"], to: weights)
      } catch { throw ModelError.safetensors(error) }
      written = try copyFiles(to: folder)
      try weights.close()
    } catch let error as StreamError {
      throw .stream(error)
    } catch let error as ModelError {
      throw error
    } catch {
      throw .badConfig(path: folder, reason: "\(error)")
    }
    return written + [path]
  }

  // MARK: Tensors

  private func output(_ tensor: StoredTensor) throws(ModelError) -> OutputTensor {
    let stored = DType(rawValue: tensor.format.rawValue)
    guard let stored else {
      throw .unsupportedType(path: base.path, tensor: tensor.fileName, type: tensor.format.rawValue)
    }
    let module = modules[tensor.name]
    let target = type ?? stored
    let columns = tensor.shape.last ?? 1
    let rows = tensor.shape.dropLast().reduce(1, *)
    let matrix = HostMatrix(
      rows: rows, columns: columns, format: tensor.format, order: tensor.order,
      bytes: tensor.bytes)
    let update = module.flatMap { module in
      adapter[module.path].map { RowUpdate(module, $0) }
    }
    let height = max(1, Self.pieceFloats / max(1, columns))
    let isCopied = update == nil && target == stored
    let loop = loop
    return OutputTensor(
      name: tensor.fileName, dtype: target, shape: tensor.shape,
      pieces: (rows + height - 1) / height
    ) { piece in
      let range = piece * height..<min(rows, (piece + 1) * height)
      if isCopied {
        let size = columns * target.byteCount
        return Array(tensor.bytes[range.lowerBound * size..<range.upperBound * size])
      }
      return Self.piece(matrix, range, update, as: target, on: loop)
    }
  }

  /// Rows of a matrix, updated, in the bytes of `type`.
  private static func piece(
    _ matrix: HostMatrix, _ rows: Range<Int>, _ update: RowUpdate?, as type: DType,
    on loop: ParallelFor
  ) -> [UInt8] {
    let rowBytes = matrix.columns * type.byteCount
    return [UInt8](unsafeUninitializedCapacity: rows.count * rowBytes) { bytes, count in
      let start = UnsafeMutableRawPointer(bytes.baseAddress)
      loop.chunks(of: rows.count, by: 8) { part in
        for row in part {
          var values = matrix.floats(row: rows.lowerBound + row)
          update?.apply(to: &values, row: rows.lowerBound + row)
          if let start { encode(values, as: type, to: start + row * rowBytes) }
        }
      }
      count = rows.count * rowBytes
    }
  }

  private static func encode(_ values: [Float], as type: DType, to out: UnsafeMutableRawPointer) {
    switch type {
    case .float16:
      for (index, value) in values.enumerated() {
        out.storeBytes(of: Float16(value).bitPattern, toByteOffset: 2 * index, as: UInt16.self)
      }
    case .bfloat16:
      for (index, value) in values.enumerated() {
        out.storeBytes(of: bfloat16(value), toByteOffset: 2 * index, as: UInt16.self)
      }
    default:
      values.withUnsafeBytes { if let bytes = $0.baseAddress { out.copyMemory(from: bytes, byteCount: $0.count) } }
    }
  }

  /// Rounded to the nearest, ties to even; NaN stays NaN.
  static func bfloat16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
  }

  // MARK: Files

  /// Copies what lies beside the weights: everything but weights of any format.
  private func copyFiles(to folder: String) throws -> [String] {
    let weights = [
      ".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".gguf", ".pt", ".pth",
      ".h5", ".msgpack", ".onnx",
    ]
    var written: [String] = []
    for name in try FileSystem.entries(of: base.path).sorted() where !name.hasPrefix(".") {
      let source = "\(base.path)/\(name)"
      if !FileSystem.isRegularFile(source) || weights.contains(where: name.hasSuffix) { continue }
      let content = try MappedFile(path: source)
      let sink = try OutputSink(path: "\(folder)/\(name)")
      if name == "config.json", let type {
        try sink.write(try Self.settings(content, type: type))
      } else {
        try sink.write(content.bytes)
      }
      try sink.close()
      written.append(sink.name)
    }
    return written
  }

  /// config.json with the type of the weights written.
  private static func settings(_ file: MappedFile, type: DType) throws -> [UInt8] {
    guard case .object(var settings) = try JSONValue(parsing: file.bytes) else {
      throw ModelError.badConfig(path: file.path, reason: "expected an object")
    }
    let name =
      switch type {
      case .float16: "float16"
      case .bfloat16: "bfloat16"
      default: "float32"
      }
    settings[settings["dtype"] == nil ? "torch_dtype" : "dtype"] = .string(name)
    var writer = JSONWriter()
    writer.value(.object(settings))
    writer.newline()
    return writer.bytes
  }

  private static func isSame(_ first: String, _ second: String) -> Bool {
    var (a, b) = (stat(), stat())
    return stat(first, &a) == 0 && stat(second, &b) == 0 && a.st_dev == b.st_dev
      && a.st_ino == b.st_ino
  }
}

/// What an adapter does to one row of a weight.
private struct RowUpdate: Sendable {
  private let module: LoRAModule
  private let factors: AdapterModule

  init(_ module: LoRAModule, _ factors: AdapterModule) {
    self.module = module
    self.factors = factors
  }

  func apply(to values: inout [Float], row: Int) {
    var update = [Float](repeating: 0, count: values.count)
    for r in 0..<module.rank {
      let b = factors.loraB[row * module.rank + r]
      let start = r * module.inputs
      for column in 0..<values.count { update[column] += b * factors.loraA[start + column] }
    }
    for column in 0..<values.count { values[column] += module.scale * update[column] }
    guard let magnitude = factors.magnitude?[row] else { return }
    let norm = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    let gain = norm > 0 ? Float(Double(magnitude) / norm) : 0
    for column in 0..<values.count { values[column] *= gain }
  }
}
