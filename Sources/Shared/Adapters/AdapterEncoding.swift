// SPDX-License-Identifier: Apache-2.0
import Safetensors
import Streams

/// How an adapter's values are written. Whatever is not float32 loses something, and says how much.
package enum AdapterEncoding: String, Sendable, CaseIterable {
  case float32 = "f32"
  /// Half precision; PEFT and vLLM load it. Relative error up to 2⁻¹¹.
  case float16 = "f16"
  /// Relative error up to 2⁻⁸; PEFT and vLLM load it.
  case bfloat16 = "bf16"
  /// 64 values in a row share a scale, error up to 1/254 of the largest of them. For our own tools.
  case int8 = "int8"

  /// Values that share a scale.
  static let block = 64
  /// Names of the scales: the tensor's own and this.
  static let scaleSuffix = ".scale"
  static let metadataKey = "cl_encoding"

  /// The values as they are read back; an infinity where one is beyond the type.
  func rounded(_ values: [Float]) -> [Float] {
    switch self {
    case .float32: values
    case .float16: values.map { Float(Float16($0)) }
    case .bfloat16: values.map { Float(bitPattern: UInt32(Self.bfloat16($0)) << 16) }
    case .int8: Self.restored(Self.quantized(values))
    }
  }

  private static func restored(_ quantized: (codes: [Int8], scales: [Float])) -> [Float] {
    quantized.codes.indices.map { Float(quantized.codes[$0]) * quantized.scales[$0 / block] }
  }

  /// What is written for one tensor.
  func tensors(_ name: String, _ shape: [Int], _ values: [Float]) -> [OutputTensor] {
    func words(_ bits: (Float) -> UInt16) -> [UInt8] {
      values.flatMap { value in
        let word = bits(value)
        return [UInt8(truncatingIfNeeded: word), UInt8(truncatingIfNeeded: word >> 8)]
      }
    }
    switch self {
    case .float32: return [OutputTensor(name: name, shape: shape, floats: values)]
    case .float16:
      return [
        OutputTensor(
          name: name, dtype: .float16, shape: shape, bytes: words { Float16($0).bitPattern })
      ]
    case .bfloat16:
      return [
        OutputTensor(name: name, dtype: .bfloat16, shape: shape, bytes: words(Self.bfloat16))
      ]
    case .int8:
      let (codes, scales) = Self.quantized(values)
      return [
        OutputTensor(
          name: name, dtype: .int8, shape: shape, bytes: codes.map { UInt8(bitPattern: $0) }),
        OutputTensor(name: name + Self.scaleSuffix, shape: [scales.count], floats: scales),
      ]
    }
  }

  /// Round to nearest, ties to even.
  private static func bfloat16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
    let (rounded, overflow) = bits.addingReportingOverflow(0x7fff + (bits >> 16 & 1))
    return UInt16(truncatingIfNeeded: (overflow ? bits : rounded) >> 16)
  }

  private static func quantized(_ values: [Float]) -> (codes: [Int8], scales: [Float]) {
    var codes: [Int8] = []
    var scales: [Float] = []
    codes.reserveCapacity(values.count)
    for start in stride(from: 0, to: values.count, by: block) {
      let part = values[start..<min(start + block, values.count)]
      let largest = part.reduce(Float(0)) { max($0, $1.magnitude) }
      // 17 bits, rounded up: 127 of it are exact, so that a second round loses nothing more.
      let scale = Float(bitPattern: ((largest / 127).bitPattern + 0x7f) & ~0x7f)
      scales.append(scale)
      for value in part {
        let code = scale > 0 ? (value / scale).rounded(.toNearestOrEven) : 0
        codes.append(Int8(exactly: min(127, max(-127, code))) ?? 0)
      }
    }
    return (codes, scales)
  }

  /// A file whose int8 tensors are float32 again; the file itself if it has none.
  ///
  /// - Throws: ``AdapterError/Problem/missingTensor(_:)`` without scales of the right number,
  ///   ``AdapterError/Problem/notFinite(tensor:index:)`` for scales that are none.
  static func decoded(_ file: SafetensorsFile) throws(AdapterError.Problem) -> SafetensorsFile {
    guard file.metadata[metadataKey] == AdapterEncoding.int8.rawValue else { return file }
    var tensors: [OutputTensor] = []
    do {
      for info in file.tensors where !info.name.hasSuffix(scaleSuffix) {
        let view = file.view(info)
        guard view.dtype == .int8 else {
          throw AdapterError.Problem.unsupportedTensor(info.name)
        }
        guard let scale = file[info.name + scaleSuffix],
          scale.elementCount == (view.elementCount + block - 1) / block,
          scale.dtype.isFloatingPoint
        else { throw AdapterError.Problem.missingTensor(info.name + scaleSuffix) }
        let scales = try scale.floats()
        if let index = scales.firstIndex(where: { !$0.isFinite }) {
          throw AdapterError.Problem.notFinite(tensor: scale.name, index: index)
        }
        let codes = try view.integers()
        tensors.append(
          OutputTensor(
            name: info.name, shape: info.shape,
            floats: codes.indices.map { Float(codes[$0]) * scales[$0 / block] }))
      }
      return try SafetensorsFile(
        path: file.path, tensors: tensors, metadata: file.metadata)
    } catch let error as SafetensorsError {
      throw .safetensors(error)
    } catch let error as AdapterError.Problem {
      throw error
    } catch {
      throw .empty
    }
  }
}

extension Adapter {
  /// The values as `encoding` gives them back.
  package func rounded(to encoding: AdapterEncoding) -> Adapter {
    var result = self
    for (index, module) in modules.enumerated() {
      result.setFactors(
        index, loraA: encoding.rounded(module.loraA), loraB: encoding.rounded(module.loraB))
      if let magnitude = module.magnitude {
        result.setMagnitude(index, encoding.rounded(magnitude))
      }
    }
    return result
  }
}
