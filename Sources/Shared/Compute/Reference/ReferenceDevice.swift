// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The oracle: every operation as plain loops over scalars, sums in float64, one thread.
///
/// Slow on purpose; nothing here is tuned. Other devices are tested against it.
package final class ReferenceDevice: Device {
  private let hostMemory = HostMemory()
  private(set) var matrices: [HostMatrix] = []

  package init() {}

  package var summary: String { "reference: scalar loops, float64 sums, 1 thread" }
  package var precision: Precision { .float32 }

  // MARK: Memory

  package var memory: DeviceMemory {
    var memory = DeviceMemory()
    memory.bufferBytes = hostMemory.byteCount
    memory.allocations = hostMemory.allocationCount
    return memory
  }

  package func rehearsal() -> (any Device)? { nil }

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
    for i in 0..<values.count { buffer.pointer[i] = values[i] }
  }

  package func read(_ buffer: Buffer) -> [Float] {
    Array(UnsafeBufferPointer(start: buffer.pointer, count: buffer.count))
  }

  package func fill(_ buffer: Buffer, with value: Float) {
    for i in 0..<buffer.count { buffer.pointer[i] = value }
  }

  package func copy(_ source: Buffer, to destination: Buffer) {
    precondition(source.count == destination.count, "counts differ")
    for i in 0..<source.count { destination.pointer[i] = source.pointer[i] }
  }

  /// Row `row` of the view `matrix` as floats.
  func row(_ row: Int, of matrix: Matrix) -> [Float] {
    precondition(row >= 0 && row < matrix.rows, "row outside matrix")
    return ReferenceDequantize.row(matrix.firstRow + row, of: matrices[matrix.id])
  }

  // MARK: Element by element

  package func add(_ y: Buffer, _ x: Buffer) {
    precondition(x.count == y.count, "counts differ")
    for i in 0..<y.count { y.pointer[i] += x.pointer[i] }
  }

  package func scale(_ x: Buffer, by factor: Float) {
    for i in 0..<x.count { x.pointer[i] *= factor }
  }

  package func sumOfSquares(_ x: Buffer) -> Double {
    var sum = 0.0
    for i in 0..<x.count { sum += Double(x.pointer[i]) * Double(x.pointer[i]) }
    return sum
  }

  package func gatherRows(_ out: Buffer, x: Buffer, rows: [Int32], columns: Int) {
    let out = out.values(rows.count * columns)
    for (m, row) in rows.enumerated() {
      let x = x.values((Int(row) + 1) * columns)
      for c in 0..<columns { out[m * columns + c] = x[Int(row) * columns + c] }
    }
  }

  package func scatterAddRows(_ x: Buffer, values: Buffer, rows: [Int32], columns: Int) {
    let values = values.values(rows.count * columns)
    for (m, row) in rows.enumerated() {
      let x = x.values((Int(row) + 1) * columns)
      for c in 0..<columns { x[Int(row) * columns + c] += values[m * columns + c] }
    }
  }

  package func gateForward(_ y: Buffer, gate: Buffer, up: Buffer, activation: GateActivation) {
    precondition(gate.count == y.count && up.count == y.count, "counts differ")
    for i in 0..<y.count {
      let (value, _) = Self.activate(Double(gate.pointer[i]), activation)
      y.pointer[i] = Float(value * Double(up.pointer[i]))
    }
  }

  package func gateBackward(
    dGate: Buffer, dUp: Buffer, dy: Buffer, gate: Buffer, up: Buffer, activation: GateActivation
  ) {
    precondition(gate.count == dy.count && up.count == dy.count, "counts differ")
    for i in 0..<dy.count {
      let (value, slope) = Self.activate(Double(gate.pointer[i]), activation)
      let dy = Double(dy.pointer[i])
      let up = Double(up.pointer[i])
      dGate.pointer[i] = Float(dy * up * slope)
      dUp.pointer[i] = Float(dy * value)
    }
  }

  /// The activation and its derivative.
  private static func activate(
    _ x: Double, _ activation: GateActivation
  ) -> (value: Double, slope: Double) {
    switch activation {
    case .silu:
      let sigmoid = 1 / (1 + exp(-x))
      return (x * sigmoid, sigmoid * (1 + x * (1 - sigmoid)))
    case .geluTanh:
      let root = (2 / Double.pi).squareRoot()
      let t = tanh(root * (x + 0.044715 * x * x * x))
      let inner = root * (1 + 3 * 0.044715 * x * x)
      return (0.5 * x * (1 + t), 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner)
    }
  }

  package func adamW(
    parameter: Buffer, gradient: Buffer, firstMoment: Buffer, secondMoment: Buffer,
    settings: AdamWSettings
  ) {
    let (beta1, beta2) = (settings.beta1, settings.beta2)
    let correction1 = 1 - pow(beta1, Double(settings.step))
    let correction2 = 1 - pow(beta2, Double(settings.step))
    for i in 0..<parameter.count {
      let g = Double(gradient.pointer[i])
      let m = beta1 * Double(firstMoment.pointer[i]) + (1 - beta1) * g
      let v = beta2 * Double(secondMoment.pointer[i]) + (1 - beta2) * g * g
      firstMoment.pointer[i] = Float(m)
      secondMoment.pointer[i] = Float(v)
      let decayed =
        Double(parameter.pointer[i]) * (1 - settings.learningRate * settings.weightDecay)
      let step = m / correction1 / ((v / correction2).squareRoot() + settings.epsilon)
      parameter.pointer[i] = Float(decayed - settings.learningRate * step)
    }
  }
}
