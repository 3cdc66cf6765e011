// SPDX-License-Identifier: Apache-2.0

/// How text is cut into pieces before the model sees it: steps, one after the other, each on every
/// piece of the one before. No token crosses a cut.
struct PreTokenizer: Sendable, Equatable {
  var steps: [Step] = []

  enum Step: Sendable, Equatable {
    case split(TextPattern, SplitBehavior, inverted: Bool)
    /// `ByteLevel` with `add_prefix_space`: a space before each piece that begins with none.
    case prefixSpace
    case metaspace(Metaspace)
  }

  /// SentencePiece's spaces: `replacement` takes the place of each space.
  struct Metaspace: Sendable, Equatable {
    /// Which pieces that do not begin with the replacement get one in front.
    enum Prefix: String, Sendable { case always, first, never }
    var replacement: [UInt8]
    var prefix: Prefix
    /// Cuts before each replacement.
    var splits: Bool
  }

  /// The one rule that cuts the text as it is, where that is all there is to do.
  var onlyRule: SplitRule? {
    guard steps.count == 1, case .split(.rule(let rule), .isolated, false) = steps[0] else {
      return nil
    }
    return rule
  }

  /// Text and where its pieces lie.
  struct Pieces {
    var text: [UInt8]
    var ranges: [Range<Int>]
  }

  /// Cuts a stretch of text.
  ///
  /// - Parameter beginsInput: whether the text before it is empty (`Metaspace` with `first`).
  func pieces(of text: UnsafeBufferPointer<UInt8>, beginsInput: Bool) -> Pieces {
    var pieces = Pieces(text: Array(text), ranges: text.isEmpty ? [] : [0..<text.count])
    for step in steps {
      switch step {
      case .split(let pattern, let behavior, let inverted):
        pieces.split(by: pattern, behavior, inverted: inverted)
      case .prefixSpace: pieces.rewrite { piece, _, output in
        if piece.first != UInt8(ascii: " ") { output.append(UInt8(ascii: " ")) }
        output.append(contentsOf: piece)
      }
      case .metaspace(let metaspace):
        pieces.apply(metaspace, beginsInput: beginsInput)
        if metaspace.splits {
          pieces.split(by: .literal(metaspace.replacement), .mergedWithNext, inverted: false)
        }
      }
    }
    return pieces
  }

  /// Names the steps, for the digest of a tokenizer.
  var description: String {
    if let onlyRule { return onlyRule.rawValue }
    return steps.map { step in
      switch step {
      case .split(let pattern, let behavior, let inverted):
        "split(\(pattern.description),\(behavior.rawValue),\(inverted))"
      case .prefixSpace: "prefix-space"
      case .metaspace(let metaspace):
        "metaspace(\(metaspace.replacement),\(metaspace.prefix.rawValue),\(metaspace.splits))"
      }
    }.joined(separator: "+")
  }
}

/// What becomes of the matches of a `Split`.
enum SplitBehavior: String, Sendable {
  case removed = "Removed"
  case isolated = "Isolated"
  case mergedWithPrevious = "MergedWithPrevious"
  case mergedWithNext = "MergedWithNext"
  case contiguous = "Contiguous"
}

extension PreTokenizer.Pieces {
  fileprivate mutating func split(
    by pattern: TextPattern, _ behavior: SplitBehavior, inverted: Bool
  ) {
    var result: [Range<Int>] = []
    result.reserveCapacity(ranges.count * 2)
    text.withUnsafeBufferPointer { text in
      for range in ranges {
        var cutter = Cutter(behavior: behavior, inverted: inverted, first: result.count)
        pattern.forEachMatch(in: UnsafeBufferPointer(rebasing: text[range])) { match in
          let match = match.lowerBound + range.lowerBound..<match.upperBound + range.lowerBound
          cutter.match(match, from: range.lowerBound, &result)
        }
        cutter.finish(range, &result)
      }
    }
    result.removeAll(where: \.isEmpty)
    ranges = result
  }

  /// Writes the text anew, piece by piece.
  fileprivate mutating func rewrite(
    _ body: (ArraySlice<UInt8>, _ index: Int, _ output: inout [UInt8]) -> Void
  ) {
    var output: [UInt8] = []
    output.reserveCapacity(text.count + text.count / 2 + 8)
    for index in ranges.indices {
      let start = output.count
      body(text[ranges[index]], index, &output)
      ranges[index] = start..<output.count
    }
    text = output
  }

  fileprivate mutating func apply(_ metaspace: PreTokenizer.Metaspace, beginsInput: Bool) {
    let beginsInput = beginsInput && ranges.first?.lowerBound == 0
    rewrite { piece, index, output in
      let needsPrefix =
        switch metaspace.prefix {
        case .always: true
        case .first: index == 0 && beginsInput
        case .never: false
        }
      if needsPrefix, piece.first != UInt8(ascii: " "), !piece.starts(with: metaspace.replacement) {
        output += metaspace.replacement
      }
      for byte in piece {
        if byte == UInt8(ascii: " ") {
          output += metaspace.replacement
        } else {
          output.append(byte)
        }
      }
    }
  }
}

/// Turns the matches in one piece into smaller pieces.
private struct Cutter {
  let behavior: SplitBehavior
  let inverted: Bool
  /// Where this piece's parts begin in the result.
  let first: Int
  private var done: Int?
  /// Whether the part before was a match.
  private var afterMatch = false

  init(behavior: SplitBehavior, inverted: Bool, first: Int) {
    self.behavior = behavior
    self.inverted = inverted
    self.first = first
  }

  mutating func match(_ range: Range<Int>, from start: Int, _ result: inout [Range<Int>]) {
    let begin = done ?? start
    if begin < range.lowerBound { part(begin..<range.lowerBound, isMatch: inverted, &result) }
    part(range, isMatch: !inverted, &result)
    done = range.upperBound
  }

  mutating func finish(_ range: Range<Int>, _ result: inout [Range<Int>]) {
    let begin = done ?? range.lowerBound
    if begin < range.upperBound { part(begin..<range.upperBound, isMatch: inverted, &result) }
  }

  private mutating func part(_ range: Range<Int>, isMatch: Bool, _ result: inout [Range<Int>]) {
    let joins =
      switch behavior {
      case .removed, .isolated: false
      case .contiguous: isMatch == afterMatch
      case .mergedWithPrevious: isMatch && !afterMatch
      // A match goes with what follows it, unless that is a match too.
      case .mergedWithNext: !isMatch && afterMatch
      }
    if behavior == .removed, isMatch {
      // Nothing is left of it.
    } else if joins, result.count > first, let last = result.last {
      result[result.count - 1] = last.lowerBound..<range.upperBound
    } else {
      result.append(range)
    }
    afterMatch = isMatch
  }
}
