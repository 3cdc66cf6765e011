// SPDX-License-Identifier: Apache-2.0

/// What happens to text before it is cut into pieces: steps, one after the other.
struct Normalizer: Sendable, Equatable {
  var steps: [Step] = []

  static let none = Normalizer()

  /// One change of the text, named as `tokenizer.json` names it.
  enum Step: Sendable, Equatable {
    /// A Unicode normalization form.
    case unicode(NormalizationForm)
    case lowercase
    /// Leaves out marks.
    case stripAccents
    /// Cuts off white space.
    case strip(left: Bool, right: Bool)
    /// Puts a text before text that is not empty.
    case prepend([UInt8])
    case replace(TextPattern, with: [UInt8])
    /// SentencePiece's clean-up of control characters and unusual spaces.
    case nmt
    /// SentencePiece's table of replacements, used as `tokenizers` uses it.
    case precompiled(ReplacementTable)
    /// All that SentencePiece does to text.
    case sentencePiece(SentencePieceNormalizer)
  }

  /// Normalized text, or nil where normalizing changes nothing.
  func apply(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    var result: [UInt8]?
    for step in steps {
      if let current = result {
        if let next = current.withUnsafeBufferPointer(step.apply) { result = next }
      } else {
        result = step.apply(text)
      }
    }
    return result
  }

  func apply(_ text: [UInt8]) -> [UInt8] { text.withUnsafeBufferPointer(apply) ?? text }

  /// Names the steps, for the digest of a tokenizer.
  var description: String {
    steps.isEmpty ? "none" : steps.map(\.description).joined(separator: "+")
  }
}

extension Normalizer.Step {
  /// The changed text, or nil where nothing changes.
  func apply(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    if text.isEmpty { return nil }
    switch self {
    case .unicode(let form): return form.apply(text)
    case .lowercase: return mapScalars(text) { $0.properties.lowercaseMapping.utf8 }
    case .stripAccents:
      return mapScalars(text) { scalar in
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: "".utf8
        default: String(scalar).utf8
        }
      }
    case .strip(let left, let right): return strip(text, left: left, right: right)
    case .prepend(let prefix): return prefix + text
    case .replace(let pattern, let replacement):
      return Normalizer.replace(pattern, in: text, with: replacement)
    case .nmt: return mapScalars(text, Normalizer.cleaned)
    case .precompiled(let table): return table.replaceByCluster(text)
    case .sentencePiece(let normalizer): return normalizer.apply(text)
    }
  }

  var description: String {
    switch self {
    case .unicode(let form): form.rawValue
    case .lowercase: "lowercase"
    case .stripAccents: "strip-accents"
    case .strip(let left, let right): "strip(\(left),\(right))"
    case .prepend(let text): "prepend(\(text))"
    case .replace(let pattern, let text): "replace(\(pattern.description),\(text))"
    case .nmt: "nmt"
    case .precompiled(let table): "precompiled(\(table.digest))"
    case .sentencePiece(let normalizer): "sentencepiece(\(normalizer.description))"
    }
  }

  private func mapScalars(
    _ text: UnsafeBufferPointer<UInt8>, _ change: (Unicode.Scalar) -> String.UTF8View
  ) -> [UInt8]? {
    guard let base = text.baseAddress else { return nil }
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var offset = 0
    while offset < text.count {
      let decoded = DecodedScalar(base, at: offset, end: text.count)
      result.append(contentsOf: change(decoded.scalar))
      offset += decoded.length
    }
    return result
  }

  private func strip(
    _ text: UnsafeBufferPointer<UInt8>, left: Bool, right: Bool
  ) -> [UInt8]? {
    guard let base = text.baseAddress else { return nil }
    let start = left ? AddedTokens.spaceEnd(base, from: 0, count: text.count) : 0
    let end =
      right && start < text.count ? AddedTokens.spaceStart(base, before: text.count) : text.count
    return start == 0 && end == text.count ? nil : Array(text[start..<max(start, end)])
  }
}

extension Normalizer {
  /// The rule of SentencePiece's `nmt` normalizers for one character.
  fileprivate static func cleaned(_ scalar: Unicode.Scalar) -> String.UTF8View {
    switch scalar.value {
    case 0x01...0x08, 0x0b, 0x0e...0x1f, 0x7f, 0x8f, 0x9f: "".utf8
    case 0x09, 0x0a, 0x0c, 0x0d, 0x1680, 0x200b...0x200f, 0x2028, 0x2029, 0x2581, 0xfeff, 0xfffd:
      " ".utf8
    default: String(scalar).utf8
    }
  }

  fileprivate static func replace(
    _ pattern: TextPattern, in text: UnsafeBufferPointer<UInt8>, with replacement: [UInt8]
  ) -> [UInt8]? {
    // One byte, as the space that becomes U+2581: no search is needed.
    if case .literal(let literal) = pattern, literal.count == 1 {
      let byte = literal[0]
      if !text.contains(byte) { return nil }
      var result: [UInt8] = []
      result.reserveCapacity(text.count + text.count / 2 + 8)
      for found in text {
        if found == byte { result += replacement } else { result.append(found) }
      }
      return result
    }
    var result: [UInt8] = []
    var done = 0
    pattern.forEachMatch(in: text) { match in
      result.append(contentsOf: text[done..<match.lowerBound])
      result += replacement
      done = match.upperBound
    }
    if done == 0, result.isEmpty { return nil }
    result.append(contentsOf: text[done...])
    return result
  }
}
