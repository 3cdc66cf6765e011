// SPDX-License-Identifier: Apache-2.0
package import Compute

/// The devices there are, by name. A new one is one file and one line here.
package enum DeviceCatalog {
  /// A device by its name, not yet started.
  package struct Entry: Sendable {
    package let name: String
    /// Starts the device with that many threads (those that have threads) and that precision (those
    /// that have it).
    package let make:
      @Sendable (_ threads: Int, _ precision: Precision) throws(DeviceError) -> any Device
  }

  package static let all: [Entry] = [
    Entry(name: "cpu") { threads, precision throws(DeviceError) in
      try CPUDevice(threads: threads, precision: precision)
    },
    Entry(name: "reference") { _, _ throws(DeviceError) in ReferenceDevice() },
  ]

  /// Starts the device `name`.
  ///
  /// - Parameter precision: what is wanted; ``Device/precision`` tells what the device can do.
  /// - Throws: ``DeviceError/unknownDevice(name:known:)``, or why the device cannot run here.
  package static func make(
    _ name: String, threads: Int, precision: Precision = .float32
  ) throws(DeviceError) -> any Device {
    guard let entry = all.first(where: { $0.name == name }) else {
      throw .unknownDevice(name: name, known: all.map(\.name))
    }
    return try entry.make(threads, precision)
  }

  /// What to tell a user who wanted another precision than the device has.
  package static func notice(of device: any Device, wanted: Precision) -> String {
    "no \(wanted.rawValue) here (it takes a processor with AVX512_BF16, and a build for it): "
      + "computing in \(device.precision.rawValue)"
  }
}
