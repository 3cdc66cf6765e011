// SPDX-License-Identifier: Apache-2.0

/// A run of float32 values that a ``Device`` owns.
///
/// The handle is small and copied freely. Its address means something to the device alone: nothing
/// outside a device may assume that it points into host memory. Values cross by ``Device/write(_:to:)``
/// and ``Device/read(_:)``.
package struct Buffer: Sendable, Hashable {
  /// Where the values lie, in the device's own address space.
  package let address: UInt
  /// Number of float32 values.
  package let count: Int

  package init(address: UInt, count: Int) {
    self.address = address
    self.count = count
  }

  /// The values `offset ..< offset + count` of this buffer; nothing is copied.
  ///
  /// - Precondition: the range lies inside the buffer.
  package func slice(at offset: Int, count: Int) -> Buffer {
    precondition(offset >= 0 && count >= 0 && offset + count <= self.count, "slice outside buffer")
    return Buffer(
      address: address + UInt(offset * MemoryLayout<Float>.stride), count: count)
  }
}
