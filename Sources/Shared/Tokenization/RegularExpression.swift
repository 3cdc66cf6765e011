// SPDX-License-Identifier: Apache-2.0
import CPCRE2

/// A regular expression that no scanner of ours knows, run by PCRE2.
///
/// `tokenizer.json` means Oniguruma's dialect: `^` and `$` stand at lines, classes follow Unicode.
/// What the two read differently is rewritten or refused. Characters are those of PCRE2's Unicode
/// version. May be used by many threads at once.
final class RegularExpression: @unchecked Sendable, Equatable {
  /// As the file writes it.
  let pattern: String
  // Written only in `init`; PCRE2 does not change compiled code while matching.
  private let code: OpaquePointer

  /// Why an expression cannot be used.
  enum Problem: Error {
    /// The construct means something else here.
    case unsupported(String)
    /// PCRE2's message.
    case invalid(String)
  }

  init(_ pattern: String) throws(Problem) {
    let translated = try RegularExpression.translate(pattern)
    var status: Int32 = 0
    var place = 0
    let context = pcre2_compile_context_create_8(nil)
    defer { pcre2_compile_context_free_8(context) }
    pcre2_set_newline_8(context, UInt32(PCRE2_NEWLINE_LF))
    let options =
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C
    let code = translated.withUnsafeBufferPointer {
      pcre2_compile_8($0.baseAddress, $0.count, UInt32(options), &status, &place, context)
    }
    guard let code else { throw .invalid(RegularExpression.message(status) + " at \(place)") }
    // Without a compiler for this processor the interpreter matches the same.
    _ = pcre2_jit_compile_8(code, UInt32(PCRE2_JIT_COMPLETE))
    self.code = code
    self.pattern = pattern
  }

  deinit { pcre2_code_free_8(code) }

  static func == (left: RegularExpression, right: RegularExpression) -> Bool {
    left.pattern == right.pattern
  }

  /// Calls `body` with each match, leftmost first; matches may be empty.
  ///
  /// Where PCRE2 gives up (its limits on backtracking) nothing more is found.
  func forEachMatch(in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
    guard let base = text.baseAddress,
      let data = pcre2_match_data_create_from_pattern_8(code, nil)
    else { return }
    defer { pcre2_match_data_free_8(data) }
    var offset = 0
    while offset <= text.count {
      var status = pcre2_match_8(code, base, text.count, offset, 0, data, nil)
      if status == PCRE2_ERROR_JIT_STACKLIMIT {
        status = pcre2_match_8(
          code, base, text.count, offset, UInt32(PCRE2_NO_JIT), data, nil)
      }
      guard status > 0, let ends = pcre2_get_ovector_pointer_8(data) else { return }
      let match = ends[0]..<max(ends[0], ends[1])
      body(match)
      if match.isEmpty {
        if match.upperBound >= text.count { return }
        let next = DecodedScalar(base, at: match.upperBound, end: text.count)
        offset = match.upperBound + next.length
      } else {
        offset = match.upperBound
      }
    }
  }

  private static func message(_ status: Int32) -> String {
    var text = [UInt8](repeating: 0, count: 200)
    let length = pcre2_get_error_message_8(status, &text, text.count)
    return String(decoding: text.prefix(max(0, Int(length))), as: UTF8.self)
  }

  // MARK: Dialect

  // Oniguruma's `\w` and `\s`, without the brackets of a class; found by asking it about every
  // character. Standing alone, but not in a class, its `\w` has six numbers of Latin-1 too.
  private static let wordsInClass =
    #"\p{L}\p{M}\p{Nl}\p{Nd}\p{Pc}\x{24B6}-\x{24E9}\x{1F130}-\x{1F149}"#
    + #"\x{1F150}-\x{1F169}\x{1F170}-\x{1F189}"#
  private static let wordClass = wordsInClass + #"\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE}"#
  private static let spaceClass = #"\t-\r\x{85}\p{Z}"#

  private static func translate(_ pattern: String) throws(Problem) -> [UInt8] {
    var result: [UInt8] = []
    let bytes = Array(pattern.utf8)
    var index = 0
    var inClass = false
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      if byte == UInt8(ascii: "\\"), index < bytes.count {
        let escaped = bytes[index]
        index += 1
        if let text = try translate(escape: escaped, inClass) {
          result.append(contentsOf: text.utf8)
        } else {
          result += [byte, escaped]
        }
        continue
      }
      if inClass {
        if byte == UInt8(ascii: "]") { inClass = false }
        if byte == UInt8(ascii: "&"), index < bytes.count, bytes[index] == byte {
          throw .unsupported("&& in a class")
        }
        if byte == UInt8(ascii: "["), index < bytes.count, bytes[index] != UInt8(ascii: ":") {
          throw .unsupported("a class in a class")
        }
      } else if byte == UInt8(ascii: "[") {
        inClass = true
        result.append(byte)
        if index < bytes.count, bytes[index] == UInt8(ascii: "^") {
          result.append(bytes[index])
          index += 1
        }
        continue
      } else if byte == UInt8(ascii: "("), bytes[index...].starts(with: "?m".utf8) {
        throw .unsupported("(?m")
      }
      result.append(byte)
    }
    return result
  }

  private static func translate(
    escape: UInt8, _ inClass: Bool
  ) throws(Problem) -> String? {
    switch escape {
    case UInt8(ascii: "w"): return inClass ? wordsInClass : "[\(wordClass)]"
    case UInt8(ascii: "s"): return inClass ? spaceClass : "[\(spaceClass)]"
    case UInt8(ascii: "b") where !inClass:
      return "(?:(?<=[\(wordClass)])(?![\(wordClass)])|(?<![\(wordClass)])(?=[\(wordClass)]))"
    case UInt8(ascii: "B") where !inClass:
      return "(?:(?<=[\(wordClass)])(?=[\(wordClass)])|(?<![\(wordClass)])(?![\(wordClass)]))"
    case UInt8(ascii: "W") where !inClass: return "[^\(wordClass)]"
    case UInt8(ascii: "S") where !inClass: return "[^\(spaceClass)]"
    case UInt8(ascii: "h"), UInt8(ascii: "H"), UInt8(ascii: "R"), UInt8(ascii: "X"),
      UInt8(ascii: "K"), UInt8(ascii: "k"), UInt8(ascii: "g"), UInt8(ascii: "W"),
      UInt8(ascii: "S"):
      throw .unsupported("\\\(Unicode.Scalar(escape))\(inClass ? " in a class" : "")")
    default: return nil
    }
  }
}
