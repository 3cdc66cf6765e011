// SPDX-License-Identifier: Apache-2.0
package import Streams

/// A tensor to be written.
package struct OutputTensor: Sendable {
  package let name: String
  package let dtype: DType
  package let shape: [Int]
  let content: Content

  enum Content: Sendable {
    case floats([Float])
    case bytes([UInt8])
    case pieces(Pieces)
  }

  /// Made on demand, from one thread at a time.
  struct Pieces: @unchecked Sendable {
    let count: Int
    let byteCount: Int
    let make: (Int) -> [UInt8]
  }

  /// An F32 tensor.
  package init(name: String, shape: [Int], floats: [Float]) {
    self.name = name
    dtype = .float32
    self.shape = shape
    content = .floats(floats)
  }

  /// A tensor of any type from its little-endian bytes.
  package init(name: String, dtype: DType, shape: [Int], bytes: [UInt8]) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    content = .bytes(bytes)
  }

  /// A tensor whose bytes are made while it is written: `pieces` parts, one after the other.
  ///
  /// - Parameter make: the bytes of part `0 ..< pieces`, all together as many as the shape says.
  package init(
    name: String, dtype: DType, shape: [Int], pieces: Int, make: @escaping (Int) -> [UInt8]
  ) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    content = .pieces(
      Pieces(count: pieces, byteCount: shape.reduce(dtype.byteCount, *), make: make))
  }

  package var byteCount: Int {
    switch content {
    case .floats(let values): values.count * 4
    case .bytes(let values): values.count
    case .pieces(let pieces): pieces.byteCount
    }
  }

  /// Calls `body` with the tensor's bytes, several times where they are made in pieces.
  package func withBytes<Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    switch content {
    case .floats(let values):
      try values.withUnsafeBufferPointer { (buffer) throws(Failure) in
        try body(UnsafeRawBufferPointer(buffer))
      }
    case .bytes(let values):
      try values.withUnsafeBufferPointer { (buffer) throws(Failure) in
        try body(UnsafeRawBufferPointer(buffer))
      }
    case .pieces(let pieces):
      for index in 0..<pieces.count {
        let values = pieces.make(index)
        try values.withUnsafeBufferPointer { (buffer) throws(Failure) in
          try body(UnsafeRawBufferPointer(buffer))
        }
      }
    }
  }
}

/// Writes safetensors files whose bytes depend on names and contents only.
///
/// Tensors stand in the order of element size (largest first, so that each is aligned), then name;
/// metadata keys are sorted; the header is padded with spaces to a multiple of 8.
package enum SafetensorsWriter {
  /// Writes one whole file; the sink stays open.
  ///
  /// - Returns: the number of bytes written.
  /// - Throws: ``SafetensorsError/Problem/duplicateTensor(_:)``,
  ///   ``SafetensorsError/Problem/sizeMismatch(tensor:shape:dtype:bytes:)``, and what writing throws.
  @discardableResult
  package static func write(
    _ tensors: [OutputTensor], metadata: [String: String], to sink: OutputSink
  ) throws(SafetensorsError) -> Int {
    let ordered = ordered(tensors)
    let header = try headerBytes(ordered, metadata: metadata, path: sink.name)
    var total = header.count
    do throws(StreamError) {
      var pieces = PieceWriter(sink)
      try header.withUnsafeBufferPointer { (bytes) throws(StreamError) in
        try pieces.write(UnsafeRawBufferPointer(bytes))
      }
      for tensor in ordered {
        try tensor.withBytes { (bytes) throws(StreamError) in try pieces.write(bytes) }
        total += tensor.byteCount
      }
      try pieces.finish()
    } catch {
      throw SafetensorsError(.stream(error), path: sink.name)
    }
    return total
  }

  /// The bytes of one whole file.
  static func bytes(
    _ tensors: [OutputTensor], metadata: [String: String], path: String
  ) throws(SafetensorsError) -> [UInt8] {
    let ordered = ordered(tensors)
    var bytes = try headerBytes(ordered, metadata: metadata, path: path)
    for tensor in ordered { tensor.withBytes { bytes.append(contentsOf: $0) } }
    return bytes
  }

  /// The number of bytes that ``write(_:metadata:to:)`` would write.
  package static func byteCount(
    _ tensors: [OutputTensor], metadata: [String: String]
  ) throws(SafetensorsError) -> Int {
    let header = try headerBytes(ordered(tensors), metadata: metadata, path: "")
    return tensors.reduce(header.count) { $0 + $1.byteCount }
  }

  private static func ordered(_ tensors: [OutputTensor]) -> [OutputTensor] {
    tensors.sorted {
      $0.dtype.byteCount != $1.dtype.byteCount
        ? $0.dtype.byteCount > $1.dtype.byteCount : precedes($0.name, $1.name)
    }
  }

  private static func headerBytes(
    _ ordered: [OutputTensor], metadata: [String: String], path: String
  ) throws(SafetensorsError) -> [UInt8] {
    var names: Set<String> = []
    for tensor in ordered {
      if !names.insert(tensor.name).inserted {
        throw SafetensorsError(.duplicateTensor(tensor.name), path: path)
      }
      let bytes = tensor.shape.reduce(tensor.dtype.byteCount) {
        let (product, overflow) = $0.multipliedReportingOverflow(by: $1)
        return overflow ? -1 : product
      }
      guard bytes == tensor.byteCount else {
        throw SafetensorsError(
          .sizeMismatch(
            tensor: tensor.name, shape: tensor.shape, dtype: tensor.dtype,
            bytes: tensor.byteCount),
          path: path)
      }
    }
    var writer = JSONWriter()
    var offset = 0
    writer.object { writer in
      if !metadata.isEmpty {
        writer.object("__metadata__") { writer in
          for key in metadata.keys.sorted(by: precedes) {
            writer.field(key, metadata[key] ?? "")
          }
        }
      }
      for tensor in ordered {
        writer.object(tensor.name) {
          $0.field("dtype", tensor.dtype.rawValue)
          $0.field("shape", tensor.shape)
          $0.field("data_offsets", [offset, offset + tensor.byteCount])
        }
        offset += tensor.byteCount
      }
    }
    var json = writer.bytes
    while json.count % 8 != 0 { json.append(UInt8(ascii: " ")) }
    let length = UInt64(json.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * UInt64($0))) } + json
  }
}

/// Hands bytes on in pieces of 2 MiB from the start of the file on. Linux then keeps the file in huge pages
/// of its cache, and who maps it, such as cl-aggregate, takes one page fault for each instead of 512.
private struct PieceWriter {
  private static let pieceBytes = 1 << 21
  private let sink: OutputSink
  private var piece: [UInt8] = []

  init(_ sink: OutputSink) { self.sink = sink }

  mutating func write(_ bytes: UnsafeRawBufferPointer) throws(StreamError) {
    var rest = bytes[...]
    if !piece.isEmpty {
      let missing = min(Self.pieceBytes - piece.count, rest.count)
      piece.append(contentsOf: rest.prefix(missing))
      rest = rest.dropFirst(missing)
      if piece.count == Self.pieceBytes {
        try sink.write(piece)
        piece.removeAll(keepingCapacity: true)
      }
    }
    while rest.count >= Self.pieceBytes {
      try sink.write(UnsafeRawBufferPointer(rebasing: rest.prefix(Self.pieceBytes)))
      rest = rest.dropFirst(Self.pieceBytes)
    }
    piece.append(contentsOf: rest)
  }

  mutating func finish() throws(StreamError) {
    try sink.write(piece)
    piece.removeAll()
  }
}
