// SPDX-License-Identifier: Apache-2.0
import Compute
import Devices
import Testing

@Suite struct DeviceCatalogTests {
  @Test func unknownNamesAreRefusedWithTheNamesThereAre() {
    #expect(throws: DeviceError.unknownDevice(name: "gpu", known: DeviceCatalog.all.map(\.name))) {
      try DeviceCatalog.make("gpu", threads: 1)
    }
  }

  @Test func everyNameMakesADevice() throws {
    for entry in DeviceCatalog.all {
      #expect(try DeviceCatalog.make(entry.name, threads: 2).summary.hasPrefix(entry.name))
    }
  }
}
