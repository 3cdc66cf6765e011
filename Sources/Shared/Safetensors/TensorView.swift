// SPDX-License-Identifier: Apache-2.0

/// One tensor of an open file: what it is and its bytes.
///
/// The view keeps the file mapped. The bytes need not be aligned.
package struct TensorView: @unchecked Sendable {
  package let info: TensorInfo
  package let bytes: UnsafeRawBufferPointer
  /// The file whose bytes these are.
  package let file: SafetensorsFile

  package var name: String { info.name }
  package var dtype: DType { info.dtype }
  package var shape: [Int] { info.shape }
  package var elementCount: Int { info.elementCount }

  /// The values as float32; F16 and BF16 exactly, F64 rounded.
  ///
  /// - Throws: ``SafetensorsError/Problem/unsupportedConversion(tensor:dtype:)`` for other types.
  package func floats() throws(SafetensorsError) -> [Float] {
    guard dtype.isFloatingPoint else { throw unsupported }
    return [Float](unsafeUninitializedCapacity: elementCount) { values, count in
      copyFloats(from: 0, into: values)
      count = elementCount
    }
  }

  /// Converts the `values.count` values from element `first` on; `values` need not be initialised.
  ///
  /// - Precondition: the type is a floating point type and the elements exist.
  package func copyFloats(from first: Int, into values: UnsafeMutableBufferPointer<Float>) {
    precondition(dtype.isFloatingPoint, "not a floating point tensor")
    precondition(first >= 0 && values.count <= elementCount - first, "elements outside tensor")
    guard let target = values.baseAddress, let base = bytes.baseAddress else { return }
    let source = base + first * dtype.byteCount
    let count = values.count
    switch dtype {
    case .float32: UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: count * 4)
    case .float16:
      for index in 0..<count {
        let bits = source.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self)
        (target + index).initialize(to: Float(Float16(bitPattern: bits)))
      }
    case .bfloat16:
      for index in 0..<count {
        let bits = source.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self)
        (target + index).initialize(to: Float(bitPattern: UInt32(bits) &<< 16))
      }
    default:
      for index in 0..<count {
        let value = source.loadUnaligned(fromByteOffset: index &* 8, as: Double.self)
        (target + index).initialize(to: Float(value))
      }
    }
  }

  /// The values of an integer tensor.
  ///
  /// - Throws: ``SafetensorsError/Problem/unsupportedConversion(tensor:dtype:)`` for other
  ///   types, U64 among them.
  package func integers() throws(SafetensorsError) -> [Int] {
    switch dtype {
    case .int64: return load(Int64.self)
    case .int32: return load(Int32.self)
    case .int16: return load(Int16.self)
    case .int8: return load(Int8.self)
    case .uint32: return load(UInt32.self)
    case .uint16: return load(UInt16.self)
    case .uint8, .bool: return load(UInt8.self)
    default: throw unsupported
    }
  }

  private var unsupported: SafetensorsError {
    SafetensorsError(.unsupportedConversion(tensor: name, dtype: dtype), path: file.path)
  }

  private func load<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type) -> [Int] {
    (0..<elementCount).map {
      Int(
        Value(
          littleEndian: bytes.loadUnaligned(
            fromByteOffset: $0 * MemoryLayout<Value>.size, as: Value.self)))
    }
  }
}
