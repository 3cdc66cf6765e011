// SPDX-License-Identifier: Apache-2.0
package import ArgumentParser
internal import Glibc
package import Records
package import Streams

/// One of the five programs: options, and one function that does the work.
///
/// `main()` is the only place that exits: it parses, runs, checks that standard output took
/// everything, and turns errors into one line and a status.
package protocol ToolCommand: ParsableCommand {
  static var toolName: String { get }
  var common: CommonOptions { get }
  mutating func run(_ tool: Tool) throws
}

/// What a running tool may use of its surroundings.
package struct Tool: Sendable {
  package let name: String
  package let arguments: [String]
  package let isQuiet: Bool
  package let isVerbose: Bool
  package let showsProgress: Bool

  /// A line on standard error, unless `--quiet`.
  package func note(_ text: String) {
    if !isQuiet { StandardError.line("\(name): \(StandardError.printable(text))") }
  }

  /// A line on standard error under `--verbose`.
  package func detail(_ text: String) {
    if isVerbose { note(text) }
  }

  /// Reports a bad record that `--skip-invalid` tolerates.
  package func reportSkipped(_ error: any Diagnosable) {
    if !isQuiet { StandardError.report(error, tool: name) }
  }

  /// Inputs as given; none is standard input, which must not be a terminal.
  package func inputs(_ files: [String]) throws -> [String] {
    let paths = files.isEmpty ? ["-"] : files
    if paths.filter({ $0 == "-" }).count > 1 {
      throw UsageError("standard input (-) can be read only once")
    }
    if paths.contains("-"), isatty(STDIN_FILENO) == 1 {
      throw UsageError(
        "no input: name a file or pipe data in", hint: "\(name) --help shows how")
    }
    return paths
  }

  /// Refuses to write binary data to a terminal.
  package func refuseTerminal(_ output: String) throws {
    if output == "-", isatty(STDOUT_FILENO) == 1 {
      throw UsageError(
        "refusing to write binary data to a terminal", hint: "name a file with -o, or use a pipe")
    }
  }

  /// Writes the manifest if one was asked for.
  package func writeManifest(
    _ options: CommonOptions, inputs: [Manifest.File], outputs: [Manifest.File],
    kernels: String? = nil
  ) throws {
    guard let path = options.manifest else { return }
    var manifest = Manifest(
      tool: name, version: BuildInfo.version, arguments: arguments, seed: options.seed)
    manifest.inputs = inputs
    manifest.outputs = outputs
    manifest.kernels = kernels
    let sink = try OutputSink(path: path)
    try manifest.write(to: sink)
    try sink.close()
  }
}

/// A wish to end with a status other than 0 although all output was written.
package struct EarlyExit: Error {
  package let status: ExitStatus
  package init(_ status: ExitStatus) { self.status = status }
}

extension ToolCommand {
  package mutating func run() throws {}

  package static func main() {
    Signals.install()
    let arguments = Array(CommandLine.arguments.dropFirst())
    do {
      var command = try parse(arguments)
      let options = command.common
      let tool = Tool(
        name: toolName, arguments: arguments, isQuiet: options.quiet,
        isVerbose: options.verbose,
        showsProgress: options.progress == .always
          || (options.progress == .auto && !options.quiet && StandardError.isTerminal))
      do {
        try command.run(tool)
      } catch let early as EarlyExit {
        Glibc.exit(early.status.rawValue)
      } catch let error as any Diagnosable {
        StandardError.report(error, tool: toolName)
        Glibc.exit(ExitStatus(error.category).rawValue)
      }
      Glibc.exit(ExitStatus.success.rawValue)
    } catch {
      finishParsing(error)
    }
  }

  /// Help and version go to standard output, misuse to standard error.
  private static func finishParsing(_ error: any Error) -> Never {
    let text = fullMessage(for: error)
    let status = exitCode(for: error).rawValue
    guard status == 0 else {
      let isUsage = status == ExitStatus.usage.rawValue
      StandardError.line(isUsage ? "\(toolName): \(message(for: error))" : "\(toolName): \(text)")
      if isUsage { StandardError.line("hint: \(toolName) --help lists the options") }
      Glibc.exit(isUsage ? status : ExitStatus.internalError.rawValue)
    }
    do {
      let sink = try OutputSink(path: "-")
      try sink.write(text + "\n")
      try sink.close()
      Glibc.exit(0)
    } catch {
      StandardError.report(error, tool: toolName)
      Glibc.exit(ExitStatus(error.category).rawValue)
    }
  }
}
