// SPDX-License-Identifier: Apache-2.0

/// Byte strings with a value each, found in text by walking down from where one may start.
///
/// Edges lie in one open-addressing table of (node, byte); those of the root in an array of 256.
struct ByteTrie: Sendable {
  /// The edge's node and byte, and where it leads; `.max` marks an empty slot.
  private struct Edge {
    var key: UInt64
    var child: Int32
  }

  private var edges: [Edge]
  private var edgeCount = 0
  private var roots = [Int32](repeating: -1, count: 256)
  /// The value of the string that ends at a node, or -1.
  private var values: [Int32] = [-1]

  /// - Parameter expectedBytes: how many bytes the strings have together, to make room for.
  init(expectedBytes: Int = 0) {
    var capacity = 32
    while capacity < min(expectedBytes, 1 << 24) { capacity *= 2 }
    edges = [Edge](repeating: Edge(key: .max, child: -1), count: capacity)
  }

  var isEmpty: Bool { values.count == 1 }

  /// Inserts a string that is not empty; of two equal ones the first stands.
  ///
  /// - Parameter value: 0 or above.
  mutating func insert(_ bytes: some Collection<UInt8>, value: Int32) {
    var node: Int32 = -1
    for byte in bytes {
      let found = node < 0 ? roots[Int(byte)] : child(of: node, byte)
      if found >= 0 {
        node = found
        continue
      }
      let new = Int32(values.count)
      values.append(-1)
      if node < 0 { roots[Int(byte)] = new } else { add(Edge(key: key(node, byte), child: new)) }
      node = new
    }
    if node >= 0, values[Int(node)] < 0 { values[Int(node)] = value }
  }

  /// Calls `body` with the end and the value of each string that starts at `start`, shorter first.
  @inline(__always)
  func forEachMatch(
    in bytes: UnsafePointer<UInt8>, from start: Int, end: Int, _ body: (Int, Int32) -> Void
  ) {
    guard start < end else { return }
    values.withUnsafeBufferPointer { values in
      edges.withUnsafeBufferPointer { edges in
        var node = roots[Int(bytes[start])]
        var offset = start + 1
        while node >= 0 {
          if values[Int(node)] >= 0 { body(offset, values[Int(node)]) }
          if offset == end { return }
          node = ByteTrie.child(of: node, bytes[offset], in: edges)
          offset += 1
        }
      }
    }
  }

  /// The longest string that starts at `start`.
  func longestMatch(
    in bytes: UnsafePointer<UInt8>, from start: Int, end: Int
  ) -> (end: Int, value: Int32)? {
    var result: (Int, Int32)?
    forEachMatch(in: bytes, from: start, end: end) { result = ($0, $1) }
    return result
  }

  /// The leftmost position from `start` on where a string starts, and the longest there.
  func firstMatch(
    in bytes: UnsafePointer<UInt8>, from start: Int, end: Int
  ) -> (start: Int, end: Int, value: Int32)? {
    roots.withUnsafeBufferPointer { roots in
      for position in start..<max(start, end) where roots[Int(bytes[position])] >= 0 {
        if let match = longestMatch(in: bytes, from: position, end: end) {
          return (position, match.end, match.value)
        }
      }
      return nil
    }
  }

  // MARK: Edges

  @inline(__always)
  private func key(_ node: Int32, _ byte: UInt8) -> UInt64 { UInt64(node) << 8 | UInt64(byte) }

  private func child(of node: Int32, _ byte: UInt8) -> Int32 {
    edges.withUnsafeBufferPointer { ByteTrie.child(of: node, byte, in: $0) }
  }

  @inline(__always)
  private static func child(
    of node: Int32, _ byte: UInt8, in edges: UnsafeBufferPointer<Edge>
  ) -> Int32 {
    let key = UInt64(node) << 8 | UInt64(byte)
    var slot = slot(of: key, count: edges.count)
    while edges[slot].key != key {
      if edges[slot].key == .max { return -1 }
      slot = (slot + 1) & (edges.count - 1)
    }
    return edges[slot].child
  }

  @inline(__always)
  private static func slot(of key: UInt64, count: Int) -> Int {
    let product = key &* 0x9e37_79b9_7f4a_7c15
    return Int(truncatingIfNeeded: product >> 32) & (count - 1)
  }

  private mutating func add(_ edge: Edge) {
    if edgeCount * 2 >= edges.count {
      let old = edges
      edges = [Edge](repeating: Edge(key: .max, child: -1), count: old.count * 2)
      for edge in old where edge.key != .max { place(edge) }
    }
    place(edge)
    edgeCount += 1
  }

  private mutating func place(_ edge: Edge) {
    var slot = ByteTrie.slot(of: edge.key, count: edges.count)
    while edges[slot].key != .max { slot = (slot + 1) & (edges.count - 1) }
    edges[slot] = edge
  }
}
