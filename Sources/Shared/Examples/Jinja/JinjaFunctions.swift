// SPDX-License-Identifier: Apache-2.0

/// The global functions that chat templates may call.
///
/// `strftime_now` always tells Friday, 26 July 2024, 00:00:00: what a model sees may not depend on
/// the day on which a run is repeated. It is the date that the templates of Llama 3 write where no
/// clock is at hand.
enum JinjaFunctions {
  static let names = ["namespace", "dict", "range", "raise_exception", "strftime_now"]
  /// As the sandbox of Jinja has it.
  static let longestRange = 100_000

  static func date(_ format: [UInt8]) -> [UInt8]? {
    var result: [UInt8] = []
    var index = 0
    while index < format.count {
      guard format[index] == UInt8(ascii: "%"), index + 1 < format.count else {
        result.append(format[index])
        index += 1
        continue
      }
      guard let text = dateParts[format[index + 1]] else { return nil }
      result += Array(text.utf8)
      index += 2
    }
    return result
  }

  private static let dateParts: [UInt8: String] = [
    UInt8(ascii: "d"): "26", UInt8(ascii: "e"): "26", UInt8(ascii: "b"): "Jul",
    UInt8(ascii: "B"): "July", UInt8(ascii: "m"): "07", UInt8(ascii: "Y"): "2024",
    UInt8(ascii: "y"): "24", UInt8(ascii: "A"): "Friday", UInt8(ascii: "a"): "Fri",
    UInt8(ascii: "H"): "00", UInt8(ascii: "I"): "12", UInt8(ascii: "M"): "00",
    UInt8(ascii: "S"): "00", UInt8(ascii: "p"): "AM", UInt8(ascii: "j"): "208",
    UInt8(ascii: "F"): "2024-07-26", UInt8(ascii: "T"): "00:00:00", UInt8(ascii: "%"): "%",
  ]
}

extension JinjaEvaluator {
  mutating func callFunction(
    _ name: String, _ arguments: Values
  ) throws(JinjaError) -> JinjaValue {
    switch name {
    case "namespace":
      let namespace = JinjaNamespace()
      if case .map(let map)? = arguments.positional.first {
        for (key, value) in map.members {
          namespace.members[String(decoding: key, as: UTF8.self)] = value
        }
      }
      for (name, value) in arguments.named {
        if value.depth >= JinjaList.depthLimit {
          throw failure("cannot put \(value.typeName) into a namespace")
        }
        namespace.members[name] = value
      }
      return .namespace(namespace)
    case "dict":
      var members: [(key: [UInt8], value: JinjaValue)] = []
      if case .map(let map)? = arguments.positional.first { members = map.members }
      return try map(members + arguments.named.map { (Array($0.name.utf8), $0.value) })
    case "range":
      var bounds: [Int] = []
      for argument in arguments.positional {
        guard let bound = argument.int else { throw failure("range needs integers") }
        bounds.append(bound)
      }
      guard (1...3).contains(bounds.count), bounds.count < 3 || bounds[2] != 0 else {
        throw failure("range needs one to three integers")
      }
      let first = bounds.count > 1 ? bounds[0] : 0
      let last = bounds.count > 1 ? bounds[1] : bounds[0]
      let span = last.subtractingReportingOverflow(first)
      let stride = bounds.count > 2 ? bounds[2] : 1
      guard !span.overflow, span.partialValue.magnitude / stride.magnitude
        <= UInt(JinjaFunctions.longestRange)
      else { throw JinjaError(.limit("a range that is too long"), line: line) }
      return try list(Swift.stride(from: first, to: last, by: stride).map { .integer($0) })
    case "raise_exception":
      let reason = try arguments.positional.first.map { (value) throws(JinjaError) in
        try text(of: value)
      }
      throw JinjaError(
        .refused(reason.map { String(decoding: $0, as: UTF8.self) } ?? "refused"), line: line)
    default:
      guard case .text(let format)? = arguments.positional.first else {
        throw failure("strftime_now needs a format")
      }
      guard let date = JinjaFunctions.date(format) else {
        throw JinjaError(
          .unsupported("strftime_now(\"\(String(decoding: format, as: UTF8.self))\")"), line: line)
      }
      return .text(date)
    }
  }
}
