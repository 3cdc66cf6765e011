// SPDX-License-Identifier: Apache-2.0
import CInstructions
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

/// What the machine reaches at best with some threads, measured here and now: other programs on the
/// machine slow both this and the operation beside it.
struct Peak {
  /// Fused multiply-adds of float32 on registers, GFLOP/s.
  let float32: Double
  /// Dot products of bfloat16 pairs on registers, GFLOP/s; 0 where the processor has none.
  let bfloat16: Double

  static func measure(threads: Int) -> Peak {
    let calls = 1_000_000
    let flops = Double(threads) * Double(calls) * 16 * 16 * 2
    func rate(_ flops: Double, _ body: @escaping @Sendable () -> Void) -> Double {
      let seconds = (0..<5).map { _ in run(threads: threads, body) }.min() ?? .infinity
      return flops / seconds / 1e9
    }
    return Peak(
      float32: rate(flops) { _ = multiplyAdds(calls) },
      bfloat16: cl_has_bf16_instructions == 1 ? rate(2 * flops) { _ = pairDots(calls) } : 0)
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

  /// 16 chains of dot products of 16 pairs.
  @inline(never)
  private static func pairDots(_ calls: Int) -> Float {
    let (a, b) = (SIMD16<Int32>(repeating: 0x3c00_3c00), SIMD16<Int32>(repeating: 0x3d00_3d00))
    var (c0, c1, c2, c3) = (SIMD16<Float>.zero, SIMD16<Float>.zero, SIMD16<Float>.zero, SIMD16<Float>.zero)
    var (c4, c5, c6, c7) = (c0, c1, c2, c3)
    var (d0, d1, d2, d3) = (c0, c1, c2, c3)
    var (d4, d5, d6, d7) = (c0, c1, c2, c3)
    for _ in 0..<calls {
      c0 = cl_bf16_dot(c0, a, b)
      c1 = cl_bf16_dot(c1, a, b)
      c2 = cl_bf16_dot(c2, a, b)
      c3 = cl_bf16_dot(c3, a, b)
      c4 = cl_bf16_dot(c4, a, b)
      c5 = cl_bf16_dot(c5, a, b)
      c6 = cl_bf16_dot(c6, a, b)
      c7 = cl_bf16_dot(c7, a, b)
      d0 = cl_bf16_dot(d0, a, b)
      d1 = cl_bf16_dot(d1, a, b)
      d2 = cl_bf16_dot(d2, a, b)
      d3 = cl_bf16_dot(d3, a, b)
      d4 = cl_bf16_dot(d4, a, b)
      d5 = cl_bf16_dot(d5, a, b)
      d6 = cl_bf16_dot(d6, a, b)
      d7 = cl_bf16_dot(d7, a, b)
    }
    let first = c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7
    return (first + d0 + d1 + d2 + d3 + d4 + d5 + d6 + d7).sum()
  }

  /// Seconds until `threads` threads have each run `body`.
  static func run(threads: Int, _ body: @escaping @Sendable () -> Void) -> Double {
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

/// What memory gives at best: large arrays, a few of each thread's own, kept for the whole run.
final class MemoryPeak {
  /// GB/s of reading alone, of `y += x` (two read, one written), and of filling.
  struct Rates {
    let read: Double
    let update: Double
    let write: Double
  }

  private static let floats = 1 << 23
  private let threads: Int
  private let arrays: [UInt]
  private let index = Counter()

  init(threads: Int) {
    self.threads = threads
    arrays = (0..<2 * threads).map { _ in
      let array = UnsafeMutablePointer<Float>.allocate(capacity: Self.floats)
      array.initialize(repeating: 1, count: Self.floats)
      return UInt(bitPattern: array)
    }
  }

  deinit {
    for array in arrays { UnsafeMutablePointer<Float>(bitPattern: array)?.deallocate() }
  }

  func measure() -> Rates {
    Rates(
      read: rate(arraysMoved: 2) { x, y in
        var (a, b) = (SIMD16<Float>.zero, SIMD16<Float>.zero)
        for j in stride(from: 0, to: Self.floats, by: 16) {
          a += UnsafeRawPointer(x + j).loadUnaligned(as: SIMD16<Float>.self)
          b += UnsafeRawPointer(y + j).loadUnaligned(as: SIMD16<Float>.self)
        }
        if (a + b).sum() == -1 { y[0] = 1 }  // else the sums would not be needed
      },
      update: rate(arraysMoved: 3) { x, y in for j in 0..<Self.floats { y[j] += x[j] } },
      write: rate(arraysMoved: 2) { x, y in
        x.update(repeating: 1, count: Self.floats)
        y.update(repeating: 1, count: Self.floats)
      })
  }

  private func rate(
    arraysMoved: Int,
    _ body: @escaping @Sendable (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) -> Void
  ) -> Double {
    let (arrays, index) = (arrays, index)
    let seconds = (0..<4).map { _ in
      index.value = 0
      return Peak.run(threads: threads) {
        let i = index.take()
        guard let x = UnsafeMutablePointer<Float>(bitPattern: arrays[2 * i]),
          let y = UnsafeMutablePointer<Float>(bitPattern: arrays[2 * i + 1])
        else { return }
        body(x, y)
      }
    }.min() ?? .infinity
    return Double(4 * arraysMoved * Self.floats * threads) / seconds / 1e9
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
