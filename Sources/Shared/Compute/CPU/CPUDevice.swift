// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The processor: kernels on vectors of 16 floats, products by its own or OpenBLAS's, spread over threads.
///
/// Work is cut into tiles by its shape alone, and each tile is computed by one thread in a fixed
/// order, so results are the same bits for any number of threads.
package final class CPUDevice: Device {
  let loop: ParallelFor
  let blas: OpenBLAS
  /// What the products with frozen matrices and those of attention compute with.
  package let precision: Precision
  private let hostMemory: HostMemory
  private var matrices: [HostMatrix] = []
  private let workerStorage: Scratch
  private let sharedStorage: Scratch

  /// - Parameter precision: what is wanted; where the processor has no instructions for it, ``precision``
  ///   is float32.
  /// - Throws: ``DeviceError/libraryMissing(name:reason:)`` where OpenBLAS is not installed.
  package init(threads: Int, precision: Precision = .float32) throws(DeviceError) {
    blas = try OpenBLAS()
    self.precision = Processor.hasBFloat16 ? precision : .float32
    loop = ParallelFor(threads: threads)
    hostMemory = HostMemory()
    workerStorage = Scratch()
    sharedStorage = Scratch()
  }

  private init(rehearsing other: CPUDevice) {
    blas = other.blas
    precision = other.precision
    loop = ParallelFor(idleThreads: other.loop.threads)
    hostMemory = HostMemory(isRehearsal: true)
    workerStorage = Scratch(isRehearsal: true)
    sharedStorage = Scratch(isRehearsal: true)
    matrices = other.matrices
  }

  package func rehearsal() -> (any Device)? { CPUDevice(rehearsing: self) }

  package var memory: DeviceMemory {
    var memory = DeviceMemory()
    memory.bufferBytes = hostMemory.byteCount
    memory.workBytes = workerStorage.byteCount + sharedStorage.byteCount
    for use in memory.workDemands.indices {
      memory.workDemands[use] = workerStorage.demands[use] + sharedStorage.demands[use]
    }
    memory.allocations =
      hostMemory.allocationCount + workerStorage.enlargements + sharedStorage.enlargements
    return memory
  }

  package var summary: String {
    let products = precision == .bfloat16 ? "bfloat16 (avx512_bf16), else float32" : "float32"
    let own = Processor.hasWideVectors ? "own kernels (avx512), " : ""
    return "cpu: \(products), \(loop.threads) threads, \(own)\(blas.configuration), core \(blas.core)"
  }

  /// `count` floats for each worker, valid until the next call.
  func workerScratch(_ count: Int, for use: WorkStorage = .other) -> WorkerScratch {
    // An odd number of cache lines apart, lest all workers use the same sets of their caches.
    let stride = ScratchCursor.padded(count) | 16
    return WorkerScratch(start: workerStorage.floats(stride * loop.threads, for: use), stride: stride)
  }

  /// `count` floats that all workers share, valid until the next call.
  func sharedScratch(
    _ count: Int, for use: WorkStorage = .other
  ) -> UnsafeMutablePointer<Float> { sharedStorage.floats(count, for: use) }

  /// The loaded matrix that `matrix` is a view of.
  func host(_ matrix: Matrix) -> HostMatrix {
    precondition(matrices.indices.contains(matrix.id), "a matrix of another device")
    return matrices[matrix.id]
  }

  // MARK: Memory

  package func allocate(_ count: Int, label: String) throws(DeviceError) -> Buffer {
    try hostMemory.allocate(count, label: label)
  }

  package func release(_ buffer: Buffer) { hostMemory.release(buffer) }

  package func load(_ matrix: HostMatrix) throws(DeviceError) -> Matrix {
    matrices.append(matrix)
    return Matrix(
      id: matrices.count - 1, firstRow: 0, rows: matrix.rows, columns: matrix.columns)
  }

  package func write(_ values: UnsafeBufferPointer<Float>, to buffer: Buffer) {
    precondition(values.count == buffer.count, "counts differ")
    if let source = values.baseAddress { buffer.pointer.update(from: source, count: values.count) }
  }

  package func read(_ buffer: Buffer) -> [Float] {
    Array(UnsafeBufferPointer(start: buffer.pointer, count: buffer.count))
  }

  package func fill(_ buffer: Buffer, with value: Float) {
    let start = buffer.pointer
    loop.chunks(of: buffer.count, by: elementChunk) { range in
      (start + range.lowerBound).update(repeating: value, count: range.count)
    }
  }

  package func copy(_ source: Buffer, to destination: Buffer) {
    precondition(source.count == destination.count, "counts differ")
    let (from, to) = (source.pointer, destination.pointer)
    loop.chunks(of: source.count, by: elementChunk) { range in
      (to + range.lowerBound).update(from: from + range.lowerBound, count: range.count)
    }
  }
}

/// Values of an element-wise operation that one task computes.
let elementChunk = 1 << 14

/// Rows of `width` values that one task of a row-wise operation computes: about `elementChunk`
/// values.
func rowChunk(width: Int) -> Int { max(1, elementChunk / max(width, 1)) }
