// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import Safetensors
import Streams
import TestSupport

/// Random adapters on disk, made the same way each time.
struct SampleRound {
  let folder: TemporaryDirectory
  static let paths = ["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.up_proj"]
  static let inputSize = 5
  static let outputSize = 7

  init() throws { folder = try TemporaryDirectory() }

  /// What a client's adapter is made of.
  struct Client {
    var name: String? = "0"
    var rank = 3
    var alpha = 6.0
    var isRankStabilized = false
    var seed: UInt64 = 1
    var base: String? = "base"
    var parent: String? = "parent"
    var records: Int? = 10
    var paths = SampleRound.paths
    var inputSize = SampleRound.inputSize
    /// Makes A; nil takes `seed`.
    var seedA: UInt64?
    var trained: String?
  }

  static func adapter(_ client: Client) -> Adapter {
    var forA = Generator(seed: client.seedA ?? client.seed &+ 1000)
    var forB = Generator(seed: client.seed)
    let modules = client.paths.map { path in
      AdapterModule(
        path: path, rank: client.rank, inputSize: client.inputSize, outputSize: outputSize,
        alpha: client.alpha,
        loraA: (0..<client.rank * client.inputSize).map { _ in forA.next() },
        loraB: (0..<outputSize * client.rank).map { _ in forB.next() })
    }
    var claims = AdapterProvenance(tool: "test")
    claims.client = client.name
    claims.base = client.base
    claims.parent = client.parent
    claims.round = 1
    claims.records = client.records
    claims.tokens = client.records.map { $0 * 7 + 1 }
    claims.targetTokens = client.records.map { $0 * 3 }
    claims.trained = client.trained
    claims.steps = 3
    claims.qualityTokens = client.records.map { Double($0) * 2.5 }
    return Adapter(
      config: AdapterConfig(
        rank: client.rank, alpha: client.alpha, isRankStabilized: client.isRankStabilized,
        targets: .modules(client.paths)),
      modules: modules, provenance: claims)
  }

  func file(_ client: Client, _ name: String) throws -> AdapterFile {
    try AdapterWriter.write(Self.adapter(client), to: folder.file(name))
    return try AdapterReader.open(path: folder.file(name))
  }

  func files(_ clients: [Client]) throws -> [AdapterFile] {
    try clients.enumerated().map { try file($1, "\($0).safetensors") }
  }

  /// Clients 0..<count with different values and record counts.
  static func clients(_ count: Int) -> [Client] {
    (0..<count).map {
      Client(name: "\($0)", seed: UInt64($0 + 1), records: 10 * ($0 + 1))
    }
  }

  /// As ``clients(_:)``, such that `rule` takes them.
  static func clients(_ count: Int, for rule: RuleCatalog.Entry) -> [Client] {
    clients(count).map { client in
      var client = client
      if rule.traits.contains(.commonFactor) {
        client.seedA = 77
        client.trained = "B"
      }
      return client
    }
  }

  /// The bytes that would be written.
  func bytes(_ adapter: Adapter) throws -> [UInt8] {
    try AdapterWriter.write(adapter, to: folder.file("result.safetensors"))
    return try folder.read("result.safetensors")
  }
}

extension AggregationJob {
  init(
    _ rule: RuleCatalog.Entry, _ weights: WeightChoice? = nil, minimum: Int? = nil,
    options: RuleOptions = RuleOptions(), parent: AdapterFile? = nil, threads: Int = 1
  ) throws {
    try self.init(
      rule: rule, options: options, weights: weights, minimumClients: minimum, parent: parent,
      threads: threads, tool: "test")
  }

  func adapter(_ files: [AdapterFile]) throws -> Adapter {
    try run(files, withDigests: false).adapter
  }
}

/// xorshift64: any spread of values will do.
struct Generator {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

  /// In [-2, 2).
  mutating func next() -> Float {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Float(Int64(bitPattern: state) >> 40) / Float(1 << 22)
  }
}

/// Dense matrices in float64, the slow way.
enum Dense {
  /// scale · B·A of one module, (out, in).
  static func update(_ adapter: Adapter, _ index: Int) -> [Double] {
    let module = adapter.modules[index]
    return product(
      module.loraB.map(Double.init), module.loraA.map(Double.init), module.outputSize,
      module.rank, module.inputSize, adapter.scale(of: module))
  }

  static func product(
    _ b: [Double], _ a: [Double], _ rows: Int, _ inner: Int, _ columns: Int, _ scale: Double
  ) -> [Double] {
    var result = [Double](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      for column in 0..<columns {
        for k in 0..<inner {
          result[row * columns + column] += scale * b[row * inner + k] * a[k * columns + column]
        }
      }
    }
    return result
  }

  /// Σ c_i ΔW_i.
  static func sum(_ adapters: [Adapter], _ coefficients: [Double], _ index: Int) -> [Double] {
    var total = update(adapters[0], index).map { $0 * coefficients[0] }
    for (adapter, coefficient) in zip(adapters, coefficients).dropFirst() {
      for (place, value) in update(adapter, index).enumerated() {
        total[place] += coefficient * value
      }
    }
    return total
  }

  static func norm(_ values: [Double]) -> Double {
    values.reduce(0) { $0 + $1 * $1 }.squareRoot()
  }

  static func distance(_ left: [Double], _ right: [Double]) -> Double {
    norm(zip(left, right).map { $0 - $1 })
  }
}
