// SPDX-License-Identifier: Apache-2.0
import Adapters
import Testing

/// Names of modules as PEFT 0.21 reads them; the expected values come from its
/// `check_target_module_exists` and `get_pattern_key`.
@Suite struct ModuleMatcherTests {
  private func matcher(
    _ targets: AdapterConfig.Targets, change: (inout AdapterConfig) -> Void = { _ in }
  ) throws -> ModuleMatcher {
    var config = AdapterConfig(rank: 4, alpha: 8, targets: targets)
    change(&config)
    return try ModuleMatcher(config)
  }

  private static let q0 = "model.layers.0.self_attn.q_proj"
  private static let q11 = "model.layers.11.self_attn.q_proj"
  private static let up1 = "model.layers.1.mlp.up_proj"

  @Test(arguments: [
    (#".*\.(q|v)_proj"#, [true, true, false]),
    (#"model\.layers\.\d\..*"#, [true, false, true]),
    (#"q_proj"#, [false, false, false]),
    (#".*layers\.(?!0\.).*"#, [false, true, true]),
    ("all-linear", [true, true, true]),
  ])
  func anExpressionMatchesWholePaths(text: String, expected: [Bool]) throws {
    let matcher = try matcher(.pattern(text))
    #expect([Self.q0, Self.q11, Self.up1].map(matcher.isTarget) == expected)
  }

  @Test func exclusionsAndLayersLimitTargets() throws {
    let both = AdapterConfig.Targets.modules(["q_proj", "up_proj"])
    var found = try matcher(both) { $0.excluded = .modules(["layers.1.mlp.up_proj"]) }
    #expect([Self.q0, Self.q11, Self.up1].map(found.isTarget) == [true, true, false])
    found = try matcher(both) { $0.excluded = .pattern(#".*\.1\d\..*"#) }
    #expect([Self.q0, Self.q11, Self.up1].map(found.isTarget) == [true, false, true])
    found = try matcher(both) { $0.layers = [11] }
    #expect([Self.q0, Self.q11, Self.up1].map(found.isTarget) == [false, true, false])
    found = try matcher(both) {
      $0.layers = [1]
      $0.layersPatterns = ["layers"]
    }
    #expect([Self.q0, Self.q11, Self.up1].map(found.isTarget) == [false, false, true])
    found = try matcher(both) {
      $0.layers = [1]
      $0.layersPatterns = ["blocks"]
    }
    #expect([Self.q0, Self.q11, Self.up1].map(found.isTarget) == [false, false, false])
    // A path that stands in the list in full is taken whatever its layer.
    found = try matcher(.modules([Self.q0, "up_proj"])) { $0.layers = [1] }
    #expect([Self.q0, Self.q11, Self.up1].map(found.isTarget) == [true, false, true])
  }

  @Test func theFirstKeyThatMatchesDecides() throws {
    let found = try matcher(.pattern("all-linear")) {
      $0.rankOverrides = [
        .init(key: #"layers\.[0-3]\..*"#, value: 2), .init(key: "q_proj", value: 6),
        .init(key: "up_proj", value: 7),
      ]
      $0.alphaOverrides = [.init(key: #"^model\.layers\.11\..*$"#, value: 32)]
    }
    #expect([Self.q0, Self.q11, Self.up1].map(found.rank) == [2, 6, 2])
    #expect([Self.q0, Self.q11, Self.up1].map(found.alpha) == [8, 32, 8])
    // As with PEFT's `(.*\.)?(key)$`, what precedes must end with a dot.
    #expect(found.rank(of: "model.layers.9.self_attn.xq_proj") == 4)
  }

  @Test(arguments: ["(", "[", "a{2,1}", "*"])
  func whatIsNoExpressionIsRefused(text: String) {
    #expect(throws: AdapterError.Problem.self) { try matcher(.pattern(text)) }
  }
}
