// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The entropy of the text's words, nats: -Σ p ln p over the different words. Grows with the length.
/// Source: RedPajama-Data-V2, rps_doc_unigram_entropy; here over normalised words that have a letter or number.
struct UnigramEntropy: Signal {
  let name = "unigram_entropy"
  let version = 1
  let range = 0.0...Double.greatestFiniteMagnitude
  let families: [SignalFamily] = [.lexical]
  let summary = "entropy of the words, nats; grows with the length"

  func value(of text: borrowing TextAnalysis) -> Double? {
    text.collectCoreNames()
    let names = text.positions.names
    if names.isEmpty { return nil }
    text.table.reset(expecting: names.count)
    let slots = names.map { text.table.add($0).slot }
    var sum = 0.0
    for slot in slots { sum += log(Double(text.table.count(at: slot)) / Double(names.count)) }
    return max(0, -sum / Double(names.count))
  }
}
