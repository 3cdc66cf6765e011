// SPDX-License-Identifier: Apache-2.0

/// What an adapter's configuration says of modules by name, as PEFT reads it: targets, exclusions,
/// layers, ranks and alphas.
///
/// Regular expressions are Python's as far as Swift's engine knows them, which goes beyond what module
/// paths need. Made once for many modules; not for use on several threads.
package struct ModuleMatcher {
  private let config: AdapterConfig
  private let targets: Names
  private let excluded: Names?
  private let layersPatterns: [ModuleKey]
  private let ranks: [(key: ModuleKey, value: Int)]
  private let alphas: [(key: ModuleKey, value: Double)]

  /// - Throws: ``AdapterError/Problem/invalidSetting(key:expected:)`` for an expression that cannot be
  ///   understood.
  package init(_ config: AdapterConfig) throws(AdapterError.Problem) {
    self.config = config
    targets = try Names(config.targets, setting: "target_modules")
    if let modules = config.excluded {
      excluded = try Names(modules, setting: "exclude_modules")
    } else {
      excluded = nil
    }
    var layersPatterns: [ModuleKey] = []
    for pattern in config.layersPatterns {
      layersPatterns.append(try ModuleKey(pattern, setting: "layers_pattern"))
    }
    self.layersPatterns = layersPatterns
    var ranks: [(key: ModuleKey, value: Int)] = []
    for item in config.rankOverrides {
      ranks.append((try ModuleKey(item.key, setting: "rank_pattern"), item.value))
    }
    self.ranks = ranks
    var alphas: [(key: ModuleKey, value: Double)] = []
    for item in config.alphaOverrides {
      alphas.append((try ModuleKey(item.key, setting: "alpha_pattern"), item.value))
    }
    self.alphas = alphas
  }

  /// Whether the module with this path gets an adapter.
  package func isTarget(_ path: String) -> Bool {
    if excluded?.contain(path) == true { return false }
    guard targets.contain(path) else { return false }
    // A module that the list names in full is taken whatever its layer.
    guard let layers = config.layers, !targets.name(path) else { return true }
    guard let layer = layer(of: path) else { return false }
    return layers.contains(layer)
  }

  /// `r`, or that of the first key of `rank_pattern` that matches.
  package func rank(of path: String) -> Int {
    ranks.first { $0.key.matches(path) }?.value ?? config.rank
  }

  /// `lora_alpha`, or that of the first key of `alpha_pattern` that matches.
  package func alpha(of path: String) -> Double {
    alphas.first { $0.key.matches(path) }?.value ?? config.alpha
  }

  /// The first number in a path that follows a part, or one that `layers_pattern` names.
  private func layer(of path: String) -> Int? {
    let parts = path.split(separator: ".", omittingEmptySubsequences: false)
    for (index, part) in parts.enumerated().dropFirst().dropLast() {
      guard let number = Int(part), number >= 0 else { continue }
      let before = parts[..<index].joined(separator: ".")
      if layersPatterns.isEmpty ? index >= 2 : layersPatterns.contains(where: { $0.matches(before) }) {
        return number
      }
    }
    return nil
  }
}

/// A list of names, or an expression that whole paths match.
private struct Names {
  private let names: [String]
  private let expression: Regex<AnyRegexOutput>?
  private let isEverything: Bool

  init(_ targets: AdapterConfig.Targets, setting: String) throws(AdapterError.Problem) {
    switch targets {
    case .modules(let names):
      (self.names, expression, isEverything) = (names, nil, false)
    case .pattern("all-linear"):
      (names, expression, isEverything) = ([], nil, true)
    case .pattern(let text):
      names = []
      expression = try ModuleKey.expression(text, setting: setting)
      isEverything = false
    }
  }

  func contain(_ path: String) -> Bool {
    if isEverything { return true }
    if let expression { return (try? expression.wholeMatch(in: path)) != nil }
    return names.contains { path == $0 || path.hasSuffix("." + $0) }
  }

  /// Whether the list has the whole path.
  func name(_ path: String) -> Bool { names.contains(path) }
}

/// A key of `rank_pattern` or `alpha_pattern`: an expression that matches a path, or what follows some
/// dot in it, to the end.
struct ModuleKey {
  /// The key itself where it is plain text.
  private let plain: String?
  private let expression: Regex<AnyRegexOutput>?
  private static let longest = 4096

  init(_ key: String, setting: String) throws(AdapterError.Problem) {
    if key.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." }) {
      (plain, expression) = (key, nil)
    } else {
      plain = nil
      expression = try Self.expression("(.*\\.)?(\(key))", setting: setting)
    }
  }

  func matches(_ path: String) -> Bool {
    if let plain { return path == plain || path.hasSuffix("." + plain) }
    return expression.map { (try? $0.wholeMatch(in: path)) != nil } ?? false
  }

  static func expression(
    _ text: String, setting: String
  ) throws(AdapterError.Problem) -> Regex<AnyRegexOutput> {
    guard text.utf8.count <= longest, let expression = try? Regex(text) else {
      throw .invalidSetting(
        key: setting, expected: "a regular expression that we understand, found \"\(text.prefix(80))\"")
    }
    return expression
  }
}
