// SPDX-License-Identifier: Apache-2.0
import Foundation
import Streams
import TestSupport
import Testing

/// `cl-score --model` against transformers and PEFT, whose logits and first loss lie in the fixtures.
@Suite(.serialized) struct LikelihoodParityTests {
  /// A float64 run of the reference differs from it by 1.3e-6 in the loss.
  private static let lossTolerance = 1e-5

  /// `expected.safetensors` of a family: name -> type, and the bytes.
  private struct Expected {
    let header: JSONValue
    let data: Data

    init(_ family: String) throws {
      let path = PackageLayout.fixture("golden/\(family)/expected.safetensors")
      let file = try Data(contentsOf: URL(fileURLWithPath: path))
      let size = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
      header = try JSONValue(parsing: Array(file[8..<8 + size]))
      data = file.dropFirst(8 + size)
    }

    func values<T>(_ name: String, as type: T.Type) throws -> [T] {
      let offsets = try #require(header[name]?["data_offsets"]?.elements).compactMap(\.int)
      let bytes = Data(data.dropFirst(offsets[0]).prefix(offsets[1] - offsets[0]))
      return [T](unsafeUninitializedCapacity: bytes.count / MemoryLayout<T>.stride) {
        buffer, count in
        count = bytes.copyBytes(to: buffer) / MemoryLayout<T>.stride
      }
    }

    var count: Int { (0...).prefix { header["input_ids.\($0)"] != nil }.count }

    var records: String {
      get throws {
        try (0..<count).map { index in
          let ids = try values("input_ids.\(index)", as: Int64.self)
          let labels = try values("labels.\(index)", as: Int64.self)
          return "{\"input_ids\":\(ids),\"labels\":\(labels)}\n"
        }.joined()
      }
    }

    /// -Σ log p over the targets of one sequence, and how many of them were the likeliest token.
    func likelihood(_ index: Int, logits name: String) throws -> (nll: Double, correct: Int) {
      let labels = try values("labels.\(index)", as: Int64.self)
      let logits = try values("\(name).\(index)", as: Float.self)
      let width = logits.count / labels.count
      var (nll, correct) = (0.0, 0)
      for position in 1..<labels.count where labels[position] >= 0 {
        let row = logits[(position - 1) * width..<position * width].map(Double.init)
        let highest = try #require(row.max())
        let target = row[Int(labels[position])]
        nll += highest + log(row.reduce(0) { $0 + exp($1 - highest) }) - target
        if target == highest { correct += 1 }
      }
      return (nll, correct)
    }
  }

  private func score(_ family: String, _ options: String) throws -> (
    summary: JSONValue, records: [JSONValue]
  ) {
    let work = try TemporaryDirectory()
    try work.write("records.jsonl", try Expected(family).records)
    let folder = PackageLayout.fixture("golden/\(family)")
    let result = try ToolRunner.run(
      "cl-score --model \(folder)/model \(options) records.jsonl --summary summary.json"
        .replacingOccurrences(of: "FOLDER", with: folder), in: work.path)
    #expect(result.status == 0 && result.errors == "")
    return (
      try JSONValue(parsing: try work.read("summary.json")),
      try result.text.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8)) }
    )
  }

  static let families = ["llama2", "llama3", "llama3-rslora-some"]

  @Test(arguments: families)
  func baseLikelihoodsAreThoseOfTheReference(family: String) throws {
    let expected = try Expected(family)
    let found = try score(family, "")
    #expect(found.records.count == expected.count)
    for (index, record) in found.records.enumerated() {
      let (nll, correct) = try expected.likelihood(index, logits: "base_logits")
      let score = try #require(record["cl_score"])
      let targets = try #require(score["target_tokens"]?.number)
      let measured = try #require(score["nll"]?.number)
      #expect(abs(measured - nll) / targets < Self.lossTolerance)
      let accuracy = try #require(score["token_accuracy"]?.number)
      #expect(abs(accuracy - Double(correct) / targets) < 1e-6)
    }
    #expect(found.summary["adapter"]?.isNull == true)
  }

  @Test(arguments: families)
  func adaptedLossIsThatOfTheReference(family: String) throws {
    let path = PackageLayout.fixture("golden/\(family)/expected.json")
    let reference = try JSONValue(parsing: Array(try Data(contentsOf: URL(fileURLWithPath: path))))
    let losses = try #require(reference["losses"]?.elements).compactMap(\.number)
    for (adapter, loss) in [("adapter-init", losses.first), ("adapter-final", losses.last)] {
      let summary = try score(family, "--adapter FOLDER/\(adapter)").summary
      #expect(summary["target_tokens"]?.int == reference["target_tokens"]?.int)
      let measured = try #require(summary["mean_nll"]?.number)
      #expect(abs(measured - (try #require(loss))) < Self.lossTolerance)
    }
  }

  @Test func resultsDoNotDependOnTheNumberOfThreads() throws {
    let one = try score("llama3", "-j 1"), two = try score("llama3", "-j 2")
    #expect(one.summary == two.summary && one.records == two.records)
  }

  /// The reference computes in float32 over the weights that our kernels expand from Q4_1.
  private static let realModelTolerance = 2e-3

  @Test func realModelAgreesWithTheReferenceWhereItIsThere() throws {
    guard let model = PackageLayout.smolLM2,
      let folder = PackageLayout.shared("golden/smollm2-135m")
    else { return }
    let work = try TemporaryDirectory()
    let result = try ToolRunner.run(
      "cl-score --model '\(model)' --adapter '\(folder)/adapter-init' '\(folder)/records.jsonl' "
        + "--summary summary.json", in: work.path)
    #expect(result.status == 0 && result.errors == "")
    let expected = try JSONValue(
      parsing: Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/expected.json"))))
    let loss = try #require(expected["losses"]?.elements?.first?.number)
    let summary = try JSONValue(parsing: try work.read("summary.json"))
    #expect(abs(try #require(summary["mean_nll"]?.number) - loss) < Self.realModelTolerance)
  }

  @Test func emittedIDsStandForTheTextWhereTheRealTokenizerIsThere() throws {
    guard let model = PackageLayout.smolLM2 else { return }
    let work = try TemporaryDirectory()
    try work.write(
      "corpus.jsonl",
      """
      {"prompt":"Define the term \\"stack\\".","completion":"A list whose items are put on its top."}
      {"text":"A text of its own."}

      """)
    let first = try ToolRunner.run(
      "cl-score --tokenizer '\(model)' --context 60 --emit-ids corpus.jsonl", in: work.path)
    #expect(first.status == 0)
    try work.write("ids.jsonl", first.output)
    let again = try ToolRunner.run("cl-score --context 60 ids.jsonl", in: work.path)
    #expect(again.text == first.text)
    #expect(first.text.contains("\"tokens\":7,\"target_tokens\":6,"))
  }
}
