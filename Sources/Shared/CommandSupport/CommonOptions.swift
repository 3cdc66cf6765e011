// SPDX-License-Identifier: Apache-2.0
package import ArgumentParser
internal import Glibc
internal import Streams

/// When to show progress on standard error.
package enum ProgressMode: String, ExpressibleByArgument, CaseIterable, Sendable {
  case auto, always, never
}

/// Options that mean the same in all five tools.
package struct CommonOptions: ParsableArguments {
  @Option(name: .shortAndLong, help: "Where the result goes; - is standard output.")
  package var output: String = "-"

  @Option(help: "Root of every random draw.")
  package var seed: UInt64 = 1

  @Option(name: [.customShort("j", allowingJoined: true), .long], help: "Threads; 0 takes one a processor.")
  package var threads: Int = 0

  @Flag(name: .shortAndLong, help: "Say nothing but errors.")
  package var quiet = false

  @Flag(name: .shortAndLong, help: "Say more on standard error.")
  package var verbose = false

  @Option(help: "Show progress on standard error: auto (on a terminal), always, never.")
  package var progress: ProgressMode = .auto

  @Option(help: "Tolerate up to this many bad records; each is reported and counted.")
  package var skipInvalid: Int = 0

  @Option(help: "Write what was done, with digests of inputs and outputs, to this file.")
  package var manifest: String?

  package init() {}

  package mutating func validate() throws {
    if threads < 0 { throw ValidationError("--threads: expected 0 or more, found \(threads)") }
    if skipInvalid < 0 {
      throw ValidationError("--skip-invalid: expected 0 or more, found \(skipInvalid)")
    }
  }

  /// Threads to use: as asked, or one for each processor that this process may run on.
  package var threadCount: Int {
    threads > 0 ? threads : CommonOptions.allowedProcessors
  }

  /// Processors that this process may run on (`Cpus_allowed` of the kernel, which taskset and cgroups set).
  private static var allowedProcessors: Int {
    let online = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    guard let source = try? InputSource(path: "/proc/self/status"),
      let status = try? source.readAll()
    else { return online }
    for line in String(decoding: status, as: UTF8.self).split(separator: "\n")
    where line.hasPrefix("Cpus_allowed:") {
      let bits = line.dropFirst(13).reduce(0) { $0 + ($1.hexDigitValue ?? 0).nonzeroBitCount }
      return bits > 0 ? min(bits, online) : online
    }
    return online
  }
}
