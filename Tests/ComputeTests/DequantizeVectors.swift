// SPDX-License-Identifier: Apache-2.0
import Compute
import Testing

/// Blocks of random bytes and what the Python package gguf 0.19.0 (`gguf.quants.dequantize`) makes of
/// them; for the 16-bit formats 16 values, by numpy.
struct DequantizeVector: Sendable, CustomTestStringConvertible {
  let format: WeightFormat
  let hex: String
  /// FNV-1a 64 of all values as little-endian float32.
  let digest: UInt64
  /// Bit patterns of the values at 0, 1, count/2 and count - 1.
  let samples: [UInt32]

  var testDescription: String { format.rawValue }

  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    var high: UInt8?
    for character in hex.utf8 {
      let digit = character < 0x3a ? character - 0x30 : character - 0x61 + 10
      if let first = high { bytes.append(first << 4 | digit) }
      high = high == nil ? digit : nil
    }
    return bytes
  }

  static let all: [DequantizeVector] = [
    DequantizeVector(
      format: .float16,
      hex: """
        00000080003c00c1ff7b0100ff03007c543566ae4842191400c7004840560038
        """,
      digest: 0xa219e8a8667ed5aa, samples: [0x0, 0x80000000, 0x3eaa8000, 0x3f000000]),
    DequantizeVector(
      format: .bfloat16,
      hex: """
        00000080803f20c07f4780337f38807faa3eccbd4940a20de0c00041967e003f
        """,
      digest: 0xdb9c184b5869fb68, samples: [0x0, 0x80000000, 0x3eaa0000, 0x3f000000]),
    DequantizeVector(
      format: .q4_0,
      hex: """
        4c221831f8b1e133b85e7d009ed4a9278844
        """,
      digest: 0x1f89366c02749a89, samples: [0x0, 0xbdb05000, 0xbdb05000, 0xbd498000]),
    DequantizeVector(
      format: .q4_1,
      hex: """
        4c22ec35f0d8b5a30abd79173e8aba819cdfaf5c
        """,
      digest: 0x924429233470c935, samples: [0x3ebd8000, 0x3eefe000, 0x3f0dfa00, 0x3edcfc00]),
    DequantizeVector(
      format: .q5_0,
      hex: """
        4c221b0fa9639952392661d0666193fa6497709a72a3
        """,
      digest: 0xe2d881f5b5e75a10, samples: [0x3de2b000, 0x3cc98000, 0x3de2b000, 0xbd972000]),
    DequantizeVector(
      format: .q5_1,
      hex: """
        4c22ec358f705b3d0d67d31867f7f33701ab034c7fdf17a9
        """,
      digest: 0x49227918a17bd024, samples: [0x3f3a0e00, 0x3f272a00, 0x3f112000, 0x3efc7800]),
    DequantizeVector(
      format: .q8_0,
      hex: """
        4c22d8d87bf19be7f59147259031c0ed3e8d0c2e60e2f8a495910f60fb69363db609
        """,
      digest: 0xf117c9c57208e117, samples: [0xbefbe000, 0xbefbe000, 0x3e172000, 0x3de2b000]),
    DequantizeVector(
      format: .q2_K,
      hex: """
        f8e09177c28c7a5272c00e06b85fcd07e81f6af71ba8ba6d14866edfae580e9747afdd5ae78487c3\
        cae8ff2669ee4e0193c0becfa423d86bd8d0f803dda07ccbf38316b93b393132e85c1b2d65584ff2\
        4c22ec35
        """,
      digest: 0xf92f60b22e6e9707, samples: [0xc0b1a800, 0xc0a83600, 0xc0211700, 0x3e843c00]),
    DequantizeVector(
      format: .q3_K,
      hex: """
        234516f3387133fa2883f385e6e5c4be9394d46df2e05f69b6ec18113f6e29848af3be40c9ceaead\
        4fb722a1ebf84c559e65bb332b0c78364cead0d7971cbf9ae87a2c9874a8604e20f6c1773ca069a2\
        172fbc0fad6900c3b3d0e5bad71cebe9b1cdbde0e385d0ea4c0b2b074c22
        """,
      digest: 0x14d42d8f0e0f7728, samples: [0xbf433400, 0xbf926700, 0x3f843c00, 0xbf2a0400]),
    DequantizeVector(
      format: .q4_K,
      hex: """
        4c22ec35f330f8913e094e971b2a1dad1605744f91f0db89a4cf6fa8379c3c30c293600a3ccd77f5\
        e6da040c9456d751271c4da020cc4d50a9dc6fcc4e21d4c4c0e17f32959262a3439bcb1874a90da1\
        e9d2afcd5c5315b850de77e4232958067da6a9362a90a2f1e5612940e174fea898199761d72231a9\
        aed486604e5fa98a4b37b53f3554da75981458c0c594e04c
        """,
      digest: 0xa5d8818dbf9d0a66, samples: [0xc19978a0, 0xc19e7d30, 0x40c52240, 0xc1554c80]),
    DequantizeVector(
      format: .q5_K,
      hex: """
        4c22ec35e7218022d821a314bce8bb44d74ec0d57c9eda2f056f2ee2dd604fb57418a9ba11c688d3\
        d9ac555eb9103b84f1c1d0304744bf8936bfa3e58f20e32f0ecc73a421b867ffa2f0cad716c69a65\
        4fa4322fdfc297c152b834712560576b790857d86e8a1a63f88c05b8c56108d440eb5d63cb2307c2\
        edfe202556b6e9d35feb411f6f17adfc1b1d2d2d8893f372edc0da3074eac037d8c4251142792708\
        1c50634f72b83f74ba0ef0fe4ae340ea
        """,
      digest: 0x5362e41ca305df9a, samples: [0xbf3a9600, 0xc1067360, 0xc1207c00, 0xbb980000]),
    DequantizeVector(
      format: .q6_K,
      hex: """
        a83f0f64be3a831f6c08fc80d71f2a2d91dc9b7bf12f2aabda444286c748d284b4a07b89fe65f1ca\
        2edf622d4022561c8bfaf6f13e3badf8d335bc81717f8beaca0ac3505699fb10833ce977dae119c2\
        cad4fcc2d5b54bd9b3aef9bc564d532a14c1c82a64ebd698f854d8ef97274b8347172bf7619370cd\
        194895cd76b3cda4d1f3376e396a00b13cd5b85574ab6a350b8d88c42110bcbacc03a7f5c3777968\
        0eb88985eebbf515f390668e09eea10ae9731ea1118cc212ca975238023248e08332be74d5c0eeb5\
        1b8d6cce2777d39e4c22
        """,
      digest: 0x6bb90781304655a7, samples: [0x4144c700, 0xc23ea0c8, 0x40548500, 0xc1fab1c0]),
  ]
}
