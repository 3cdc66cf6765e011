// SPDX-License-Identifier: Apache-2.0
import Compute
import Devices
import Testing

/// float32 sums of some thousand terms, against float64 ones.
private let parityTolerance = 2e-6

@Suite struct ParityTests {
  static let devices = DeviceCatalog.all.map(\.name).filter { $0 != "reference" }

  @Test(arguments: OperationCatalog.all, devices)
  func agreesWithTheReference(operation: OperationCase, device: String) throws {
    let found = try operation.run(Machine(DeviceCatalog.make(device, threads: 2)))
    let expected = try operation.run(Machine(ReferenceDevice()))
    #expect(found.count == expected.count)
    for (index, pair) in zip(found, expected).enumerated() {
      let error = normalisedError(pair.0, pair.1)
      #expect(error < parityTolerance, "output \(index) of \(operation.name)")
    }
  }

  @Test(arguments: OperationCatalog.all, devices)
  func bitsDoNotDependOnThreads(operation: OperationCase, device: String) throws {
    let single = try operation.run(Machine(DeviceCatalog.make(device, threads: 1)))
    for threads in [2, 3, 4] {
      let several = try operation.run(Machine(DeviceCatalog.make(device, threads: threads)))
      #expect(several.map { $0.map(\.bitPattern) } == single.map { $0.map(\.bitPattern) })
    }
  }

  @Test(arguments: WeightFormat.allCases, devices)
  func weightsExpandToTheSameBits(format: WeightFormat, device: String) throws {
    let rows = 5
    let results = try [DeviceCatalog.make(device, threads: 1), ReferenceDevice()].map { device in
      let m = Machine(device)
      let table = try m.noiseMatrix(rows: rows, columns: 512, format: format, seed: 16)
      let y = try m.zeros(rows * 512)
      device.embed(y, tokens: [4, 3, 2, 1, 0], table: table, scale: 1)
      return device.read(y).map(\.bitPattern)
    }
    #expect(results[0] == results[1])
  }

  @Test(arguments: devices)
  func valuesPastTheRangeOfFloatAreReported(device: String) throws {
    let m = Machine(try DeviceCatalog.make(device, threads: 2))
    let head = try m.noiseMatrix(rows: 40, columns: 8, format: .float32, seed: 1)
    let hidden = try m.buffer([Float](repeating: .nan, count: 8))
    let losses = m.device.crossEntropy(
      dHidden: nil, hidden: hidden, head: head, targets: [3], softcap: nil, gradientScale: 1)
    #expect(losses.count == 1 && losses[0].nll.isNaN)
  }
}
