// SPDX-License-Identifier: Apache-2.0
import Compute
package import Streams

extension BaseModel {
  /// What can be said of a model without computing: the members of an object.
  ///
  /// - Parameter digest: that of ``digest()``, which reads the files.
  package func describe(to writer: inout JSONWriter, digest: String) {
    writer.field("path", path)
    writer.field("base", digest)
    writer.field("format", isGGUF ? "gguf" : "safetensors")
    writer.field("family", config.family)
    writer.field("parameters", parameterCount)
    writer.object("bytes") { writer in
      for (format, bytes) in bytesByFormat { writer.field(format.rawValue, bytes) }
    }
    writer.field("layers", config.layerCount)
    writer.field("hidden_size", config.hiddenSize)
    writer.field("intermediate_size", config.intermediateSize)
    writer.field("heads", config.headCount)
    writer.field("key_value_heads", config.keyValueHeadCount)
    writer.field("head_size", config.headSize)
    writer.field("vocabulary", config.vocabularySize)
    writer.field("tied_head", config.hasTiedHead)
    writer.field("context", config.maximumContext)
    writer.field("window", ifPresent: config.windows.compactMap { $0 }.min())
    writer.field("layers_with_window", config.windows.count { $0 != nil })
    writer.array("rope") { writer in
      for (index, rope) in config.ropes.enumerated() {
        writer.object { writer in
          writer.field("scaling", rope.scaling.name)
          writer.field("theta", rope.theta)
          writer.field("dimensions", rope.rotarySize)
          writer.field("layers", config.ropeOfLayer.count { $0 == index })
        }
      }
    }
    writer.array("modules") { writer in
      for module in config.modules {
        writer.object { writer in
          writer.field("name", module.name)
          writer.field("in", config.inputs(of: module.stage))
          writer.field("out", module.outputs)
          if module.hasBias { writer.field("bias", true) }
        }
      }
    }
  }

  /// Values of the tensors that the decoder reads.
  package var parameterCount: Int {
    store.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
  }

  /// Bytes of the tensors that the decoder reads, by how their values are kept.
  private var bytesByFormat: [(WeightFormat, Int)] {
    WeightFormat.allCases.compactMap { format in
      let bytes = store.tensors.reduce(0) { $0 + ($1.format == format ? $1.bytes.count : 0) }
      return bytes > 0 ? (format, bytes) : nil
    }
  }
}

extension RopeScaling {
  /// The name that config.json has for it.
  var name: String {
    switch self {
    case .none: "default"
    case .linear: "linear"
    case .llama3: "llama3"
    case .dynamic: "dynamic"
    case .yarn: "yarn"
    case .divisors: "divisors"
    case .longRope: "longrope"
    }
  }
}

extension LoRAModule {
  /// What is adapted, by the modules' names, ranks and scales, as the elements of an array.
  package static func describe(
    _ modules: [LoRAModule], of config: DecoderConfig, to writer: inout JSONWriter
  ) {
    var groups: [(first: LoRAModule, layers: Int)] = []
    for module in modules {
      let place = groups.firstIndex {
        $0.first.module == module.module && $0.first.rank == module.rank
          && $0.first.scale == module.scale
      }
      if let place { groups[place].layers += 1 } else { groups.append((module, 1)) }
    }
    for (module, layers) in groups {
      writer.object { writer in
        writer.field("name", config.modules[module.module].name)
        writer.field("layers", layers)
        writer.field("rank", module.rank)
        writer.field("scale", module.scale)
        writer.field("parameters", layers * module.parameterCount)
      }
    }
  }
}
