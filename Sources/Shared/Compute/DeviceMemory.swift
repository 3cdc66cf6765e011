// SPDX-License-Identifier: Apache-2.0

/// What an operation's own storage is for.
package enum WorkStorage: Int, Sendable, CaseIterable {
  /// Frozen weights expanded to what the products read.
  case weights
  /// Logits of the targets that are computed at one time, and partial sums of their gradient.
  case logits
  /// Packed keys and values, and partial sums of gradients.
  case attention
  case other
}

/// What a device has taken of its memory: counted where it is taken, not guessed from outside.
package struct DeviceMemory: Sendable, Equatable {
  /// Bytes of the buffers that are allocated now.
  package var bufferBytes = 0
  /// Bytes that operations keep for their own duration, shared by all of them.
  package var workBytes = 0
  /// The most that each kind of ``WorkStorage`` asked for, by raw value.
  package var workDemands = [Int](repeating: 0, count: WorkStorage.allCases.count)
  /// Buffers allocated and storage enlarged so far: constant once a loop is in its stride.
  package var allocations = 0

  package init() {}

  package var bytes: Int { bufferBytes + workBytes }
}
