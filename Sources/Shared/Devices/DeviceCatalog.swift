// SPDX-License-Identifier: Apache-2.0
package import Compute

/// The devices there are, by name. A new one is one file and one line here.
package enum DeviceCatalog {
  /// A device by its name, not yet started.
  package struct Entry: Sendable {
    package let name: String
    /// Starts the device with that many threads (those that have threads).
    package let make: @Sendable (_ threads: Int) throws(DeviceError) -> any Device
  }

  package static let all: [Entry] = [
    Entry(name: "cpu") { threads throws(DeviceError) in try CPUDevice(threads: threads) },
    Entry(name: "reference") { _ throws(DeviceError) in ReferenceDevice() },
  ]

  /// Starts the device `name`.
  ///
  /// - Throws: ``DeviceError/unknownDevice(name:known:)``, or why the device cannot run here.
  package static func make(
    _ name: String, threads: Int
  ) throws(DeviceError) -> any Device {
    guard let entry = all.first(where: { $0.name == name }) else {
      throw .unknownDevice(name: name, known: all.map(\.name))
    }
    return try entry.make(threads)
  }
}
