// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What a command left behind.
package struct ToolResult {
  package let status: Int32
  package let output: [UInt8]
  package let errors: String

  package var text: String { String(decoding: output, as: UTF8.self) }
}

/// Runs shell lines with the built tools on the PATH.
package enum ToolRunner {
  /// Runs `command` with `/bin/sh -c` in `folder`.
  ///
  /// Output goes to files, so that neither stream can fill a pipe and block. A signal's status is
  /// 128 + its number.
  package static func run(
    _ command: String, in folder: String, environment extra: [String: String] = [:]
  ) throws -> ToolResult {
    let scratch = try TemporaryDirectory()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", command]
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    var environment = ProcessInfo.processInfo.environment
    environment["PATH"] = "\(PackageLayout.tools):\(environment["PATH"] ?? "/usr/bin:/bin")"
    for (name, value) in extra { environment[name] = value }
    process.environment = environment
    process.standardInput = FileHandle.nullDevice
    for name in ["out", "err"] { try scratch.write(name, "") }
    guard let out = FileHandle(forWritingAtPath: scratch.file("out")),
      let err = FileHandle(forWritingAtPath: scratch.file("err"))
    else { throw CocoaError(.fileWriteUnknown) }
    process.standardOutput = out
    process.standardError = err
    try process.run()
    process.waitUntilExit()
    let signalled = process.terminationReason == .uncaughtSignal
    return ToolResult(
      status: signalled ? 128 + process.terminationStatus : process.terminationStatus,
      output: try scratch.read("out"),
      errors: String(decoding: try scratch.read("err"), as: UTF8.self))
  }
}
