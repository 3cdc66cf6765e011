// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Where things lie, seen from a test.
package enum PackageLayout {
  /// The folder that holds Package.swift.
  package static let root: String = {
    var url = URL(fileURLWithPath: #filePath)
    for _ in 0..<3 { url.deleteLastPathComponent() }
    return url.path
  }()

  /// The folder with the built tools, beside the test bundle.
  package static let tools: String = {
    let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    return bundle.deletingLastPathComponent().path
  }()

  package static func fixture(_ name: String) -> String { "\(root)/Tests/Fixtures/\(name)" }

  /// Reference data that stands beside a checkout; nil where it does not.
  package static func shared(_ name: String) -> String? {
    let path = "\(root)/../shared/\(name)"
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }

  /// The real model that `make model` fetches; nil before that.
  package static var smolLM2: String? {
    let path = "\(root)/.cache/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }
}
