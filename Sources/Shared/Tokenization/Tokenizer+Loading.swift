// SPDX-License-Identifier: Apache-2.0
import GGUF
import Streams

extension Tokenizer {
  /// Loads a tokenizer: from a model folder, a `tokenizer.json` (with the configuration files
  /// beside it), a SentencePiece `.model` file, or a GGUF file.
  package static func load(path: String) throws(TokenizerError) -> Tokenizer {
    var file = path
    if FileSystem.isDirectory(path) {
      file = path + "/tokenizer.json"
      if !FileSystem.exists(file) { file = path + "/tokenizer.model" }
      if !FileSystem.exists(file) { throw .noTokenizer(path: path) }
    }
    if GGUFFile.isGGUF(path: file) { return Tokenizer(try TokenizerGGUF.read(path: file)) }
    let mapped: MappedFile
    do { mapped = try MappedFile(path: file) } catch { throw .stream(error) }
    defer { withExtendedLifetime(mapped) {} }
    var definition =
      SentencePieceFile.isModel(mapped.bytes)
      ? try SentencePieceFile.read(mapped.bytes, path: file)
      : try TokenizerJSON.read(mapped.bytes, path: file)
    let folder = file.lastIndex(of: "/").map { String(file[..<$0]) } ?? "."
    try TokenizerConfiguration.apply(folder: folder.isEmpty ? "/" : folder, to: &definition)
    return Tokenizer(definition)
  }
}
