// SPDX-License-Identifier: Apache-2.0
package import Safetensors
import Streams

/// A LoRA adapter as it lies in a file: checked names, shapes, ranks and configuration, values not
/// yet read. What aggregation works on, so that many adapters cost no memory.
package struct AdapterFile: Sendable {
  /// The two factors of one module.
  package struct Module: Sendable {
    package let path: String
    package let rank: Int
    package let inputSize: Int
    package let outputSize: Int
    package let alpha: Double
    /// The factor before B·A.
    package let scale: Double
    /// [rank, in].
    package let loraA: TensorView
    /// [out, rank].
    package let loraB: TensorView
    /// [out]; nil without DoRA.
    package let magnitude: TensorView?

    /// All tensors of the module.
    package var views: [TensorView] { [loraA, loraB] + [magnitude].compactMap(\.self) }
  }

  /// The file or folder as the user named it, or `(standard input) #n`.
  package let path: String
  package let config: AdapterConfig
  package let provenance: AdapterProvenance?
  /// In the byte order of their paths.
  package let modules: [Module]
  /// Size of the safetensors file.
  package let byteCount: Int

  /// Checks the tensors of `file` against `config`.
  package init(
    _ file: SafetensorsFile, config: AdapterConfig, path: String
  ) throws(AdapterError) {
    self.path = path
    byteCount = file.byteCount
    do {
      provenance = try file.metadata["cl"].map { (text) throws(AdapterError.Problem) in
        try AdapterProvenance(parsing: Array(text.utf8))
      }
      modules = try Self.modules(of: file, config: config)
      self.config = config.describing(modules.map(\.path))
    } catch {
      throw AdapterError(error, path: path)
    }
  }

  private static func modules(
    of file: SafetensorsFile, config: AdapterConfig
  ) throws(AdapterError.Problem) -> [Module] {
    var modules: [Module] = []
    let matcher = try ModuleMatcher(config)
    for info in file.tensors {
      guard let (path, factor) = AdapterNaming.parse(info.name) else {
        throw .unsupportedTensor(info.name)
      }
      let a = AdapterNaming.tensorName(path, .a)
      let b = AdapterNaming.tensorName(path, .b)
      guard let loraA = file[a] else { throw .missingTensor(a) }
      guard let loraB = file[b] else { throw .missingTensor(b) }
      if factor == .magnitude, !config.isDecomposed { throw .unsupportedTensor(info.name) }
      if factor == .a {
        modules.append(
          try module(
            path, loraA, loraB, file[AdapterNaming.tensorName(path, .magnitude)], config: config,
            matcher))
      }
    }
    if modules.isEmpty { throw .empty }
    return modules.sorted { precedes($0.path, $1.path) }
  }

  private static func module(
    _ path: String, _ loraA: TensorView, _ loraB: TensorView, _ magnitude: TensorView?,
    config: AdapterConfig, _ matcher: ModuleMatcher
  ) throws(AdapterError.Problem) -> Module {
    for view in [loraA, loraB] {
      guard view.shape.count == 2, view.elementCount > 0 else {
        throw .invalidShape(tensor: view.name, shape: view.shape)
      }
    }
    if config.isDecomposed {
      guard let magnitude else {
        throw .missingTensor(AdapterNaming.tensorName(path, .magnitude))
      }
      guard magnitude.shape == [loraB.shape[0]] else {
        throw .invalidShape(tensor: magnitude.name, shape: magnitude.shape)
      }
    }
    for view in [loraA, loraB] + [magnitude].compactMap(\.self) {
      guard view.dtype.isFloatingPoint else {
        throw .safetensors(
          SafetensorsError(
            .unsupportedConversion(tensor: view.name, dtype: view.dtype), path: view.file.path))
      }
    }
    guard matcher.isTarget(path) else { throw .untargetedModule(path) }
    let rank = matcher.rank(of: path)
    guard loraA.shape[0] == rank else {
      throw .rankMismatch(module: path, found: loraA.shape[0], expected: rank)
    }
    guard loraB.shape[1] == rank else {
      throw .rankMismatch(module: path, found: loraB.shape[1], expected: rank)
    }
    let alpha = matcher.alpha(of: path)
    return Module(
      path: path, rank: rank, inputSize: loraA.shape[1], outputSize: loraB.shape[0],
      alpha: alpha, scale: config.scale(rank: rank, alpha: alpha), loraA: loraA, loraB: loraB,
      magnitude: magnitude)
  }

  /// Fails at the first NaN or infinity.
  ///
  /// - Throws: ``AdapterError/Problem/notFinite(tensor:index:)``.
  package func checkFinite() throws(AdapterError) {
    for module in modules {
      for view in module.views {
        if let index = Self.firstNonFinite(view) {
          throw AdapterError(.notFinite(tensor: view.name, index: index), path: path)
        }
      }
    }
  }

  private static func firstNonFinite(_ view: TensorView) -> Int? {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 4096) { buffer in
      var first = 0
      while first < view.elementCount {
        let count = min(buffer.count, view.elementCount - first)
        let chunk = UnsafeMutableBufferPointer(rebasing: buffer[..<count])
        view.copyFloats(from: first, into: chunk)
        // An exponent of all ones is NaN or infinity; one `or` a value keeps the loop in vectors.
        var found: UInt32 = 0
        for value in chunk {
          found |= value.bitPattern & 0x7f80_0000 == 0x7f80_0000 ? 1 : 0
        }
        if found != 0, let index = chunk.firstIndex(where: { !$0.isFinite }) {
          return first + index
        }
        first += count
      }
      return nil
    }
  }

  /// The values as float32.
  ///
  /// - Throws: ``AdapterError/Problem/notFinite(tensor:index:)``.
  package func adapter() throws(AdapterError) -> Adapter {
    try checkFinite()
    var loaded: [AdapterModule] = []
    do {
      for module in modules {
        loaded.append(
          AdapterModule(
            path: module.path, rank: module.rank, inputSize: module.inputSize,
            outputSize: module.outputSize, alpha: module.alpha,
            loraA: try module.loraA.floats(), loraB: try module.loraB.floats(),
            magnitude: try module.magnitude?.floats()))
      }
    } catch {
      throw AdapterError(.safetensors(error), path: path)
    }
    return Adapter(config: config, modules: loaded, provenance: provenance)
  }

  /// Same as ``Adapter/digest()`` of the values.
  package func digest() -> String {
    let digest = TensorSetDigest(part: .whole)
    let views = modules.flatMap(\.views).sorted { precedes($0.name, $1.name) }
    for view in views {
      if view.dtype == .float32 {
        digest.update(
          name: view.name, type: view.dtype.rawValue, shape: view.shape, bytes: view.bytes)
      } else if let values = try? view.floats() {
        values.withUnsafeBytes {
          digest.update(
            name: view.name, type: DType.float32.rawValue, shape: view.shape, bytes: $0)
        }
      }
    }
    return digest.hexadecimal()
  }
}
