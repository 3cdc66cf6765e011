// SPDX-License-Identifier: Apache-2.0
package import Compute

/// A tensor as it lies in a mapped file, under the name that Hugging Face gives it.
package struct StoredTensor: @unchecked Sendable {
  package let name: String
  /// What the file itself calls it.
  package let fileName: String
  /// Row-major: a linear map is [outputs, inputs].
  package let shape: [Int]
  package let format: WeightFormat
  package let order: RowOrder
  package let bytes: UnsafeRawBufferPointer

  /// - Parameter fileName: by default `name`.
  package init(
    name: String, fileName: String? = nil, shape: [Int], format: WeightFormat,
    order: RowOrder = .natural, bytes: UnsafeRawBufferPointer
  ) {
    self.name = name
    self.fileName = fileName ?? name
    self.shape = shape
    self.format = format
    self.order = order
    self.bytes = bytes
  }
}

/// The tensors of an opened model, whatever files they lie in. The bytes stay mapped as long as the
/// store lives.
package struct TensorStore: Sendable {
  package let path: String
  /// In the order of their names' bytes.
  package let tensors: [StoredTensor]
  /// Those of parts of the model that write nothing, such as one that sees.
  package let foreignTensors: [StoredTensor]
  /// What is added to stored norm weights besides a family's own offset: -1 where the file holds
  /// 1 + w and the family's offset is 1.
  package let normCorrection: Float
  private let places: [String: Int]
  /// Keeps the bytes mapped.
  private let owner: any AnyObject & Sendable

  package init(
    path: String, tensors: [StoredTensor], foreignTensors: [StoredTensor] = [],
    normCorrection: Float = 0, owner: any AnyObject & Sendable
  ) throws(ModelError) {
    self.path = path
    self.foreignTensors = foreignTensors
    self.tensors = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    self.normCorrection = normCorrection
    self.owner = owner
    var places: [String: Int] = [:]
    for (index, tensor) in self.tensors.enumerated() {
      if places.updateValue(index, forKey: tensor.name) != nil {
        throw .duplicateTensor(path: path, name: tensor.name)
      }
    }
    self.places = places
  }

  /// Bytes of all tensors that the decoder reads.
  package var byteCount: Int { tensors.reduce(0) { $0 + $1.bytes.count } }

  package subscript(name: String) -> StoredTensor? { places[name].map { tensors[$0] } }

  /// The tensor `name`, which must have this shape.
  package func tensor(_ name: String, shape: [Int]) throws(ModelError) -> StoredTensor {
    guard let tensor = self[name] else { throw .missingTensor(path: path, name: name) }
    guard tensor.shape == shape else {
      throw .wrongShape(path: path, tensor: name, expected: shape, found: tensor.shape)
    }
    return tensor
  }

  /// The matrix `name` of `rows` outputs and `columns` inputs.
  package func matrix(_ name: String, rows: Int, columns: Int) throws(ModelError) -> HostMatrix {
    let tensor = try tensor(name, shape: [rows, columns])
    return HostMatrix(
      rows: rows, columns: columns, format: tensor.format, order: tensor.order,
      bytes: tensor.bytes)
  }

  /// The vector `name` as float32, in matrix (not file) order.
  package func vector(_ name: String, count: Int) throws(ModelError) -> [Float] {
    let tensor = try tensor(name, shape: [count])
    let bytes = tensor.bytes
    let values: [Float]
    switch tensor.format {
    case .float32:
      values = (0..<count).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    case .float16:
      values = (0..<count).map {
        let bits = bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)
        return Float(Float16(bitPattern: bits))
      }
    case .bfloat16:
      values = (0..<count).map {
        let bits = bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)
        return Float(bitPattern: UInt32(bits) << 16)
      }
    default:
      throw .unsupportedType(path: path, tensor: name, type: tensor.format.rawValue)
    }
    return (0..<count).map { values[tensor.order.fileRow(of: $0)] }
  }
}
