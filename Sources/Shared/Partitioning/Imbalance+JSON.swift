// SPDX-License-Identifier: Apache-2.0
internal import Streams

extension Imbalance {
  func write(to writer: inout JSONWriter) {
    writer.array("axes") { writer in
      for axis in axes { writer.object { axis.write(to: &$0) } }
    }
    writer.array("joint") { writer in
      for pair in joint {
        writer.object { writer in
          writer.field("axes", pair.axes.map(\.name))
          pair.indices.write(to: &writer)
          writer.field("interaction", pair.interaction)
        }
      }
    }
    writer.array("quantity") { writer in
      for quantity in quantities {
        writer.object { writer in
          writer.field("of", quantity.name)
          writer.field("gini", quantity.indices.gini)
          writer.field("effective_clients", quantity.indices.effectiveClients)
        }
      }
    }
  }
}

extension Imbalance.OneAxis {
  fileprivate func write(to writer: inout JSONWriter) {
    binning.write(to: &writer)
    if let range {
      writer.number("minimum", range.low)
      writer.number("maximum", range.high)
    }
    counts.write("counts", to: &writer)
    indices.write(to: &writer)
    if let distance {
      writer.field("w1", distance)
      writer.field("w1_unit", axis.isCount ? "octaves" : "points")
    }
  }
}

extension InformationIndices {
  fileprivate func write(to writer: inout JSONWriter) {
    writer.field("gjs", divergence)
    writer.field("bias", bias)
    writer.field("njs", normalised)
    writer.field("hellinger", hellinger)
    writer.field("g", g)
    writer.field("df", degreesOfFreedom)
    writer.field("p", pValue)
  }
}

extension Binning {
  func write(to writer: inout JSONWriter) {
    writer.field("axis", axis.name)
    switch cuts {
    case .edges(let edges):
      writer.array("edges") { for edge in edges { $0.number(edge) } }
    case .categories(let names): writer.field("values", names)
    }
  }
}

extension CountMatrix {
  func write(_ name: String, to writer: inout JSONWriter) {
    writer.array(name) { writer in
      for client in 0..<clients {
        writer.array { for count in row(client) { $0.value(count) } }
      }
    }
  }
}

extension JSONWriter {
  /// A number without a fraction is written as an integer.
  fileprivate mutating func number(_ value: Double) {
    if let whole = Int(exactly: value) { self.value(whole) } else { self.value(value) }
  }

  mutating func number(_ name: String, _ value: Double) {
    key(name)
    number(value)
  }
}
