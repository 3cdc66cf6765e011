// SPDX-License-Identifier: Apache-2.0
import Compute

/// Values that look random and are the same on every run (splitmix64).
struct Noise {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 1 }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  /// Uniform in -amplitude ..< amplitude.
  mutating func values(_ count: Int, amplitude: Float = 1) -> [Float] {
    (0..<count).map { _ in (Float(next() >> 40) / Float(1 << 23) - 1) * amplitude }
  }

  mutating func integers(_ count: Int, below limit: Int) -> [Int32] {
    (0..<count).map { _ in Int32(next() % UInt64(limit)) }
  }
}

/// A device with the buffers and frozen matrices of one test.
final class Machine {
  let device: any Device
  private var kept: [UnsafeMutableRawBufferPointer] = []

  init(_ device: any Device) { self.device = device }

  deinit {
    for bytes in kept { bytes.deallocate() }
  }

  func buffer(_ values: [Float]) throws -> Buffer {
    let buffer = try device.allocate(values.count, label: "test")
    values.withUnsafeBufferPointer { device.write($0, to: buffer) }
    return buffer
  }

  func zeros(_ count: Int) throws -> Buffer { try device.allocate(count, label: "test") }

  /// A float32 matrix of the given values.
  func matrix(_ values: [Float], rows: Int, columns: Int) throws -> Matrix {
    try values.withUnsafeBytes {
      try matrix(Array($0), rows: rows, columns: columns, format: .float32, order: .natural)
    }
  }

  /// A matrix of noise in any format; scales of blocks are small positive numbers.
  func noiseMatrix(
    rows: Int, columns: Int, format: WeightFormat, order: RowOrder = .natural, seed: UInt64
  ) throws -> Matrix {
    var noise = Noise(seed)
    if format == .float32 {
      return try noise.values(rows * columns, amplitude: 0.5).withUnsafeBytes {
        try matrix(Array($0), rows: rows, columns: columns, format: format, order: order)
      }
    }
    let blocks = rows * columns / format.blockSize
    var bytes: [UInt8] = []
    for _ in 0..<blocks {
      var block = (0..<format.blockBytes).map { _ in UInt8(truncatingIfNeeded: noise.next()) }
      for (index, offset) in format.scaleOffsets.enumerated() {
        let scale = Float16(0.01 + 0.01 * Float(index)) * Float16(noise.values(1)[0])
        block[offset] = UInt8(truncatingIfNeeded: scale.bitPattern)
        block[offset + 1] = UInt8(truncatingIfNeeded: scale.bitPattern >> 8)
      }
      if format == .bfloat16 {  // exponents near 1
        let bits = noise.values(1)[0].bitPattern >> 16
        block = [UInt8(truncatingIfNeeded: bits), UInt8(truncatingIfNeeded: bits >> 8)]
      }
      bytes += block
    }
    return try matrix(bytes, rows: rows, columns: columns, format: format, order: order)
  }

  private func matrix(
    _ bytes: [UInt8], rows: Int, columns: Int, format: WeightFormat, order: RowOrder
  ) throws -> Matrix {
    let raw = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
    raw.copyBytes(from: bytes)
    kept.append(raw)
    return try device.load(
      HostMatrix(
        rows: rows, columns: columns, format: format, order: order,
        bytes: UnsafeRawBufferPointer(raw)))
  }
}

extension WeightFormat {
  /// Where a block keeps its half-precision scales.
  fileprivate var scaleOffsets: [Int] {
    switch self {
    case .float32, .bfloat16: []
    case .float16, .q4_0, .q5_0, .q8_0: [0]
    case .q4_1, .q5_1, .q4_K, .q5_K: [0, 2]
    case .q2_K: [80, 82]
    case .q3_K: [108]
    case .q6_K: [208]
    }
  }
}

/// √(Σ (a - b)² / Σ b²), the distance of two results relative to the size of the second.
func normalisedError(_ a: [Float], _ b: [Float]) -> Double {
  precondition(a.count == b.count)
  var (difference, size) = (0.0, 0.0)
  for (x, y) in zip(a, b) {
    difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
    size += Double(y) * Double(y)
  }
  return size == 0 ? difference.squareRoot() : (difference / size).squareRoot()
}
