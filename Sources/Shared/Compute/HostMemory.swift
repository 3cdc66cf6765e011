// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The float32 buffers of a device whose address space is the program's own.
///
/// Large buffers come straight from the system: zeroed lazily, on huge pages where there are any.
final class HostMemory {
  private struct Allocation {
    var start: UnsafeMutableRawPointer
    var mappedBytes: Int?
    var bytes: Int
  }

  /// From this size on a buffer is a mapping of its own.
  private static let mappingBytes = 1 << 21
  private var allocations: [UInt: Allocation] = [:]
  /// Bytes allocated now.
  private(set) var byteCount = 0
  /// Allocations so far.
  private(set) var allocationCount = 0
  /// Nobody will touch the memory.
  private let isRehearsal: Bool

  init(isRehearsal: Bool = false) { self.isRehearsal = isRehearsal }

  func allocate(_ count: Int, label: String) throws(DeviceError) -> Buffer {
    precondition(count >= 0, "negative count")
    let (product, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Float>.stride)
    guard !overflow, product < Int.max / 2 else {
      throw .outOfMemory(label: label, bytes: Int.max)
    }
    let bytes = (product + 63) & ~63
    let allocation =
      bytes >= Self.mappingBytes
      ? Self.map(bytes, isRehearsal: isRehearsal) : Self.allocateSmall(max(bytes, 64))
    guard let allocation else { throw .outOfMemory(label: label, bytes: bytes) }
    let address = UInt(bitPattern: allocation.start)
    allocations[address] = allocation
    byteCount += allocation.bytes
    allocationCount += 1
    return Buffer(address: address, count: count)
  }

  func release(_ buffer: Buffer) {
    guard let allocation = allocations.removeValue(forKey: buffer.address) else {
      preconditionFailure("release of a buffer that this device did not allocate")
    }
    byteCount -= allocation.bytes
    Self.free(allocation)
  }

  deinit {
    for allocation in allocations.values { Self.free(allocation) }
  }

  private static func map(_ bytes: Int, isRehearsal: Bool) -> Allocation? {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | (isRehearsal ? MAP_NORESERVE : 0)
    let start = mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, -1, 0)
    guard let start, start != MAP_FAILED else { return nil }
    // Advice: a refusal costs speed only.
    if !isRehearsal { madvise(start, bytes, MADV_HUGEPAGE) }
    return Allocation(start: start, mappedBytes: bytes, bytes: bytes)
  }

  private static func allocateSmall(_ bytes: Int) -> Allocation? {
    guard let start = aligned_alloc(64, bytes) else { return nil }
    memset(start, 0, bytes)
    return Allocation(start: start, mappedBytes: nil, bytes: bytes)
  }

  private static func free(_ allocation: Allocation) {
    if let bytes = allocation.mappedBytes {
      munmap(allocation.start, bytes)
    } else {
      Glibc.free(allocation.start)
    }
  }
}

extension Buffer {
  /// The values, for devices that compute in the program's own memory.
  var pointer: UnsafeMutablePointer<Float> {
    guard let pointer = UnsafeMutablePointer<Float>(bitPattern: address) else {
      preconditionFailure("a buffer of no device")
    }
    return pointer
  }

  /// The values, after a check that there are at least `needed`.
  func values(_ needed: Int) -> UnsafeMutablePointer<Float> {
    precondition(needed >= 0 && needed <= count, "buffer too small for the operation")
    return pointer
  }
}
