// SPDX-License-Identifier: Apache-2.0
import Glibc
import Partitioning

/// What the user's terminal can show, by the usual variables.
enum Locale {
  static var picture: Picture { Picture(usesBlocks: isUTF8) }

  /// The first of LC_ALL, LC_CTYPE and LANG that is set decides.
  private static var isUTF8: Bool {
    for name in ["LC_ALL", "LC_CTYPE", "LANG"] {
      guard let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty else { continue }
      let lower = value.utf8.map { (0x41...0x5a).contains($0) ? $0 + 0x20 : $0 }
      let text = String(decoding: lower, as: UTF8.self)
      return text.hasSuffix("utf-8") || text.hasSuffix("utf8")
    }
    return false
  }
}
