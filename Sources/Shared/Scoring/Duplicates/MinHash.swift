// SPDX-License-Identifier: Apache-2.0

/// Signatures whose agreement estimates the Jaccard similarity of two texts' sets of shingles (Broder 1997),
/// in bands of rows, so that similar texts agree in a whole band (Leskovec, Rajaraman and Ullman, ch. 3).
///
/// A shingle is a run of 5 words in normalised form; a text of fewer words is one shingle. Hash i of a
/// shingle x is the upper half of a_i·x + b_i modulo 2^64, a_i odd; the signature has the least of each.
package struct MinHash: Sendable {
  package static let shingleWords = 5
  package let bands: Int
  package let rows: Int
  private let factors: [UInt64]
  private let terms: [UInt64]

  /// Texts of similarity s share a band with the chance 1 - (1 - s^rows)^bands: one half at about .69 for 14
  /// bands of 8.
  package init(bands: Int = 14, rows: Int = 8) {
    self.bands = bands
    self.rows = rows
    let count = UInt64(bands * rows)
    factors = (0..<count).map { WordHash.mix(2 * $0) | 1 }
    terms = (0..<count).map { WordHash.mix(2 * $0 + 1) }
  }

  package var count: Int { factors.count }

  /// The signature of an analysed text; nil without a word.
  package func signature(of text: borrowing TextAnalysis) -> [UInt32]? {
    let words = text.words
    if words.isEmpty { return nil }
    let length = min(MinHash.shingleWords, words.count)
    var least = [UInt32](repeating: .max, count: count)
    least.withUnsafeMutableBufferPointer { least in
      factors.withUnsafeBufferPointer { factors in
        terms.withUnsafeBufferPointer { terms in
          for start in 0...words.count - length {
            var shingle: UInt64 = 0
            for word in words[start..<start + length] {
              shingle = WordHash.extending(shingle, by: word.name)
            }
            for index in 0..<least.count {
              let hash = UInt32(truncatingIfNeeded: (factors[index] &* shingle &+ terms[index]) >> 32)
              least[index] = min(least[index], hash)
            }
          }
        }
      }
    }
    return least
  }

  /// The share of the hashes in which two signatures agree.
  package static func similarity(_ a: some Collection<UInt32>, _ b: some Collection<UInt32>) -> Double {
    let agreeing = zip(a, b).count { $0 == $1 }
    return Double(agreeing) / Double(max(1, a.count))
  }

  /// Name of a band of a signature.
  func name(_ signature: UnsafeBufferPointer<UInt32>, band: Int) -> UInt64 {
    var name = UInt64(band)
    for value in signature[band * rows..<(band + 1) * rows] {
      name = WordHash.extending(name, by: UInt64(value))
    }
    return name
  }
}

extension Zip2Sequence {
  fileprivate func count(where matches: (Element) -> Bool) -> Int {
    reduce(0) { $0 + (matches($1) ? 1 : 0) }
  }
}
