// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// A folder of Cases/: `cmd` is a shell line run in a copy of the folder with the tools on the PATH;
/// `expout` and `experr` are what it prints (default: nothing), `exit` its status (default 0), and
/// each file below `expect/` must exist afterwards with the same bytes.
///
/// `make golden-update` rewrites what is expected; read the difference before committing it.
struct GoldenCase: CustomTestStringConvertible, Sendable {
  let name: String
  var folder: String { "\(GoldenCase.root)/\(name)" }
  var testDescription: String { name }

  static let root = "\(PackageLayout.root)/Tests/GoldenTests/Cases"

  static let all: [GoldenCase] = {
    let found = (try? FileManager.default.subpathsOfDirectory(atPath: root)) ?? []
    return found.filter { $0.hasSuffix("/cmd") }.sorted().map {
      GoldenCase(name: String($0.dropLast(4)))
    }
  }()

  func text(_ file: String) -> String? {
    guard let data = FileManager.default.contents(atPath: "\(folder)/\(file)") else { return nil }
    return String(decoding: data, as: UTF8.self)
  }
}

@Suite struct GoldenTests {
  private static let isUpdating = ProcessInfo.processInfo.environment["GOLDEN_UPDATE"] == "1"

  @Test func casesWereFound() {
    #expect(GoldenCase.all.count > 0)
  }

  @Test(arguments: GoldenCase.all)
  func toolBehavesAsRecorded(golden: GoldenCase) throws {
    let work = try TemporaryDirectory()
    let folder = work.file("case")
    try FileManager.default.copyItem(atPath: golden.folder, toPath: folder)
    let command = try #require(golden.text("cmd"))
    let result = try ToolRunner.run(command, in: folder)
    if Self.isUpdating {
      try update(golden, with: result, in: folder)
      return
    }
    #expect(result.text == golden.text("expout") ?? "")
    #expect(result.errors == golden.text("experr") ?? "")
    let status = golden.text("exit")?.trimmingCharacters(in: .whitespacesAndNewlines) ?? "0"
    #expect("\(result.status)" == status)
    for file in expectedFiles(golden) {
      let found = FileManager.default.contents(atPath: "\(folder)/\(file)")
      let expected = FileManager.default.contents(atPath: "\(golden.folder)/expect/\(file)")
      #expect(found == expected, "\(file)")
    }
    let litter = try FileManager.default.subpathsOfDirectory(atPath: folder).filter {
      $0.hasSuffix(".tmp")
    }
    #expect(litter.isEmpty)
  }

  private func expectedFiles(_ golden: GoldenCase) -> [String] {
    let root = "\(golden.folder)/expect"
    let all = (try? FileManager.default.subpathsOfDirectory(atPath: root)) ?? []
    return all.sorted().filter {
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: "\(root)/\($0)", isDirectory: &isFolder)
        && !isFolder.boolValue
    }
  }

  private func update(_ golden: GoldenCase, with result: ToolResult, in folder: String) throws {
    func record(_ name: String, _ bytes: [UInt8]) throws {
      let url = URL(fileURLWithPath: "\(golden.folder)/\(name)")
      if bytes.isEmpty {
        try? FileManager.default.removeItem(at: url)
      } else {
        try Data(bytes).write(to: url)
      }
    }
    try record("expout", result.output)
    try record("experr", Array(result.errors.utf8))
    try record("exit", result.status == 0 ? [] : Array("\(result.status)\n".utf8))
    for file in expectedFiles(golden) {
      if let found = FileManager.default.contents(atPath: "\(folder)/\(file)") {
        try found.write(to: URL(fileURLWithPath: "\(golden.folder)/expect/\(file)"))
      }
    }
  }
}
