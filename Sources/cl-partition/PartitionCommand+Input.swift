// SPDX-License-Identifier: Apache-2.0
import Corpora
import Streams

extension PartitionCommand {
  /// How inputs are opened: as JSON Lines, whatever their format.
  func lineOpener() throws -> (String) throws -> InputSource {
    let options = try CorpusOptions(format: format, textUnit: textUnit)
    return { try Corpus.lines($0, options) }
  }
}
