// SPDX-License-Identifier: Apache-2.0
package import Streams

/// A float32 tensor to be written.
package struct GGUFOutputTensor: Sendable {
  package let name: String
  /// Row-major, the slowest axis first.
  package let shape: [Int]
  package let values: [Float]

  /// - Precondition: as many values as the shape says.
  package init(name: String, shape: [Int], values: [Float]) {
    precondition(shape.reduce(1, *) == values.count, "values do not fill the shape")
    self.name = name
    self.shape = shape
    self.values = values
  }
}

/// Writes GGUF files of version 3, little endian: keys and tensors in the order given.
package enum GGUFWriter {
  /// A metadata value.
  package enum Value: Sendable {
    case text(String)
    case float32(Float)
    case uint32(UInt32)
  }

  /// What readers assume where a file does not say it.
  static let alignment = 32

  /// Writes one whole file; the sink stays open.
  ///
  /// - Returns: the number of bytes.
  @discardableResult
  package static func write(
    metadata: [(key: String, value: Value)], tensors: [GGUFOutputTensor], to sink: OutputSink
  ) throws(StreamError) -> Int {
    var header = Bytes()
    header.values += Array("GGUF".utf8)
    header.append(UInt32(3))
    header.append(UInt64(tensors.count))
    header.append(UInt64(metadata.count))
    for (key, value) in metadata {
      header.append(key)
      header.append(value)
    }
    var offset = 0
    for tensor in tensors {
      header.append(tensor.name)
      header.append(UInt32(tensor.shape.count))
      for extent in tensor.shape.reversed() { header.append(UInt64(extent)) }
      header.append(GGMLType.f32.rawValue)
      header.append(UInt64(offset))
      offset += padded(4 * tensor.values.count)
    }
    header.pad()
    try sink.write(header.values)
    for tensor in tensors {
      try tensor.values.withUnsafeBufferPointer { (values) throws(StreamError) in
        try sink.write(UnsafeRawBufferPointer(values))
      }
      let size = 4 * tensor.values.count
      try sink.write([UInt8](repeating: 0, count: padded(size) - size))
    }
    return header.values.count + offset
  }

  private static func padded(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }

  private struct Bytes {
    var values: [UInt8] = []

    mutating func append<Number: FixedWidthInteger>(_ number: Number) {
      withUnsafeBytes(of: number.littleEndian) { values += $0 }
    }

    mutating func append(_ text: String) {
      append(UInt64(text.utf8.count))
      values += text.utf8
    }

    mutating func append(_ value: Value) {
      switch value {
      case .text(let text):
        append(GGUFValueType.string.rawValue)
        append(text)
      case .float32(let number):
        append(GGUFValueType.float32.rawValue)
        append(number.bitPattern)
      case .uint32(let number):
        append(GGUFValueType.uint32.rawValue)
        append(number)
      }
    }

    mutating func pad() {
      while values.count % GGUFWriter.alignment != 0 { values.append(0) }
    }
  }
}
