// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// One line on standard error that is written over, at most ten times a second.
package final class Progress {
  private let isShown: Bool
  private let tool: String
  private var lastShown = 0.0
  private var width = 0

  package init(_ tool: Tool) {
    isShown = tool.showsProgress
    self.tool = tool.name
  }

  package func show(_ text: @autoclosure () -> String, force: Bool = false) {
    guard isShown else { return }
    let now = Clock.seconds()
    if !force && now - lastShown < 0.1 { return }
    lastShown = now
    let line = "\(tool): \(StandardError.printable(text()))"
    let padding = String(repeating: " ", count: max(0, width - line.count))
    StandardError.write("\r\(line)\(padding)")
    width = line.count
  }

  /// Ends the line.
  package func finish() {
    if isShown && width > 0 { StandardError.write("\n") }
    width = 0
  }
}

/// Time for messages and logs; never for results.
package enum Clock {
  /// Seconds on a clock that only goes forward.
  package static func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
