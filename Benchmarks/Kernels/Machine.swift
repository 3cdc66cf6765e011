// SPDX-License-Identifier: Apache-2.0
import Glibc

private let usesProcessorTime =
  getenv("CL_BENCH_CLOCK").map { String(cString: $0) } == "processor"

/// Seconds of processor time where CL_BENCH_CLOCK is `processor` (for one thread on a busy machine),
/// else of a clock that never goes back.
func now() -> Double {
  var time = timespec()
  clock_gettime(usesProcessorTime ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// The shortest of several runs of `body`, in seconds; a run is repeated calls of at least 50 ms.
func shortest(runs: Int = 5, _ body: () -> Void) -> Double {
  body()
  let start = now()
  body()
  let calls = max(1, Int(0.05 / max(now() - start, 1e-7)))
  var best = Double.infinity
  for _ in 0..<runs {
    let start = now()
    for _ in 0..<calls { body() }
    best = min(best, (now() - start) / Double(calls))
  }
  return best
}

/// What the machine reaches at best with `threads` threads, measured here and now.
struct Peak {
  /// Fused multiply-adds of float32 on registers, GFLOP/s.
  let products: Double
  /// Read + write of large arrays, GB/s.
  let memory: Double

  static func measure(threads: Int) -> Peak {
    let calls = 4_000_000
    let flops = Double(threads) * Double(calls) * 16 * 16 * 2
    let seconds = (0..<5).map { _ in
      run(threads: threads) { _ = multiplyAdds(calls) }
    }.min() ?? .infinity
    let floats = 1 << 24
    let arrays = (0..<2 * threads).map { _ in
      let array = UnsafeMutablePointer<Float>.allocate(capacity: floats)
      array.initialize(repeating: 1, count: floats)
      return UInt(bitPattern: array)
    }
    let index = Counter()
    let copy = (0..<5).map { _ in
      index.value = 0
      return run(threads: threads) {
        let i = index.take()
        guard let from = UnsafeMutablePointer<Float>(bitPattern: arrays[2 * i]),
          let to = UnsafeMutablePointer<Float>(bitPattern: arrays[2 * i + 1])
        else { return }
        for j in 0..<floats { to[j] += from[j] }
      }
    }.min() ?? .infinity
    for array in arrays { UnsafeMutablePointer<Float>(bitPattern: array)?.deallocate() }
    return Peak(
      products: flops / seconds / 1e9, memory: Double(12 * floats * threads) / copy / 1e9)
  }

  /// 16 chains of SIMD16 multiply-adds.
  @inline(never)
  private static func multiplyAdds(_ calls: Int) -> Float {
    typealias V = SIMD16<Float>
    let (a, b) = (V(repeating: Float(calls) * 1e-9), V(repeating: 0.999))
    var (c0, c1, c2, c3) = (a, b, a + 1, b + 1)
    var (c4, c5, c6, c7) = (a + 2, b + 2, a + 3, b + 3)
    var (d0, d1, d2, d3) = (a + 4, b + 4, a + 5, b + 5)
    var (d4, d5, d6, d7) = (a + 6, b + 6, a + 7, b + 7)
    for _ in 0..<calls {
      c0 = a.addingProduct(c0, b)
      c1 = a.addingProduct(c1, b)
      c2 = a.addingProduct(c2, b)
      c3 = a.addingProduct(c3, b)
      c4 = a.addingProduct(c4, b)
      c5 = a.addingProduct(c5, b)
      c6 = a.addingProduct(c6, b)
      c7 = a.addingProduct(c7, b)
      d0 = a.addingProduct(d0, b)
      d1 = a.addingProduct(d1, b)
      d2 = a.addingProduct(d2, b)
      d3 = a.addingProduct(d3, b)
      d4 = a.addingProduct(d4, b)
      d5 = a.addingProduct(d5, b)
      d6 = a.addingProduct(d6, b)
      d7 = a.addingProduct(d7, b)
    }
    let first = c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7
    return (first + d0 + d1 + d2 + d3 + d4 + d5 + d6 + d7).sum()
  }

  /// Seconds until `threads` threads have each run `body`.
  private static func run(threads: Int, _ body: @escaping @Sendable () -> Void) -> Double {
    final class Box { let body: @Sendable () -> Void; init(_ b: @escaping @Sendable () -> Void) { body = b } }
    let start = now()
    var workers: [pthread_t] = []
    for _ in 1..<max(1, threads) {
      var worker = pthread_t()
      let box = Unmanaged.passRetained(Box(body))
      pthread_create(
        &worker, nil,
        { argument in
          guard let argument else { return nil }
          Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
          return nil
        }, box.toOpaque())
      workers.append(worker)
    }
    body()
    for worker in workers { pthread_join(worker, nil) }
    return now() - start
  }
}

/// Numbers threads as they come.
private final class Counter: @unchecked Sendable {
  var value = 0
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  init() { pthread_mutex_init(mutex, nil) }
  deinit { mutex.deallocate() }

  func take() -> Int {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    value += 1
    return value - 1
  }
}
