// SPDX-License-Identifier: Apache-2.0
import Compute
import Testing

@Suite struct DequantizeTests {
  @Test(arguments: DequantizeVector.all)
  func blocksEqualTheReference(vector: DequantizeVector) throws {
    let device = ReferenceDevice()
    let values = try expand(vector, on: device)
    let samples = [0, 1, values.count / 2, values.count - 1].map { values[$0].bitPattern }
    #expect(samples == vector.samples)
    #expect(fnv1a(values) == vector.digest)
  }

  @Test func everyQuantizedFormatHasAVector() {
    let tested = Set(DequantizeVector.all.map(\.format))
    #expect(WeightFormat.allCases.filter { !tested.contains($0) } == [.float32])
  }

  @Test func interleavedHeadsAreTakenApart() {
    // Two heads of four: the file holds (0, 2, 1, 3) of each.
    let order = RowOrder.interleavedHeads(headSize: 4)
    #expect((0..<8).map(order.fileRow(of:)) == [0, 2, 1, 3, 4, 6, 5, 7])
  }

  /// The block as a matrix of one row, read back through the embedding.
  private func expand(_ vector: DequantizeVector, on device: any Device) throws -> [Float] {
    let bytes = vector.bytes
    let columns = bytes.count / vector.format.blockBytes * vector.format.blockSize
    return try bytes.withUnsafeBytes { raw in
      let table = try device.load(
        HostMatrix(rows: 1, columns: columns, format: vector.format, bytes: raw))
      let y = try device.allocate(columns, label: "row")
      device.embed(y, tokens: [0], table: table, scale: 1)
      return device.read(y)
    }
  }

  private func fnv1a(_ values: [Float]) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for value in values {
      for shift in [UInt32(0), 8, 16, 24] {
        hash = (hash ^ UInt64(value.bitPattern >> shift & 0xff)) &* 0x100_0000_01b3
      }
    }
    return hash
  }
}
