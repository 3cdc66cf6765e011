// SPDX-License-Identifier: Apache-2.0
import Examples
import Foundation
import Records
import Streams
import TestSupport
import Testing
import Tokenization

let place = RecordLocation(file: "records.jsonl", line: 7)

/// The small SmolLM-like tokenizer of Tests/Fixtures, with a configuration beside it.
func smallTokenizer(
  template: String? = nil, configuration: String = #""bos_token":"<|im_start|>","#
) throws -> Tokenizer {
  let folder = try TemporaryDirectory()
  let source = URL(fileURLWithPath: PackageLayout.fixture("tokenizers/smollm/tokenizer.json"))
  try folder.write("tokenizer.json", Array(try Data(contentsOf: source)))
  try folder.write(
    "tokenizer_config.json", "{\(configuration)\"eos_token\":\"<|endoftext|>\"}")
  if let template { try folder.write("chat_template.jinja", template) }
  return try Tokenizer.load(path: folder.path)
}

func encoder(
  _ tokenizer: Tokenizer?, template: String = "auto", trainOn: TrainOn = .completion,
  context: Int = 2048
) throws -> ExampleEncoder {
  var options = ExampleEncoder.Options()
  options.chatTemplate = ChatTemplateChoice(argument: template)
  options.trainOn = trainOn
  options.context = context
  return try ExampleEncoder(tokenizer: tokenizer, options: options)
}

func targets(_ example: Example) -> [Int] {
  example.isTarget.indices.filter { example.isTarget[$0] }
}
