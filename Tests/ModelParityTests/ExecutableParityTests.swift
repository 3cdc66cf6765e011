// SPDX-License-Identifier: Apache-2.0
import Foundation
import LanguageModels
import Safetensors
import Streams
import Testing
import TestSupport

/// The goldens through the built cl-train: records in, events and adapter out.
@Suite(.serialized) struct ExecutableParityTests {
  static let settings =
    "--batch-records 3 --order as-is --schedule constant --warmup 0 --learning-rate 2e-3 "
    + "--weight-decay .01 --clip 0"

  /// The sequences of a golden as records of `input_ids` and `labels`.
  private func writeRecords(_ golden: Golden, _ folder: TemporaryDirectory) throws {
    var writer = JSONWriter()
    for index in 0..<3 {
      writer.object { writer in
        for key in ["input_ids", "labels"] {
          let values = (try? golden.expected.tensor("\(key).\(index)").integers()) ?? []
          writer.field(key, values)
        }
      }
      writer.newline()
    }
    try folder.write("records.jsonl", writer.bytes)
  }

  /// The values of `key` in the step events of a log.
  private func steps(_ folder: TemporaryDirectory, _ log: String, _ key: String) throws -> [Double]
  {
    try String(decoding: folder.read(log), as: UTF8.self).split(separator: "\n").compactMap {
      let event = try JSONValue(parsing: Array($0.utf8))
      return event["type"]?.text == "step" ? event[key]?.number : nil
    }
  }

  /// `target_modules` of an adapter, without PEFT's random order.
  private func targetModules(_ path: String) throws -> [String] {
    let json = try JSONValue(parsing: InputSource(path: path).readAll())
    return (json["target_modules"]?.elements ?? []).compactMap(\.text).sorted()
  }

  @Test(arguments: Golden.names)
  func tenStepsEqualTheReference(name: String) throws {
    let golden = try Golden(name)
    let folder = try TemporaryDirectory()
    try writeRecords(golden, folder)
    let result = try ToolRunner.run(
      "cl-train --model \(golden.modelPath) --adapter \(golden.folder)/adapter-init --steps 10 "
        + "\(Self.settings) --log log.jsonl -o trained/ records.jsonl", in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    let losses = try steps(folder, "log.jsonl", "loss")
    #expect(losses.count == 10)
    for (found, expected) in zip(losses, golden.losses) {
      #expect(abs(found - expected) <= Golden.lossTolerance)
    }
    let trained = try SafetensorsFile(path: folder.file("trained/adapter_model.safetensors"))
    let expected = try golden.adapterFile("adapter-final")
    #expect(trained.tensors.map(\.name) == expected.tensors.map(\.name))
    let found = try targetModules(folder.file("trained/adapter_config.json"))
    #expect(try found == targetModules("\(golden.folder)/adapter-final/adapter_config.json"))
    for tensor in expected.tensors {
      let difference = Golden.relativeDifference(
        try trained.tensor(tensor.name).floats(), try expected.tensor(tensor.name).floats())
      #expect(difference <= Golden.adapterTolerance, "\(tensor.name)")
    }
  }

  @Test func equalRunsGiveEqualBytesForAnyNumberOfThreads() throws {
    let golden = try Golden("llama3")
    let folder = try TemporaryDirectory()
    try writeRecords(golden, folder)
    let train =
      "cl-train --model \(golden.modelPath) --rank 4 --epochs 3 --batch-tokens 60 --client a "
      + "--seed 7 records.jsonl"
    let result = try ToolRunner.run(
      "\(train) -j 1 > 1; \(train) -j 1 > 2; \(train) -j 2 > 3; cmp 1 2 && cmp 1 3",
      in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    #expect(try folder.read("1").count > 1000)
  }

  @Test func aKilledRunResumesToTheSameBytes() throws {
    let golden = try Golden("llama3")
    let folder = try TemporaryDirectory()
    try writeRecords(golden, folder)
    let train =
      "cl-train --model \(golden.modelPath) --rank 4 --steps 400 --batch-records 1 records.jsonl"
    let safe = "--checkpoint c --checkpoint-seconds 0 --resume --log log.jsonl -o resumed"
    let result = try ToolRunner.run(
      """
      \(train) -o undisturbed || exit 1
      \(train) \(safe) & pid=$!
      while [ ! -e c ]; do :; done
      kill -9 $pid; wait $pid 2>/dev/null; test -e resumed && exit 2
      \(train) \(safe) -q & pid=$!
      while ! kill -TERM $pid 2>/dev/null; do :; done; wait $pid; echo stopped $?
      \(train) \(safe) -q || exit 3
      cmp undisturbed resumed || exit 4
      test ! -e c
      """, in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    // TERM may come before the tool knows how to stop: then it dies by the signal.
    #expect(["stopped 75\n", "stopped 143\n", "stopped 0\n"].contains(result.text))
    let losses = try steps(folder, "log.jsonl", "step")
    #expect(losses == (1...400).map(Double.init))
  }

  @Test func aPipeIsInTheManifest() throws {
    let golden = try Golden("llama3")
    let folder = try TemporaryDirectory()
    try writeRecords(golden, folder)
    let result = try ToolRunner.run(
      """
      set -e
      train="cl-train --model \(golden.modelPath) --rank 2 --steps 1 -o out"
      $train --manifest piped.json < records.jsonl
      $train --manifest named.json records.jsonl
      mkfifo fifo; cat records.jsonl > fifo & $train --manifest fifo.json fifo
      """, in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    func input(_ manifest: String) throws -> JSONValue {
      let json = try JSONValue(parsing: folder.read(manifest))
      let inputs = try #require(json["inputs"]?.elements)
      #expect(inputs.count == 1)
      return try #require(inputs.first)
    }
    let (piped, named, fifo) = (
      try input("piped.json"), try input("named.json"), try input("fifo.json")
    )
    #expect([piped, named, fifo].map { $0["name"]?.text } == ["-", "records.jsonl", "fifo"])
    for found in [piped, fifo] {
      #expect(found["sha256"]?.text == named["sha256"]?.text)
      #expect(found["bytes"]?.int == named["bytes"]?.int)
    }
  }

  @Test func theFirstAdapterDoesNotDependOnOtherModules() throws {
    let golden = try Golden("llama3")
    let folder = try TemporaryDirectory()
    let result = try ToolRunner.run(
      """
      cl-train --model \(golden.modelPath) --steps 0 --rank 4 > all
      cl-train --model \(golden.modelPath) --steps 0 --rank 4 --target-modules v_proj --layers 1 > one
      """, in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    let all = try SafetensorsFile(path: folder.file("all"))
    let one = try SafetensorsFile(path: folder.file("one"))
    #expect(all.tensors.count == 28)
    #expect(one.tensors.count == 2)
    for tensor in one.tensors {
      #expect(try one.tensor(tensor.name).floats() == all.tensor(tensor.name).floats())
    }
    // A is uniform in ±1/√64 and fills its range; B is zero.
    let a = try one.tensor(one.tensors[0].name).floats()
    #expect(a.allSatisfy { abs($0) <= 0.125 })
    #expect((a.max() ?? 0) > 0.115 && (a.min() ?? 0) < -0.115)
    #expect(try one.tensor(one.tensors[1].name).floats().allSatisfy { $0 == 0 })
  }

  @Test func allLinearMeansTheFusedModulesOfPhi3() throws {
    let golden = try Golden("phi3-mini-4k")
    let folder = try TemporaryDirectory()
    let result = try ToolRunner.run(
      "cl-train --model \(golden.modelPath) --steps 0 --target-modules all-linear -o made/",
      in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    let modules = ["down_proj", "gate_up_proj", "o_proj", "qkv_proj"]
    #expect(try targetModules(folder.file("made/adapter_config.json")) == modules)
  }

  @Test func badShardsAndAdaptersAreRefusedAndLeaveNothing() throws {
    let golden = try Golden("llama3")
    let folder = try TemporaryDirectory()
    try writeRecords(golden, folder)
    try folder.write("empty.jsonl", "")
    try folder.write("outside.jsonl", "{\"input_ids\":[1,2,3]}\n{\"input_ids\":[1,999]}\n")
    try folder.write("lost.jsonl", "{\"input_ids\":[1,2],\"labels\":[-100,-100]}\n")
    try folder.write("text.jsonl", "{\"text\":\"no tokenizer\"}\n")
    let other = try Golden("llama2")
    let made = try ToolRunner.run(
      "cl-train --model \(other.modelPath) --steps 0 > other", in: folder.path)
    #expect(made.status == 0)
    for (arguments, status, words) in [
      ("empty.jsonl", 65, "cl-train: empty.jsonl: no record to train on"), ("outside.jsonl", 65, "outside.jsonl:2: "),
      ("lost.jsonl", 65, "lost.jsonl:1: "), ("text.jsonl", 64, "text.jsonl:1: "),
      ("missing.jsonl", 66, "missing.jsonl: "),
      ("--adapter other records.jsonl", 78, "expected base model"),
      ("--adapter \(golden.folder)/adapter-init --rank 7 records.jsonl", 64, "--adapter has"),
      ("--target-modules nothing records.jsonl", 64, "\"nothing\""),
      ("--layers 2 records.jsonl", 64, "layer 2 does not exist"),
      ("--memory 1MiB records.jsonl", 64, "--memory 1048576 is too little"),
      ("--learning-rate 1e30 --warmup 0 --epochs 9 --batch-records 1 records.jsonl", 65, "step "),
    ] {
      let result = try ToolRunner.run(
        "cl-train --model \(golden.modelPath) -o out \(arguments)", in: folder.path)
      #expect(Int(result.status) == status, "\(arguments): \(result.errors)")
      #expect(result.errors.contains(words), "\(arguments): \(result.errors)")
      #expect(try folder.files().filter { $0.hasPrefix("out.") || $0 == "out" }.isEmpty)
    }
  }

  @Test func aFullDiskIsNoticed() throws {
    let golden = try Golden("llama3")
    let folder = try TemporaryDirectory()
    let result = try ToolRunner.run(
      "cl-train --model \(golden.modelPath) --steps 0 > /dev/full", in: folder.path)
    #expect(result.status == 74)
  }

  /// Ten steps of the real model over given token ids; the reference stands beside the checkout.
  @Test(.enabled(if: PackageLayout.smolLM2 != nil && PackageLayout.shared("golden") != nil))
  func theRealModelsLossesEqualTheReference() throws {
    let model = try #require(PackageLayout.smolLM2)
    let golden = try #require(PackageLayout.shared("golden/smollm2-135m"))
    let json = try JSONValue(parsing: InputSource(path: "\(golden)/expected.json").readAll())
    let expected = (json["losses"]?.elements ?? []).compactMap(\.number)
    let norms = (json["grad_norms"]?.elements ?? []).compactMap(\.number)
    let folder = try TemporaryDirectory()
    let result = try ToolRunner.run(
      "cl-train --model \(model) --adapter \(golden)/adapter-init --steps 10 --batch-records 4 "
        + "--order as-is --schedule constant --warmup 0 --learning-rate 1e-3 --weight-decay .01 "
        + "--clip 0 --log log.jsonl -o trained \(golden)/records.jsonl", in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    let losses = try steps(folder, "log.jsonl", "loss")
    #expect(losses.count == 10 && expected.count == 10)
    for (found, expected) in zip(losses, expected) { #expect(abs(found - expected) <= 2e-3) }
    for (found, expected) in zip(try steps(folder, "log.jsonl", "gradient_norm"), norms) {
      #expect(abs(found - expected) <= 1e-4 * expected)
    }
  }

  /// The precision of the `train_start` event is what was computed with; a device without bf16 says so.
  @Test(arguments: ["cpu", "reference"])
  func precisionIsTold(device: String) throws {
    let golden = try Golden(Golden.names[0])
    let folder = try TemporaryDirectory()
    try writeRecords(golden, folder)
    let result = try ToolRunner.run(
      "cl-train --model \(golden.modelPath) --adapter \(golden.folder)/adapter-init --steps 1 "
        + "--device \(device) --precision bf16 \(Self.settings) --log log.jsonl -o trained/ "
        + "records.jsonl", in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    let log = String(decoding: try folder.read("log.jsonl"), as: UTF8.self)
    let start = try JSONValue(parsing: Array(try #require(log.split(separator: "\n").first).utf8))
    let notice = "cl-train: no bf16 here"
    switch start["precision"]?.text {
    case "bf16": #expect(device == "cpu" && result.errors.isEmpty)
    case "f32": #expect(result.errors.contains(notice))
    default: Issue.record("no precision in \(log)")
    }
    if device == "reference" { #expect(start["precision"]?.text == "f32") }
  }
}
