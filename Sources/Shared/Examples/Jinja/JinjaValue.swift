// SPDX-License-Identifier: Apache-2.0

/// A value of a template. Texts are UTF-8 and compare by bytes; lists and maps do not change.
enum JinjaValue {
  /// A variable, attribute or item that is not there, by its name.
  case undefined(String)
  case none
  case bool(Bool)
  case integer(Int)
  case float(Double)
  case text([UInt8])
  case list(JinjaList)
  case map(JinjaMap)
  case namespace(JinjaNamespace)
  /// The `loop` variable.
  case loop(JinjaLoop)
  /// The index of a macro that the evaluator knows.
  case macro(Int)
  /// The body of a `call` block, as an index.
  case caller(Int)
  /// A global function.
  case function(String)
  /// A function of a value, such as `split` of a text.
  indirect case method(JinjaValue, String)

  static func text(_ text: String) -> JinjaValue { .text(Array(text.utf8)) }

  /// How deep lists and maps lie in this value; namespaces may not lie in any.
  var depth: Int {
    switch self {
    case .list(let list): list.depth
    case .map(let map): map.depth
    case .namespace, .loop: JinjaList.depthLimit
    case .method(let value, _): value.depth
    default: 0
    }
  }

  /// What the value is, in words of an error message.
  var typeName: String {
    switch self {
    case .undefined(let name): "undefined \"\(name)\""
    case .none: "none"
    case .bool: "a boolean"
    case .integer, .float: "a number"
    case .text: "a string"
    case .list: "a list"
    case .map: "a mapping"
    case .namespace: "a namespace"
    case .loop: "loop"
    case .macro, .caller, .function, .method: "a function"
    }
  }

  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let value): value
    case .integer(let value): value != 0
    case .float(let value): value != 0
    case .text(let text): !text.isEmpty
    case .list(let list): !list.elements.isEmpty
    case .map(let map): !map.keys.isEmpty
    default: true
    }
  }

  /// Booleans are numbers, as in Python.
  var int: Int? {
    switch self {
    case .integer(let value): value
    case .bool(let value): value ? 1 : 0
    default: nil
    }
  }

  var number: Double? {
    if case .float(let value) = self { return value }
    return int.map { Double($0) }
  }
}

final class JinjaList {
  let elements: [JinjaValue]
  let depth: Int
  /// A pair of a mapping's items, which Python writes with parentheses.
  let isTuple: Bool

  static let depthLimit = 64

  init(_ elements: [JinjaValue], isTuple: Bool = false) {
    self.elements = elements
    self.isTuple = isTuple
    depth = 1 + (elements.lazy.map(\.depth).max() ?? 0)
  }
}

/// Texts or integers to values, in the order of insertion.
///
/// An integer stands as a zero byte, which no template writes, and its digits.
final class JinjaMap {
  static func key(_ value: JinjaValue) -> [UInt8]? {
    if case .text(let text) = value { return text }
    return value.int.map { [0] + Array("\($0)".utf8) }
  }

  static func value(ofKey key: [UInt8]) -> JinjaValue {
    guard key.first == 0, let number = Int(String(decoding: key.dropFirst(), as: UTF8.self)) else {
      return .text(key)
    }
    return .integer(number)
  }

  private(set) var keys: [[UInt8]] = []
  private var values: [[UInt8]: JinjaValue] = [:]
  private(set) var depth = 1

  init(_ members: [(key: [UInt8], value: JinjaValue)]) {
    for (key, value) in members {
      if values.updateValue(value, forKey: key) == nil { keys.append(key) }
      depth = max(depth, value.depth + 1)
    }
  }

  subscript(key: [UInt8]) -> JinjaValue? { values[key] }

  var members: [(key: [UInt8], value: JinjaValue)] {
    keys.map { ($0, values[$0] ?? .none) }
  }
}

/// The only thing that changes: what `namespace()` makes and `set ns.x` writes to.
final class JinjaNamespace {
  var members: [String: JinjaValue] = [:]
}

/// What `loop` knows.
final class JinjaLoop {
  let items: [JinjaValue]
  var index = 0

  init(_ items: [JinjaValue]) { self.items = items }

  func attribute(_ name: String) -> JinjaValue {
    switch name {
    case "index": .integer(index + 1)
    case "index0": .integer(index)
    case "revindex": .integer(items.count - index)
    case "revindex0": .integer(items.count - index - 1)
    case "first": .bool(index == 0)
    case "last": .bool(index == items.count - 1)
    case "length": .integer(items.count)
    case "previtem": index > 0 ? items[index - 1] : .undefined("previtem")
    case "nextitem": index + 1 < items.count ? items[index + 1] : .undefined("nextitem")
    case "depth": .integer(1)
    case "depth0": .integer(0)
    default: .undefined(name)
    }
  }
}

/// Variables of a block, and the block around it.
final class JinjaScope {
  var variables: [String: JinjaValue] = [:]
  let parent: JinjaScope?

  init(parent: JinjaScope?) { self.parent = parent }

  func find(_ name: String) -> JinjaValue? {
    var scope: JinjaScope? = self
    while let found = scope {
      if let value = found.variables[name] { return value }
      scope = found.parent
    }
    return nil
  }
}
