// SPDX-License-Identifier: Apache-2.0

/// The methods of values that we have, with Python's meaning. Those that would change a value are
/// refused, as in the sandbox of transformers.
enum JinjaMethods {
  static let ofTexts: Set<String> = [
    "split", "rsplit", "splitlines", "strip", "lstrip", "rstrip", "startswith", "endswith",
    "replace", "upper", "lower", "title", "capitalize", "join", "find", "rfind", "index", "count",
    "isdigit", "isspace", "isalpha", "isalnum", "removeprefix", "removesuffix", "partition",
    "rpartition", "format",
  ]
  static let ofMaps: Set<String> = [
    "get", "items", "keys", "values", "copy", "pop", "update", "setdefault", "clear",
  ]
  static let ofLists: Set<String> = [
    "index", "count", "copy", "append", "insert", "extend", "pop", "remove", "clear", "sort",
    "reverse",
  ]
  static let ofLoops: Set<String> = ["cycle", "changed"]
}

extension JinjaEvaluator {
  mutating func callMethod(
    _ name: String, of value: JinjaValue, _ arguments: Values
  ) throws(JinjaError) -> JinjaValue {
    switch value {
    case .text(let text):
      try charge(text.count)
      return try callMethod(name, ofText: text, arguments)
    case .map(let map):
      switch name {
      case "get":
        guard let key = arguments[0, "key"] else { throw failure("get needs a key") }
        let fallback = arguments[1, "default"] ?? .none
        return JinjaMap.key(key).flatMap { map[$0] } ?? fallback
      case "items": return try pairs(map.members)
      case "keys": return try list(map.keys.map(JinjaMap.value(ofKey:)))
      case "values": return try list(map.members.map(\.value))
      case "copy": return value
      default: throw JinjaError(.unsupported("changing a mapping (\(name))"), line: line)
      }
    case .list(let list):
      switch name {
      case "copy": return value
      case "index", "count":
        guard let item = arguments[0, "value"] else { throw failure("\(name) needs a value") }
        var count = 0
        for (index, element) in list.elements.enumerated() where try equal(element, item) {
          if name == "index" { return .integer(index) }
          count += 1
        }
        if name == "index" { throw failure("the value is not in the list") }
        return .integer(count)
      default: throw JinjaError(.unsupported("changing a list (\(name))"), line: line)
      }
    case .loop(let loop) where name == "cycle" && !arguments.positional.isEmpty:
      return arguments.positional[loop.index % arguments.positional.count]
    default:
      throw JinjaError(.unsupported("the method \(name) of \(value.typeName)"), line: line)
    }
  }

  private func textArgument(
    _ arguments: Values, _ index: Int, _ name: String
  ) throws(JinjaError) -> [UInt8]? {
    switch arguments[index, name] {
    case .text(let text)?: return text
    case JinjaValue.none?, nil: return nil
    case let other?: throw failure("expected a string, found \(other.typeName)")
    }
  }

  private mutating func callMethod(
    _ name: String, ofText text: [UInt8], _ arguments: Values
  ) throws(JinjaError) -> JinjaValue {
    switch name {
    case "strip", "lstrip", "rstrip":
      let set = try textArgument(arguments, 0, "chars")
      return .text(JinjaText.strip(text, set, left: name != "rstrip", right: name != "lstrip"))
    case "format": return try formatted(text, arguments)
    case "upper": return .text(JinjaText.uppercase(text))
    case "lower": return .text(JinjaText.lowercase(text))
    case "title": return .text(JinjaText.title(text))
    case "capitalize": return .text(JinjaText.capitalize(text))
    case "isdigit", "isspace", "isalpha", "isalnum": return .bool(consists(text, name))
    case "join":
      guard let items = arguments.positional.first else { throw failure("join needs a list") }
      var parts: [[UInt8]] = []
      for element in try elements(of: items) {
        guard case .text(let part) = element else {
          throw failure("join needs strings, found \(element.typeName)")
        }
        parts.append(part)
        try charge(part.count + text.count)
      }
      return .text(Array(parts.joined(separator: text)))
    case "split", "rsplit", "splitlines", "partition", "rpartition":
      return try divided(text, name, arguments)
    default: break
    }
    if name == "startswith" || name == "endswith",
      case .list(let list)? = arguments.positional.first
    {
      for element in list.elements {
        guard case .text(let part) = element else { continue }
        if name == "startswith" ? text.starts(with: part) : ends(text, with: part) {
          return .bool(true)
        }
      }
      return .bool(false)
    }
    guard let part = try textArgument(arguments, 0, "old") else {
      throw failure("\(name) needs a string")
    }
    switch name {
    case "startswith": return .bool(text.starts(with: part))
    case "endswith": return .bool(ends(text, with: part))
    case "removeprefix":
      return .text(text.starts(with: part) ? Array(text.dropFirst(part.count)) : text)
    case "removesuffix":
      return .text(ends(text, with: part) ? Array(text.dropLast(part.count)) : text)
    case "replace":
      guard let new = try textArgument(arguments, 1, "new") else {
        throw failure("replace needs two strings")
      }
      return try replaced(text, part, new, arguments[2, "count"]?.int)
    case "count":
      return .integer(part.isEmpty ? 0 : JinjaText.split(text, by: part, limit: .max).count - 1)
    case "find", "index", "rfind":
      var found = JinjaText.find(part, in: text, from: 0)
      while name == "rfind", let last = found, !part.isEmpty,
        let next = JinjaText.find(part, in: text, from: last + 1)
      {
        found = next
      }
      if name == "index", found == nil { throw failure("the substring is not found") }
      return .integer(found.map { JinjaText.length(Array(text[..<$0])) } ?? -1)
    default: throw JinjaError(.unsupported("the method \(name) of a string"), line: line)
    }
  }

  /// `{}`, `{0}` and `{name}`; conversions and formats are refused.
  private mutating func formatted(
    _ text: [UInt8], _ arguments: Values
  ) throws(JinjaError) -> JinjaValue {
    var result: [UInt8] = []
    var next = 0
    var index = 0
    while index < text.count {
      let byte = text[index]
      index += 1
      let isBrace = byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}")
      if isBrace, index < text.count, text[index] == byte { index += 1 } else if isBrace {
        guard byte == UInt8(ascii: "{"),
          let end = text[index...].firstIndex(of: UInt8(ascii: "}"))
        else { throw failure("unmatched braces in format") }
        let name = String(decoding: text[index..<end], as: UTF8.self)
        index = end + 1
        var value: JinjaValue?
        if name.isEmpty {
          value = next < arguments.positional.count ? arguments.positional[next] : nil
          next += 1
        } else if let position = Int(name) {
          value = arguments.positional.indices.contains(position)
            ? arguments.positional[position] : nil
        } else {
          value = arguments.named.first { $0.name == name }?.value
        }
        guard let value else {
          throw JinjaError(.unsupported("the format field {\(name)}"), line: line)
        }
        result += try self.text(of: value)
        continue
      }
      result.append(byte)
    }
    try charge(result.count)
    return .text(result)
  }

  private func ends(_ text: [UInt8], with part: [UInt8]) -> Bool {
    text.suffix(part.count).elementsEqual(part) && text.count >= part.count
  }

  private func consists(_ text: [UInt8], _ name: String) -> Bool {
    if text.isEmpty { return false }
    return JinjaText.scalars(text).allSatisfy { scalar in
      let properties = scalar.properties
      let isDigit = properties.numericType == .decimal || properties.numericType == .digit
      let isLetter =
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
          true
        default: false
        }
      return switch name {
      case "isdigit": isDigit
      case "isspace": properties.isWhitespace
      case "isalpha": isLetter
      default: isLetter || properties.numericType != nil
      }
    }
  }

  private mutating func divided(
    _ text: [UInt8], _ name: String, _ arguments: Values
  ) throws(JinjaError) -> JinjaValue {
    let limit = arguments[1, "maxsplit"]?.int.map { $0 < 0 ? Int.max : $0 } ?? Int.max
    let separator = try textArgument(arguments, 0, "sep")
    if name == "splitlines" {
      var lines = text.split(separator: 0x0a, omittingEmptySubsequences: false)
      if lines.last?.isEmpty == true { lines.removeLast() }
      return try list(lines.map { .text(Array($0)) })
    }
    guard let separator else {
      if name == "rsplit", limit != .max {
        throw JinjaError(.unsupported("rsplit at white space with a limit"), line: line)
      }
      return try list(JinjaText.words(text, limit: limit).map { .text($0) })
    }
    if separator.isEmpty { throw failure("an empty separator") }
    var parts = JinjaText.split(text, by: separator, limit: name == "split" ? limit : .max)
    switch name {
    case "rsplit":
      if parts.count - 1 > limit {
        let head = parts[..<(parts.count - limit)].joined(separator: separator)
        parts = [Array(head)] + parts[(parts.count - limit)...]
      }
    case "partition", "rpartition":
      if parts.count == 1 {
        parts = name == "partition" ? [text, [], []] : [[], [], text]
      } else if name == "partition" {
        parts = [parts[0], separator, Array(parts[1...].joined(separator: separator))]
      } else {
        let head = parts.dropLast().joined(separator: separator)
        parts = [Array(head), separator, parts[parts.count - 1]]
      }
    default: break
    }
    return try list(parts.map { .text($0) })
  }
}
