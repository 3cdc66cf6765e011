// SPDX-License-Identifier: Apache-2.0

// The K formats: blocks of 256 values in sub-blocks of 16 or 32 that have scales of their own.

func expandQ2_K(_ b: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let (b, y) = (b + 84 &* block, y + 256 &* block)
    let (d, dMin) = (half(b, 80), half(b, 82))
    for j in 0..<16 {
      let scales = Int32(b.load(fromByteOffset: j, as: UInt8.self))
      let (n, k, odd) = (j &>> 3, (j & 7) &>> 1, j & 1)
      let v = (bytes16(b, 16 &+ 32 &* n &+ 16 &* odd) &>> Int32(2 &* k)) & 3
      y.store((d * Float(scales & 15)) * floats(v) - dMin * Float(scales &>> 4), at: 16 &* j)
    }
  }
}

func expandQ3_K(_ b: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let (b, y) = (b + 110 &* block, y + 256 &* block)
    let d = half(b, 108)
    for j in 0..<16 {
      let (n, k, odd) = (j &>> 3, (j & 7) &>> 1, j & 1)
      let lowByte = Int32(b.load(fromByteOffset: 96 &+ (j & 7), as: UInt8.self))
      let low = j < 8 ? lowByte & 15 : lowByte &>> 4
      let highByte = Int32(b.load(fromByteOffset: 104 &+ (j & 3), as: UInt8.self))
      let scale = (low | ((highByte &>> Int32(2 &* (j &>> 2))) & 3) &<< 4) &- 32
      let v = (bytes16(b, 32 &+ 32 &* n &+ 16 &* odd) &>> Int32(2 &* k)) & 3
      let hasBit = (bytes16(b, 16 &* odd) &>> Int32(4 &* n &+ k)) & 1
      y.store((d * Float(scale)) * floats(v &+ 4 &* hasBit &- 4), at: 16 &* j)
    }
  }
}

/// The 6-bit scale and minimum of sub-block `j` of Q4_K and Q5_K, packed into 12 bytes at 4.
@inline(__always)
private func scaleAndMinimum(_ b: UnsafeRawPointer, _ j: Int) -> (scale: Int32, minimum: Int32) {
  @inline(__always)
  func s(_ index: Int) -> Int32 { Int32(b.load(fromByteOffset: 4 &+ index, as: UInt8.self)) }
  if j < 4 { return (s(j) & 63, s(j &+ 4) & 63) }
  return (
    (s(j &+ 4) & 15) | (s(j &- 4) &>> 6) &<< 4,
    (s(j &+ 4) &>> 4) | (s(j) &>> 6) &<< 4
  )
}

func expandQ4_K(_ b: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let (b, y) = (b + 144 &* block, y + 256 &* block)
    let (d, dMin) = (half(b, 0), half(b, 2))
    for j in 0..<8 {
      let (scale, minimum) = scaleAndMinimum(b, j)
      let (dScale, offset) = (d * Float(scale), dMin * Float(minimum))
      for part in 0..<2 {
        let q = bytes16(b, 16 &+ 32 &* (j &>> 1) &+ 16 &* part)
        let v = (q &>> Int32(4 &* (j & 1))) & 15
        y.store(dScale * floats(v) - offset, at: 32 &* j &+ 16 &* part)
      }
    }
  }
}

func expandQ5_K(_ b: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let (b, y) = (b + 176 &* block, y + 256 &* block)
    let (d, dMin) = (half(b, 0), half(b, 2))
    for j in 0..<8 {
      let (scale, minimum) = scaleAndMinimum(b, j)
      let (dScale, offset) = (d * Float(scale), dMin * Float(minimum))
      for part in 0..<2 {
        let q = bytes16(b, 48 &+ 32 &* (j &>> 1) &+ 16 &* part)
        let fifth = ((bytes16(b, 16 &+ 16 &* part) &>> Int32(j)) & 1) &<< 4
        let v = ((q &>> Int32(4 &* (j & 1))) & 15) | fifth
        y.store(dScale * floats(v) - offset, at: 32 &* j &+ 16 &* part)
      }
    }
  }
}

func expandQ6_K(_ b: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>, _ blocks: Int) {
  for block in 0..<blocks {
    let (b, y) = (b + 210 &* block, y + 256 &* block)
    let d = half(b, 208)
    for n in 0..<2 {
      for k in 0..<4 {
        for part in 0..<2 {
          let low = bytes16(b, 64 &* n &+ 32 &* (k & 1) &+ 16 &* part)
          let nibble = (low &>> Int32(4 &* (k &>> 1))) & 15
          let high = (bytes16(b, 128 &+ 32 &* n &+ 16 &* part) &>> Int32(2 &* k)) & 3
          let scale = b.load(fromByteOffset: 192 &+ 8 &* n &+ 2 &* k &+ part, as: Int8.self)
          let value = floats((nibble | high &<< 4) &- 32)
          y.store((d * Float(scale)) * value, at: 128 &* n &+ 32 &* k &+ 16 &* part)
        }
      }
    }
  }
}
