// SPDX-License-Identifier: Apache-2.0
import Examples
import Glibc
import Records
import Streams
import Tokenization

// cl-bench-tokenizers: the tokenizers and templates alone, for `make test-tokenizers` and
// Benchmarks/tokenization.py. No part of what is installed.
//
//   encode TOKENIZER TEXTS [plain]   ids of each text, to stdout
//   time TOKENIZER TEXTS [RUNS]      one JSON line: seconds to load and, the best of RUNS, to encode
//   render                           templates with conversations, JSON Lines to JSON Lines
//
// TEXTS: for each text its length as a 32-bit little-endian number and its UTF-8. Ids: for each text
// their number and the ids, 32-bit little-endian.

func fail(_ message: String) -> Never {
  let line = Array("cl-bench-tokenizers: \(message)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
  exit(64)
}

func now() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

func word(_ value: Int) -> [UInt8] {
  withUnsafeBytes(of: UInt32(truncatingIfNeeded: value).littleEndian) { Array($0) }
}

/// Where each text lies in the file.
func texts(_ file: MappedFile) -> [UnsafeRawBufferPointer] {
  var result: [UnsafeRawBufferPointer] = []
  var offset = 0
  while offset + 4 <= file.bytes.count {
    let length = Int(
      UInt32(littleEndian: file.bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    guard length <= file.bytes.count - offset - 4 else { fail("a text is cut off") }
    result.append(UnsafeRawBufferPointer(rebasing: file.bytes[offset + 4..<offset + 4 + length]))
    offset += 4 + length
  }
  return result
}

func encode(_ arguments: [String]) throws {
  let tokenizer = try Tokenizer.load(path: arguments[0])
  let file = try MappedFile(path: arguments[1])
  let parseSpecial = arguments.count < 3 || arguments[2] != "plain"
  let output = try OutputSink(path: "-")
  for text in texts(file) {
    let ids = tokenizer.encode(text, parseSpecial: parseSpecial)
    try output.write(word(ids.count) + ids.flatMap { word(Int($0)) })
  }
  try output.close()
}

func time(_ arguments: [String]) throws {
  let start = now()
  let tokenizer = try Tokenizer.load(path: arguments[0])
  let loaded = now() - start
  let file = try MappedFile(path: arguments[1])
  let texts = texts(file)
  var best = Double.infinity
  var tokens = 0
  var first = 0.0
  for run in 0..<max(1, arguments.count > 2 ? Int(arguments[2]) ?? 1 : 1) {
    let start = now()
    tokens = 0
    for text in texts { tokens += tokenizer.encode(text).count }
    let seconds = now() - start
    if run == 0 { first = seconds }
    best = min(best, seconds)
  }
  let bytes = texts.reduce(0) { $0 + $1.count }
  print(
    #"{"type":"tokenizer_speed","v":1,"bytes":\#(bytes),"tokens":\#(tokens),"#
      + #""load_seconds":\#(loaded),"first_seconds":\#(first),"seconds":\#(best)}"#)
}

/// Lines of {"template": …, "variables": …}, or of {"name": …, "messages": …, "bos": …, "eos": …}.
func render() throws {
  let reader = try LineReader(InputSource(path: "-"))
  while let line = try reader.next() {
    let value = try JSONValue(parsing: line)
    var writer = JSONWriter()
    do throws(JinjaError) {
      let text = try rendered(value)
      writer.object { $0.field("text", String(decoding: text, as: UTF8.self)) }
    } catch {
      writer.object { $0.field("error", error.message) }
    }
    print(String(decoding: writer.bytes, as: UTF8.self))
  }
}

func rendered(_ value: JSONValue) throws(JinjaError) -> [UInt8] {
  if let text = value["template"]?.text {
    return try JinjaTemplate(text).render(value["variables"]?.object ?? JSONObject()).text
  }
  let messages = (value["messages"]?.elements ?? []).map {
    Message(
      role: Message.Role(rawValue: $0["role"]?.text ?? "") ?? .user,
      content: $0["content"]?.text ?? "")
  }
  let tokens = SpecialTokenTexts(beginOfText: value["bos"]?.text, endOfText: value["eos"]?.text)
  guard let template = ChatTemplateCatalog.all.first(where: { $0.name == value["name"]?.text })
  else { fail("no template has this name") }
  if let template = template as? JinjaChatTemplate {
    return try template.rendered(messages, tokens, prompt: value["prompt"]?.bool ?? false).text
  }
  return try template.render(messages, tokens: tokens).flatMap(\.text)
}

let arguments = Array(CommandLine.arguments.dropFirst())
do {
  switch (arguments.first, arguments.count) {
  case ("encode", 3...): try encode(Array(arguments.dropFirst()))
  case ("time", 3...): try time(Array(arguments.dropFirst()))
  case ("render", 1): try render()
  default: fail("expected encode, time or render")
  }
} catch let error as any Diagnosable {
  fail("\(error.location ?? ""): \(error.message)")
}
