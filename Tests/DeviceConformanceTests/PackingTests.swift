// SPDX-License-Identifier: Apache-2.0
import Compute
import Devices
import Testing

@Suite struct PackingTests {
  /// Sums of a product may be taken in another order when a row lies elsewhere in a tile.
  private let tolerance = 1e-6

  @Test(arguments: DeviceCatalog.all.map(\.name), [nil, 40])
  func packedExamplesEqualTheSameExamplesAlone(device: String, window: Int?) throws {
    let lengths: [Int32] = [5, 130, 67, 1]
    func shape(_ lengths: [Int32]) -> AttentionShape {
      OperationCatalog.shape(lengths, heads: 6, keyValueHeads: 2, headSize: 20, window: window)
    }
    let inputs = OperationCatalog.attentionInputs(shape(lengths))
    let packed = try OperationCatalog.runAttention(
      shape(lengths), on: Machine(DeviceCatalog.make(device, threads: 2)), inputs: inputs)
    let widths = [120, 40, 40, 120]
    let outputWidths = [120, 6, 120, 40, 40]
    var start = 0
    for length in lengths.map(Int.init) {
      let alone = try OperationCatalog.runAttention(
        shape([Int32(length)]), on: Machine(DeviceCatalog.make(device, threads: 2)),
        inputs: zip(inputs, widths).map { Array($0[start * $1..<(start + length) * $1]) })
      for ((packed, alone), width) in zip(zip(packed, alone), outputWidths) {
        let part = Array(packed[start * width..<(start + length) * width])
        #expect(normalisedError(part, alone) < tolerance)
      }
      start += length
    }
  }
}
