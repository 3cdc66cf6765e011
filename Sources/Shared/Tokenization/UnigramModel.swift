// SPDX-License-Identifier: Apache-2.0

/// The unigram language model: of all ways to cut a text into pieces the one with the highest sum
/// of scores (Kudo 2018, https://arxiv.org/abs/1804.10959), found by Viterbi's algorithm in time
/// linear in the text.
///
/// Where two ways are equal, the piece that begins first stands, as in the references. A character
/// without a piece costs ``unknownPenalty`` more than the worst piece; runs of them become the
/// tokens of their bytes, or one unknown token.
struct UnigramModel: Sendable {
  private let trie: ByteTrie
  private let scores: [Double]
  private let unknown: Int32?
  private let unknownScore: Double
  /// The token of each byte; -1 where there is none.
  let byteTokens: [Int32]
  /// Sums are rounded as SentencePiece's single-precision numbers are.
  private let roundsToSingle: Bool

  private static let unknownPenalty = 10.0

  /// - Parameters:
  ///   - pieces: what text may become.
  ///   - scores: by id.
  ///   - lowest: the lowest score of a normal piece.
  ///   - byteTokens: all -1 without byte fallback.
  init(
    pieces: Vocabulary, scores: [Double], lowest: Double, unknown: Int32?, byteTokens: [Int32],
    roundsToSingle: Bool
  ) {
    var bytes = 0
    pieces.forEach { _, piece in bytes += piece.count }
    var trie = ByteTrie(expectedBytes: bytes)
    pieces.forEach { id, piece in trie.insert(piece, value: id) }
    self.trie = trie
    self.scores = scores
    self.unknown = unknown
    unknownScore = lowest - UnigramModel.unknownPenalty
    self.byteTokens = byteTokens
    self.roundsToSingle = roundsToSingle
  }

  /// Memory for one text: of each offset the best way to get there.
  struct Lattice {
    fileprivate var nodes: [Node] = []
    fileprivate var path: [Node] = []
    /// How many pieces were tried since the beginning.
    fileprivate(set) var steps = 0
  }

  fileprivate struct Node {
    var score = -Double.infinity
    var start: Int32 = -1
    var end: Int32 = -1
    /// The piece that ends here; -1 for an unknown character.
    var token: Int32 = -1
  }

  /// Appends the tokens of a piece.
  func encode(
    _ text: UnsafeBufferPointer<UInt8>, into output: inout [Int32], using state: EncodingState
  ) {
    guard let base = text.baseAddress else { return }
    if text.count > PieceCache.longestPiece {
      var start = 0
      while start < text.count {
        let count = min(text.count - start, BytePairModel.longestPiece)
        solve(base + start, count, &output, &state.lattice)
        start += count
      }
      return
    }
    let key = PieceCache.Key(base, count: text.count, readable: text.count)
    if state.cache.append(key, to: &output) { return }
    let first = output.count
    solve(base, text.count, &output, &state.lattice)
    state.cache.remember(key, output[first...])
  }

  private func solve(
    _ base: UnsafePointer<UInt8>, _ count: Int, _ output: inout [Int32], _ lattice: inout Lattice
  ) {
    lattice.nodes.removeAll(keepingCapacity: true)
    lattice.nodes.append(contentsOf: repeatElement(Node(), count: count + 1))
    lattice.nodes[0].score = 0
    var tried = 0
    lattice.nodes.withUnsafeMutableBufferPointer { nodes in
      scores.withUnsafeBufferPointer { scores in
        var start = 0
        while start < count {
          let length = DecodedScalar(base, at: start, end: count).length
          let here = nodes[start].score
          var hasSingle = false
          trie.forEachMatch(in: base, from: start, end: count) { end, token in
            offer(nodes, start, end, here, scores[Int(token)], token)
            if end - start == length { hasSingle = true }
            tried += 1
          }
          if !hasSingle { offer(nodes, start, start + length, here, unknownScore, -1) }
          start += length
        }
      }
    }
    lattice.steps &+= tried
    trace(base, count, &output, &lattice)
  }

  @inline(__always)
  private func offer(
    _ nodes: UnsafeMutableBufferPointer<Node>, _ start: Int, _ end: Int, _ here: Double,
    _ score: Double, _ token: Int32
  ) {
    let sum = roundsToSingle ? Double(Float(here) + Float(score)) : here + score
    if sum > nodes[end].score || nodes[end].start < 0 {
      nodes[end] = Node(score: sum, start: Int32(start), end: Int32(end), token: token)
    }
  }

  /// Walks the best way back and writes it down forwards.
  private func trace(
    _ base: UnsafePointer<UInt8>, _ count: Int, _ output: inout [Int32], _ lattice: inout Lattice
  ) {
    lattice.path.removeAll(keepingCapacity: true)
    var end = count
    while end > 0 {
      let node = lattice.nodes[end]
      lattice.path.append(node)
      end = Int(node.start)
    }
    var index = lattice.path.count - 1
    while index >= 0 {
      let node = lattice.path[index]
      index -= 1
      if node.token >= 0, node.token != unknown {
        output.append(node.token)
        continue
      }
      var end = node.end
      while index >= 0, lattice.path[index].token < 0 || lattice.path[index].token == unknown {
        end = lattice.path[index].end
        index -= 1
      }
      let range = Int(node.start)..<Int(end)
      if range.allSatisfy({ byteTokens[Int(base[$0])] >= 0 }) {
        for offset in range { output.append(byteTokens[Int(base[offset])]) }
      } else if let unknown {
        output.append(unknown)
      }
    }
  }
}
