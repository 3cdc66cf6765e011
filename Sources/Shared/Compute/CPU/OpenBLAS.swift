// SPDX-License-Identifier: Apache-2.0
internal import COpenBLAS
import Glibc

/// OpenBLAS, opened at run time.
///
/// The library reads OPENBLAS_CORETYPE once, while it is loaded, and its own choice is a poor one on
/// processors younger than it: Debian's 0.3.21 takes AVX2 kernels on an AMD processor with AVX-512 and
/// so half of its speed. Hence the choice is made first and the library loaded then.
struct OpenBLAS {
  private typealias SGEMM =
    @convention(c) (
      openblas_int, openblas_int, openblas_int, openblas_int, openblas_int, openblas_int, Float,
      UnsafePointer<Float>, openblas_int, UnsafePointer<Float>, openblas_int, Float,
      UnsafeMutablePointer<Float>, openblas_int
    ) -> Void
  private typealias Name = @convention(c) () -> UnsafePointer<CChar>?
  private typealias SetThreads = @convention(c) (Int32) -> Void

  private let sgemm: SGEMM
  /// The kernels in use, for example `SkylakeX`.
  let core: String
  /// Version and build options, as the library tells them.
  let configuration: String

  /// CBLAS's names for orders and transpositions.
  private static let rowMajor: openblas_int = 101
  private static let plain: openblas_int = 111
  private static let transposed: openblas_int = 112

  init() throws(DeviceError) {
    let name = "libopenblas.so.0"
    // What the environment says does not count: it would change results unseen.
    unsetenv("OPENBLAS_L2_SIZE")
    if Processor.hasAVX512 {
      setenv("OPENBLAS_CORETYPE", "SKYLAKEX", 1)
    } else {
      unsetenv("OPENBLAS_CORETYPE")
    }
    // One thread a call: the calls themselves are spread over our threads.
    setenv("OPENBLAS_NUM_THREADS", "1", 1)
    guard let library = dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
      throw .libraryMissing(name: name, reason: dlerror().map { String(cString: $0) } ?? "unknown")
    }
    guard let sgemm = dlsym(library, "cblas_sgemm") else {
      throw .libraryMissing(name: name, reason: "it has no cblas_sgemm")
    }
    self.sgemm = unsafeBitCast(sgemm, to: SGEMM.self)
    if let setThreads = dlsym(library, "openblas_set_num_threads") {
      unsafeBitCast(setThreads, to: SetThreads.self)(1)
    }
    func text(_ symbol: String) -> String {
      guard let function = dlsym(library, symbol),
        let text = unsafeBitCast(function, to: Name.self)()
      else { return "unknown" }
      return String(cString: text)
    }
    core = text("openblas_get_corename")
    configuration = text("openblas_get_config").split(separator: " ").joined(separator: " ")
  }

  /// A row-major operand of a product: where it starts, and the distance of its rows.
  struct Operand {
    let start: UnsafePointer<Float>
    let stride: Int
    let isTransposed: Bool

    init(_ start: UnsafePointer<Float>, stride: Int, transposed: Bool = false) {
      self.start = start
      self.stride = stride
      isTransposed = transposed
    }
  }

  /// c (m, n) = alpha · a (m, k) · b (k, n) + beta · c, on the calling thread.
  ///
  /// `a` is stored (k, m) and `b` (n, k) where they are transposed. With `beta` 0 the old values of c
  /// do not matter. Any of m, n, k may be 0.
  func product(
    m: Int, n: Int, k: Int, alpha: Float = 1, _ a: Operand, _ b: Operand, beta: Float,
    _ c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    guard m > 0, n > 0 else { return }
    guard k > 0 else {
      for row in 0..<m {
        for column in 0..<n { c[row * stride + column] = beta == 0 ? 0 : beta * c[row * stride + column] }
      }
      return
    }
    sgemm(
      Self.rowMajor, a.isTransposed ? Self.transposed : Self.plain,
      b.isTransposed ? Self.transposed : Self.plain, openblas_int(m), openblas_int(n),
      openblas_int(k), alpha, a.start, openblas_int(a.stride), b.start, openblas_int(b.stride),
      beta, c, openblas_int(stride))
  }
}
