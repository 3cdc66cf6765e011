// SPDX-License-Identifier: Apache-2.0
internal import Glibc
package import Streams

/// Writes to standard error; failures to do so are ignored, as there is nowhere left to tell them.
package enum StandardError {
  package static func write(_ text: String) {
    let bytes = Array(text.utf8)
    var offset = 0
    while offset < bytes.count {
      let count = bytes.withUnsafeBytes { buffer -> Int in
        guard let base = buffer.baseAddress else { return -1 }
        return Glibc.write(STDERR_FILENO, base + offset, buffer.count - offset)
      }
      if count < 0 {
        if errno == EINTR { continue }
        return
      }
      offset += count
    }
  }

  package static func line(_ text: String) { write(text + "\n") }

  /// `tool: location: message`, then the hint on a line of its own.
  package static func report(_ error: any Diagnosable, tool: String) {
    let place = error.location.map { "\(printable($0)): " } ?? ""
    var text = "\(tool): \(place)\(printable(error.message))\n"
    if let hint = error.hint { text += "hint: \(printable(hint))\n" }
    write(text)
  }

  /// Text from data may hold control and direction characters; a terminal must not obey them.
  static func printable(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0..<0x20, 0x7f..<0xa0, 0x200e...0x200f, 0x202a...0x202e, 0x2066...0x2069:
        let digits = String(scalar.value, radix: 16, uppercase: true)
        result += "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  package static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}
