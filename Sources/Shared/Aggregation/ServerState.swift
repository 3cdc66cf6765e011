// SPDX-License-Identifier: Apache-2.0
package import Adapters
import Safetensors
package import Streams

/// The moments of a ``ServerOptimizer`` between rounds, as a safetensors file
/// (Documentation/aggregation.md, "Server optimizers").
///
/// Holds the moments before the last round too: a round that is run again, because the command was
/// killed between writing state and adapter or because Make says so, starts from those and gives the
/// same bytes.
package struct ServerState: Sendable {
  /// Moments of every factor, in the order of the modules, A before B.
  struct Moments: Sendable, Equatable {
    var round: Int
    /// Digest of the adapter that these go with: the parent of the next round.
    var adapter: String
    var first: [[Float]]
    var second: [[Float]]
  }

  package let optimizer: ServerOptimizer
  private(set) var current: Moments
  private var previous: Moments?

  private static let key = "cl_server"
  private static let version = 1

  /// Why a state cannot be used.
  package struct Mismatch: Error, Equatable, Diagnosable {
    package let path: String
    package let message: String
    package var category: FailureCategory { .badData }
    package var location: String? { path }
  }

  /// Before the first round.
  init(_ optimizer: ServerOptimizer, parent: AdapterFile) {
    self.optimizer = optimizer
    let sizes = parent.modules.flatMap { [$0.loraA.elementCount, $0.loraB.elementCount] }
    current = Moments(
      round: 0, adapter: parent.digest(),
      first: sizes.map { [Float](repeating: 0, count: $0) },
      second: sizes.map { [Float](repeating: optimizer.initialSecond, count: $0) })
  }

  /// The state at `path`, or a fresh one where there is no file.
  package static func open(
    _ path: String, _ optimizer: ServerOptimizer, parent: AdapterFile
  ) throws -> ServerState {
    guard FileSystem.exists(path) else { return ServerState(optimizer, parent: parent) }
    func fail(_ message: String) -> Mismatch { Mismatch(path: path, message: message) }
    let file = try SafetensorsFile(path: path)
    guard let text = file.metadata[key], let header = try? JSONValue(parsing: Array(text.utf8)),
      header["v"]?.int == version
    else { throw fail("no state of a server optimizer") }
    guard header["optimizer"]?.text == optimizer.kind.rawValue,
      header["convention"]?.text == optimizer.convention.rawValue
    else {
      throw fail(
        "made by \(header["optimizer"]?.text ?? "another optimizer") "
          + "(\(header["convention"]?.text ?? "")), not \(optimizer.kind.rawValue) "
          + "(\(optimizer.convention.rawValue))")
    }
    func moments(_ name: String) throws -> Moments? {
      guard let entry = header[name], let round = entry["round"]?.int, round >= 0,
        let adapter = entry["adapter"]?.text
      else { return nil }
      func tensors(_ kind: String) throws -> [[Float]] {
        try names(parent, "\(name).\(kind)").map { expected in
          guard let view = file[expected.name], view.shape == expected.shape else {
            throw fail("tensor \"\(expected.name)\" is missing or has another shape")
          }
          let values = try view.floats()
          guard values.allSatisfy({ $0.isFinite }) else {
            throw fail("tensor \"\(expected.name)\" holds a value that is not a finite number")
          }
          return values
        }
      }
      return Moments(
        round: round, adapter: adapter, first: try tensors("first"),
        second: try tensors("second"))
    }
    guard let last = try moments("current") else { throw fail("no moments") }
    var state = ServerState(optimizer, parent: parent)
    let digest = state.current.adapter
    if last.adapter == digest {
      state.current = last
    } else if let before = try moments("previous"), before.adapter == digest {
      state.current = before
    } else {
      throw fail("belongs to adapter \(last.adapter.prefix(12)), --parent is \(digest.prefix(12))")
    }
    return state
  }

  /// Moves `adapter`, the aggregate of a round that started from `parent`.
  ///
  /// - Parameter trained: factors that the clients trained; the others stay as they are.
  mutating func step(
    _ adapter: inout Adapter, parent: AdapterFile, trained: Set<LoRAFactor>
  ) {
    previous = current
    current.round += 1
    for (index, module) in parent.modules.enumerated() {
      var factors = [adapter.modules[index].loraA, adapter.modules[index].loraB]
      for (side, view) in [module.loraA, module.loraB].enumerated()
      where trained.contains(side == 0 ? .a : .b) {
        let place = 2 * index + side
        factors[side] = optimizer.step(
          parent: ClientFactors.floats(view), aggregate: factors[side], round: current.round,
          first: &current.first[place], second: &current.second[place])
      }
      adapter.setFactors(index, loraA: factors[0], loraB: factors[1])
    }
  }

  /// Writes the state whole or not at all.
  ///
  /// - Parameter adapter: what the round gave, as it is written.
  package func write(to path: String, for adapter: Adapter) throws {
    let file = try OutputSink(path: path)
    var current = current
    current.adapter = adapter.digest()
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("v", Self.version)
      writer.field("optimizer", optimizer.kind.rawValue)
      writer.field("convention", optimizer.convention.rawValue)
      for (name, moments) in [("current", current), ("previous", previous)] {
        guard let moments else { continue }
        writer.object(name) { writer in
          writer.field("round", moments.round)
          writer.field("adapter", moments.adapter)
        }
      }
    }
    var tensors: [OutputTensor] = []
    for (name, moments) in [("current", current), ("previous", previous)] {
      guard let moments else { continue }
      for (kind, values) in [("first", moments.first), ("second", moments.second)] {
        for (entry, tensor) in zip(Self.names(adapter, "\(name).\(kind)"), values) {
          tensors.append(OutputTensor(name: entry.name, shape: entry.shape, floats: tensor))
        }
      }
    }
    try SafetensorsWriter.write(
      tensors, metadata: [Self.key: String(decoding: writer.bytes, as: UTF8.self)], to: file)
    try file.close()
  }

  private static func names(
    _ file: AdapterFile, _ prefix: String
  ) -> [(name: String, shape: [Int])] {
    file.modules.flatMap {
      names(prefix, $0.path, rank: $0.rank, inputs: $0.inputSize, outputs: $0.outputSize)
    }
  }

  private static func names(
    _ adapter: Adapter, _ prefix: String
  ) -> [(name: String, shape: [Int])] {
    adapter.modules.flatMap {
      names(prefix, $0.path, rank: $0.rank, inputs: $0.inputSize, outputs: $0.outputSize)
    }
  }

  private static func names(
    _ prefix: String, _ path: String, rank: Int, inputs: Int, outputs: Int
  ) -> [(name: String, shape: [Int])] {
    [("\(prefix).\(path).lora_A", [rank, inputs]), ("\(prefix).\(path).lora_B", [outputs, rank])]
  }
}
