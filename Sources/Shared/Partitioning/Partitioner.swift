// SPDX-License-Identifier: Apache-2.0
package import Randomness

// Partitioning: divides records over clients on purpose unevenly, and measures how uneven the
// result is. The life of a partition: `RecordTable` (what is known of each record) -> `RecordBins`
// -> a `Partitioner` from the catalog -> `MinimumSize` -> `SplitRule` -> `Plan` -> shard files.

/// What a method has to be told about the records.
package enum PropertyNeed: Sendable {
  /// Nothing; `--by` is not looked at.
  case none
  /// Bins of a property.
  case bins
  /// One number a record whose order matters.
  case ranking
  /// A count a record that is to be shared out; the records themselves without `--by`.
  case amount
  /// The bins of a label.
  case labels
  /// The bins of two properties.
  case pair
  /// Whatever the method itself asks for.
  case anything
}

/// A way to divide records over clients.
///
/// Laws, tested for every entry of the catalog: each record goes to exactly one of
/// `0..<problem.clients`; equal problems give equal results, in any process and on any machine; no
/// input leads to a trap. Minimum sizes are the business of ``MinimumSize``, not of a method.
package protocol Partitioner: Sendable {
  /// As after `--method`, before any `:`.
  static var name: String { get }
  /// One line for `--help`.
  static var summary: String { get }
  static var need: PropertyNeed { get }

  /// - Parameter argument: what followed `:` in `--method name:argument`.
  /// - Throws: ``PartitionError/invalidOption(_:value:expected:)``.
  init(alpha: Double, argument: String?) throws(PartitionError)

  /// The property to divide by, in the words of `--by`.
  ///
  /// - Parameter given: what `--by` says. A method whose argument names the property returns that.
  func property(given: String?) throws(PartitionError) -> String?
  /// How the property is cut into bins, and how each axis of it is.
  func binning(given: BinningRule?, axes: Int) -> BinningRule
  func rule(for axis: Axis, _ binning: BinningRule) -> BinningRule
  /// The number of clients.
  ///
  /// - Parameters:
  ///   - asked: `--clients`; never nil unless ``PropertyNeed/labels`` or ``PropertyNeed/anything``.
  ///   - binSizes: records of each bin.
  func clientCount(asked: Int?, binSizes: [Int], minimum: Int) throws(PartitionError) -> Int

  func divide(_ problem: PartitionProblem) -> Division

  /// The clients' shares of one bin, where they can be drawn without having seen the records; nil if
  /// not. What `--assign hash` uses.
  ///
  /// - Parameter streamName: ``RecordBins/streamName(of:)``; empty without a property.
  func shares(ofBin streamName: String, clients: Int, seed: Seed) -> [Double]?
}

extension Partitioner {
  package func shares(ofBin streamName: String, clients: Int, seed: Seed) -> [Double]? { nil }
  package func property(given: String?) throws(PartitionError) -> String? { given }
  package func binning(given: BinningRule?, axes: Int) -> BinningRule {
    given ?? .quantile(axes > 1 ? Imbalance.jointBinCount : Imbalance.binCount)
  }
  package func rule(for axis: Axis, _ binning: BinningRule) -> BinningRule { binning }
  package func clientCount(
    asked: Int?, binSizes: [Int], minimum: Int
  ) throws(PartitionError) -> Int { asked ?? 1 }
}

/// What is to be divided.
package struct PartitionProblem: Sendable {
  package let recordCount: Int
  /// At least 1.
  package let clients: Int
  /// One bin for all where there is no property.
  package let bins: RecordBins
  /// A number a record for methods that rank or that share out an amount; nil means 1 each. Made when
  /// it is asked for, and gone when it is let go of.
  package var values: RankedValues? { makeValues() }
  private let makeValues: @Sendable () -> RankedValues?
  /// Records that each client is sure to get; `clients * minimum <= recordCount`.
  package let minimum: Int
  package let seed: Seed

  package init(
    recordCount: Int, clients: Int, bins: RecordBins? = nil,
    values: @autoclosure @escaping @Sendable () -> RankedValues? = nil, minimum: Int = 0, seed: Seed
  ) {
    self.recordCount = recordCount
    self.clients = clients
    self.bins = bins ?? RecordBins(recordCount: recordCount)
    makeValues = values
    self.minimum = minimum
    self.seed = seed
  }

  /// The random stream for one purpose.
  package func stream(_ path: String...) -> Philox { seed.stream(path: ["partition"] + path) }
}

/// Who gets what.
package struct Division: Sendable {
  /// The client of each record.
  package var clientOf: [Int32]
  /// What was drawn: for each bin the clients' shares, or one row of shares; nil if nothing was.
  package var proportions: [[Double]]?

  package init(clientOf: [Int32], proportions: [[Double]]? = nil) {
    self.clientOf = clientOf
    self.proportions = proportions
  }
}

extension PartitionProblem {
  /// Gives each client as many records of each bin as `counts` says; which ones is random.
  ///
  /// The records of a bin are shuffled by the bin's own stream, so that what happens in one bin
  /// does not depend on the others.
  func deal(_ counts: CountMatrix) -> [Int32] {
    var clientOf = [Int32](repeating: 0, count: recordCount)
    var (records, starts) = bins.grouped()
    for bin in 0..<bins.count {
      var order = stream("order", bins.streamName(of: bin))
      order.shuffle(&records, in: starts[bin]..<starts[bin + 1])
      var next = starts[bin]
      for client in 0..<clients {
        for _ in 0..<counts[client, bin] {
          clientOf[Int(records[next])] = Int32(client)
          next += 1
        }
      }
    }
    return clientOf
  }

  /// Gives each client as many records as `sizes` says, in the given order of all records.
  func cut(_ order: [Int32], sizes: [Int]) -> [Int32] {
    var clientOf = [Int32](repeating: 0, count: recordCount)
    var next = 0
    for (client, size) in sizes.enumerated() {
      for _ in 0..<size {
        clientOf[Int(order[next])] = Int32(client)
        next += 1
      }
    }
    return clientOf
  }

  /// All records in random order.
  func shuffledRecords() -> [Int32] {
    var draws = stream("order")
    return draws.order(count: recordCount)
  }

  /// Sizes that differ by at most one.
  var equalSizes: [Int] {
    Apportionment.parts(of: recordCount, shares: [Double](repeating: 1, count: clients))
  }
}

/// Reads the numbers in `--method name:argument`.
enum MethodArgument {
  static func none(_ argument: String?, method: String) throws(PartitionError) {
    if let argument {
      throw .invalidOption("--method \(method)", value: argument, expected: "nothing after it")
    }
  }

  static func count(
    _ argument: String?, method: String, default standard: Int
  ) throws(PartitionError) -> Int {
    guard let argument else { return standard }
    guard let value = Int(argument), value >= 1, value <= 1_000_000 else {
      throw .invalidOption(
        "--method \(method)", value: argument, expected: "a whole number of at least 1")
    }
    return value
  }
}

extension Philox {
  /// Shuffles a part of an array where it lies.
  mutating func shuffle(_ values: inout [Int32], in range: Range<Int>) {
    values.withUnsafeMutableBufferPointer { values in
      var part = UnsafeMutableBufferPointer(rebasing: values[range])
      shuffle(&part)
    }
  }

  /// As `permutation(count:)`, in half the memory.
  mutating func order(count: Int) -> [Int32] {
    var order = (0..<count).map { Int32($0) }
    shuffle(&order, in: 0..<count)
    return order
  }
}
