// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser

/// A size in bytes as options take it: a number and B, KiB, MiB or GiB.
package enum ByteSize {
  /// - Throws: `ValidationError` that names the option.
  package static func parse(_ text: String, option: String) throws -> Int {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1), ("", 1)]
    for (unit, factor) in units where text.hasSuffix(unit) {
      if let number = Double(text.dropLast(unit.count)), number > 0, number < 1e12 {
        let bytes = number * Double(factor)
        if bytes < 1e15 { return Int(bytes) }
      }
    }
    throw ValidationError("\(option): expected a size such as 700MiB, found \(text)")
  }
}
