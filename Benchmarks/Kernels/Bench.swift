// SPDX-License-Identifier: Apache-2.0
import Compute
import Devices
import Glibc

/// What bounds an operation at best.
enum Limit: String {
  /// Float32 multiply-adds on registers.
  case float32 = "fma"
  /// Dot products of bfloat16 pairs on registers.
  case bfloat16 = "bf16"
  /// Reading and writing large arrays.
  case memory
}

/// Runs operations and tells how fast they were, beside what the machine reached in the same moment.
final class Bench {
  let device: any Device
  let model: ModelShape
  private let settings: Settings
  private let memory: MemoryPeak

  /// What the command line says.
  struct Settings {
    var threads = sysconf(Int32(_SC_NPROCESSORS_ONLN))
    var precisions = Precision.allCases
    var word = ""
    var isJSON = false
  }

  init(_ settings: Settings, model: ModelShape, precision: Precision, memory: MemoryPeak) throws {
    self.settings = settings
    self.model = model
    self.memory = memory
    device = try DeviceCatalog.make("cpu", threads: settings.threads, precision: precision)
  }

  /// The limit of products in the device's precision.
  var products: Limit { device.precision == .bfloat16 ? .bfloat16 : .float32 }

  /// Times `body`, which does `work` floating-point operations, or moves `work` bytes.
  func report(_ name: String, _ limit: Limit, work: Double, _ body: () -> Void) {
    let name = "\(model.name) \(device.precision.rawValue) \(name)"
    guard settings.word.isEmpty || name.contains(settings.word) else { return }
    let before = best(limit)
    let seconds = shortest(body)
    let best = max(before, best(limit))
    let rate = work / seconds / 1e9
    if settings.isJSON {
      print(
        #"{"type":"kernel","v":1,"name":"\#(name)","threads":\#(settings.threads),"#
          + #""seconds":\#(seconds),"rate":\#(rate),"unit":"\#(limit == .memory ? "GB/s" : "GFLOP/s")","#
          + #""limit":"\#(limit.rawValue)","best":\#(best),"share":\#(rate / best)}"#)
    } else {
      func column(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.utf8.count)) + text
      }
      print(
        name + String(repeating: " ", count: max(1, 52 - name.utf8.count)),
        column("\((seconds * 1e5).rounded() / 100) ms", 11),
        column("\(Int(rate)) \(limit == .memory ? "GB/s" : "GFLOP/s")", 14),
        "of", column("\(Int(best))", 4), column("\(Int((100 * rate / best).rounded()))%", 5))
    }
    fflush(nil)
  }

  private func best(_ limit: Limit) -> Double {
    switch limit {
    case .float32: Peak.measure(threads: settings.threads).float32
    case .bfloat16: Peak.measure(threads: settings.threads).bfloat16
    case .memory: memory.measure().update
    }
  }

  func buffer(_ count: Int) throws -> Buffer {
    let buffer = try device.allocate(count, label: "benchmark")
    let values = (0..<count).map { Float(($0 &* 7919) % 1000) / 1000 - 0.5 }
    values.withUnsafeBufferPointer { device.write($0, to: buffer) }
    return buffer
  }

  /// Calls `body` with buffers of `counts` values, and gives them back.
  func withBuffers(_ counts: [Int], _ body: ([Buffer]) throws -> Void) throws {
    let buffers = try counts.map(buffer)
    defer { for buffer in buffers { device.release(buffer) } }
    try body(buffers)
  }

  /// A matrix with small scales, kept until the program ends.
  func matrix(_ rows: Int, _ columns: Int, _ format: WeightFormat) throws -> Matrix {
    let bytes = UnsafeMutableRawBufferPointer.allocate(
      byteCount: rows * columns / format.blockSize * format.blockBytes, alignment: 64)
    for i in bytes.indices { bytes[i] = UInt8(truncatingIfNeeded: i &* 37) & 0x3b }
    return try device.load(
      HostMatrix(rows: rows, columns: columns, format: format, bytes: UnsafeRawBufferPointer(bytes)))
  }
}

@main enum KernelBenchmarks {
  private static let usage = """
    usage: cl-bench-kernels [--threads N] [--precision f32|bf16] [--only WORD] [--json]

    Speed of each operation in the shapes of two models, beside what the machine reaches at best in
    the same moment: multiply-adds or dot products on registers, or additions of large arrays.
    """

  static func main() throws {
    guard let settings = settings(Array(CommandLine.arguments.dropFirst())) else {
      _ = (usage + "\n").withCString { write(2, $0, strlen($0)) }
      exit(64)
    }
    let memory = MemoryPeak(threads: settings.threads)
    for (index, precision) in settings.precisions.enumerated() {
      for model in ModelShape.all {
        let bench = try Bench(settings, model: model, precision: precision, memory: memory)
        guard bench.device.precision == precision else { break }
        if model.name == ModelShape.all[0].name {
          header(bench.device.summary, settings, memory)
        }
        try bench.linear()
        try bench.adapted()
        try bench.lowRank()
        try bench.attention()
        try bench.loss()
        // Of float32 in any case.
        if index == 0 { try bench.elements() }
      }
    }
  }

  private static func header(_ summary: String, _ settings: Bench.Settings, _ memory: MemoryPeak) {
    let (peak, rates) = (Peak.measure(threads: settings.threads), memory.measure())
    if settings.isJSON {
      print(
        #"{"type":"machine","v":1,"kernels":"\#(summary)","threads":\#(settings.threads),"#
          + #""fma":\#(peak.float32),"bf16":\#(peak.bfloat16),"read":\#(rates.read),"#
          + #""update":\#(rates.update),"write":\#(rates.write)}"#)
    } else {
      print(summary)
      print(
        "at best: \(Int(peak.float32)) GFLOP/s float32, \(Int(peak.bfloat16)) GFLOP/s bfloat16;",
        "memory \(Int(rates.read)) GB/s read, \(Int(rates.update)) read and written,",
        "\(Int(rates.write)) written")
    }
  }

  private static func settings(_ arguments: [String]) -> Bench.Settings? {
    var settings = Bench.Settings()
    var left = arguments[...]
    while let option = left.popFirst() {
      switch option {
      case "--json": settings.isJSON = true
      case "--threads":
        guard let threads = left.popFirst().flatMap({ Int($0) }), threads > 0 else { return nil }
        settings.threads = threads
      case "--precision":
        guard let precision = left.popFirst().flatMap(Precision.init(rawValue:)) else { return nil }
        settings.precisions = [precision]
      case "--only":
        guard let word = left.popFirst() else { return nil }
        settings.word = word
      default: return nil
      }
    }
    return settings
  }
}
