// SPDX-License-Identifier: Apache-2.0
import Compute
package import LanguageModels
import Safetensors
import Streams

/// The numbers of an optimizer, and of a run that was interrupted, as a safetensors file
/// (Documentation/formats/training-events.md, "Saved states").
///
/// Both hold the moments of every LoRA factor; a checkpoint also holds the factors and its place in
/// the run. What is read back continues exactly where it was left.
package struct SavedState: Sendable, Equatable {
  package enum Kind: String, Sendable {
    case optimizer, checkpoint
  }

  package var kind: Kind
  /// Digest of the base model.
  package var base: String
  /// Updates that the moments have seen.
  package var updates: Int
  /// By name, see ``names(_:_:)``.
  var tensors: [String: [Float]] = [:]
  /// Of a checkpoint: what identifies the run, steps done, and the log so far.
  package var run = ""
  package var stepsDone = 0
  package var lossFirst: Double?
  package var lossLast: Double?
  package var log: [UInt8] = []

  package init(kind: Kind, base: String, updates: Int) {
    self.kind = kind
    self.base = base
    self.updates = updates
  }

  static let metadataKey = "cl_state"
  static let version = 1

  /// Name, shape and place of each tensor of a kind of values, in the order of the modules.
  static func names(
    _ prefix: String, _ lora: LoRAParameters
  ) -> [(name: String, shape: [Int], range: Range<Int>)] {
    lora.modules.enumerated().flatMap { index, module in
      let name = "\(prefix).\(module.path)."
      let factors = [
        (name + "lora_A", [module.rank, module.inputs], lora.range(index, isA: true)),
        (name + "lora_B", [module.outputs, module.rank], lora.range(index, isA: false)),
      ]
      let magnitude = (
        name + "lora_magnitude_vector", [module.outputs], lora.magnitudeRange(index)
      )
      return module.isDecomposed ? factors + [magnitude] : factors
    }
  }

  // MARK: File

  /// Writes the state, whole or not at all.
  package func write(to path: String, lora: LoRAParameters) throws(TrainingError) {
    var output: [OutputTensor] = []
    for prefix in ["factor", "first_moment", "second_moment"] {
      for entry in Self.names(prefix, lora) {
        guard let values = tensors[entry.name] else { continue }
        output.append(OutputTensor(name: entry.name, shape: entry.shape, floats: values))
      }
    }
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("v", Self.version)
      writer.field("kind", kind.rawValue)
      writer.field("base", base)
      writer.field("updates", updates)
      if kind == .checkpoint {
        writer.field("run", run)
        writer.field("steps_done", stepsDone)
        writer.field("loss_first", ifPresent: lossFirst)
        writer.field("loss_last", ifPresent: lossLast)
        writer.field("log", String(decoding: log, as: UTF8.self))
      }
    }
    let metadata = [Self.metadataKey: String(decoding: writer.bytes, as: UTF8.self)]
    let sink: OutputSink
    do { sink = try OutputSink(path: path) } catch { throw .stream(error) }
    do {
      try SafetensorsWriter.write(output, metadata: metadata, to: sink)
    } catch {
      throw .safetensors(error)
    }
    do { try sink.close() } catch { throw .stream(error) }
  }

  /// Reads a state for the factors of `lora`.
  ///
  /// - Throws: ``TrainingError/foreignState(path:reason:)`` if it belongs to another base model or
  ///   to other factors, and what the file format throws.
  package init(
    path: String, kind: Kind, base: String, lora: LoRAParameters
  ) throws(TrainingError) {
    let file: SafetensorsFile
    do { file = try SafetensorsFile(path: path) } catch { throw .safetensors(error) }
    func foreign(_ reason: String) -> TrainingError { .foreignState(path: path, reason: reason) }
    guard let text = file.metadata[Self.metadataKey],
      let json = try? JSONValue(parsing: Array(text.utf8)), json["v"]?.int == Self.version,
      json["kind"]?.text == kind.rawValue, let updates = json["updates"]?.int, updates >= 0
    else { throw foreign("expected the \(kind.rawValue) state of cl-train, found something else") }
    guard json["base"]?.text == base else {
      throw foreign("this state belongs to another base model")
    }
    self.init(kind: kind, base: base, updates: updates)
    let prefixes = ["first_moment", "second_moment"] + (kind == .checkpoint ? ["factor"] : [])
    var count = 0
    for prefix in prefixes {
      for entry in Self.names(prefix, lora) {
        guard let view = file[entry.name], view.shape == entry.shape else {
          throw foreign("this state belongs to an adapter with other modules or ranks")
        }
        do { tensors[entry.name] = try view.floats() } catch { throw .safetensors(error) }
        count += 1
      }
    }
    guard count == file.tensors.count else {
      throw foreign("this state belongs to an adapter with other modules or ranks")
    }
    guard kind == .checkpoint else { return }
    guard let run = json["run"]?.text, let steps = json["steps_done"]?.int, steps >= 0 else {
      throw foreign("expected the place in the run, found none")
    }
    self.run = run
    stepsDone = steps
    lossFirst = json["loss_first"]?.number
    lossLast = json["loss_last"]?.number
    log = Array((json["log"]?.text ?? "").utf8)
  }

  // MARK: Device

  /// Takes values from buffers laid out like the factors of `lora`.
  mutating func take(
    _ prefix: String, from buffer: Buffer, lora: LoRAParameters, device: any Device
  ) {
    let values = device.read(buffer)
    for entry in Self.names(prefix, lora) {
      tensors[entry.name] = Array(values[entry.range])
    }
  }

  /// Puts values into a buffer laid out like the factors of `lora`.
  func put(_ prefix: String, into buffer: Buffer, lora: LoRAParameters, device: any Device) {
    for entry in Self.names(prefix, lora) {
      guard let values = tensors[entry.name] else { continue }
      values.withUnsafeBufferPointer {
        device.write($0, to: buffer.slice(at: entry.range.lowerBound, count: entry.range.count))
      }
    }
    lora.markChanged()
  }
}
