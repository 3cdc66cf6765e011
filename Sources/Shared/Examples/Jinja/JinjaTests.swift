// SPDX-License-Identifier: Apache-2.0

/// The tests that we have (`x is name`).
enum JinjaTests {
  static let names: Set<String> = [
    "defined", "undefined", "none", "true", "false", "boolean", "integer", "float", "number",
    "string", "mapping", "sequence", "iterable", "callable", "odd", "even", "divisibleby", "in",
    "eq", "equalto", "==", "ne", "!=", "lt", "lessthan", "le", "gt", "greaterthan", "ge", "sameas",
    "upper", "lower",
  ]
}

extension JinjaEvaluator {
  mutating func test(
    _ value: JinjaValue, _ name: String, _ argument: JinjaValue?
  ) throws(JinjaError) -> Bool {
    switch name {
    case "defined": if case .undefined = value { return false } else { return true }
    case "undefined": if case .undefined = value { return true } else { return false }
    case "none": if case .none = value { return true } else { return false }
    case "true": if case .bool(true) = value { return true } else { return false }
    case "false": if case .bool(false) = value { return true } else { return false }
    case "boolean": if case .bool = value { return true } else { return false }
    case "integer": if case .integer = value { return true } else { return false }
    case "float": if case .float = value { return true } else { return false }
    case "number": return value.number != nil
    case "string": if case .text = value { return true } else { return false }
    case "mapping": if case .map = value { return true } else { return false }
    case "callable":
      switch value {
      case .macro, .caller, .function, .method: return true
      default: return false
      }
    case "sequence", "iterable":
      switch value {
      case .text, .list, .map, .undefined: return true
      default: return false
      }
    case "odd", "even", "divisibleby":
      guard let integer = value.int else { throw failure("\(name) needs an integer") }
      if name != "divisibleby" { return (integer % 2 != 0) == (name == "odd") }
      guard let divisor = argument?.int, divisor != 0 else { throw failure("a divisor is missing") }
      return integer.remainderReportingOverflow(dividingBy: divisor).partialValue == 0
    case "upper", "lower":
      let text = try text(of: value)
      let folded = name == "upper" ? JinjaText.uppercase(text) : JinjaText.lowercase(text)
      return folded == text && JinjaText.scalars(text).contains { $0.properties.isCased }
    default: return try compare(value, name, argument)
    }
  }

  private mutating func compare(
    _ value: JinjaValue, _ name: String, _ argument: JinjaValue?
  ) throws(JinjaError) -> Bool {
    guard JinjaTests.names.contains(name) else {
      throw JinjaError(.unsupported("the test \(name)"), line: line)
    }
    guard let argument else { throw failure("the test \(name) needs an argument") }
    switch name {
    case "in": return try contains(argument, value)
    case "ne", "!=": return try !equal(value, argument)
    case "lt", "lessthan": return try precedes(value, argument)
    case "le": return try !precedes(argument, value)
    case "gt", "greaterthan": return try precedes(argument, value)
    case "ge": return try !precedes(value, argument)
    case "sameas":
      // Identity of what has none here is equality of the same type.
      return value.typeName == argument.typeName ? try equal(value, argument) : false
    default: return try equal(value, argument)
    }
  }
}
