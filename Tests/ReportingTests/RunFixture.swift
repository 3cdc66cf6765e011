// SPDX-License-Identifier: Apache-2.0
import Foundation
import Streams
import TestSupport

/// A small run folder with invented numbers: two clients, two rounds, the arms federated and local.
struct RunFixture {
  let folder: TemporaryDirectory
  var path: String { folder.file("run") }
  /// Added to every name and text that could come from a user.
  private let suffix: String

  init(suffix: String = "") throws {
    folder = try TemporaryDirectory()
    self.suffix = suffix
    try writeShards()
    try writeEvaluations()
    for round in 1...2 {
      try writeTraining("arm-federated", round)
      try writeAggregation(round)
    }
    try writeTraining("arm-local", 2)
  }

  /// A JSON string with the suffix.
  private func quoted(_ text: String) -> String {
    var writer = JSONWriter()
    writer.value(text + suffix)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  func write(_ name: String, _ text: String) throws {
    let file = "\(path)/\(name)"
    let parent = (file as NSString).deletingLastPathComponent
    try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(fileURLWithPath: file))
  }

  private func writeShards() throws {
    var clients: [String] = []
    for client in 0..<2 {
      var files: [String] = []
      for (split, count) in [("train", 4), ("test", 2)] {
        var text = ""
        for record in 0..<count {
          let tokens = (client + 1) * 20 + record * 5
          text +=
            #"{"prompt":\#(quoted("p")),"completion":\#(quoted("c")),"cl_score":{"v":1,"#
            + #""tokens":\#(tokens),"target_tokens":\#(tokens - 4),"sentences":\#(client + 1),"#
            + #""length":0.5,"quality":0.\#(5 + client + record % 2),"score":0.5}}"# + "\n"
        }
        let name = "client-00\(client).\(split).jsonl"
        try write("shards/\(name)", text)
        let digest = Array(text.utf8).withUnsafeBytes { ContentDigest.hexadecimal(of: $0) }
        files.append(
          #"{"split":"\#(split)","name":"\#(name)","records":\#(count),"sha256":"\#(digest)"}"#)
      }
      clients.append(
        #"{"client":"\#(client)","records":6,"length":\#(200 + client),"sentences":6,"#
          + #""files":[\#(files.joined(separator: ","))]}"#)
    }
    try write(
      "shards/plan.json",
      #"{"type":"plan","v":1,"tool":"cl-partition 0.1.0","seed":1,"method":"dirichlet","#
        + #""by":"length","parameters":{"clients":2,"alpha":0.5,"bins":\#(quoted("quantile:2"))},"#
        + #""inputs":[{"name":\#(quoted("in.jsonl")),"bytes":9,"sha256":"aa","records":12}],"#
        + #""records":12,"length_unit":"tokens","#
        + #""bins":{"axes":[{"axis":"length","edges":[30]}],"counts":[[4,2],[2,4]]},"#
        + #""clients":[\#(clients.joined(separator: ","))],"#
        + #""imbalance":{"axes":[{"axis":"length","edges":[30],"counts":[[4,2],[2,4]],"#
        + #""gjs":0.08,"njs":0.05,"hellinger":0.2,"g":1.3,"df":1,"p":0.25,"w1":0.4,"#
        + #""w1_unit":"octaves"},{"axis":\#(quoted("label:topic")),"#
        + #""values":[\#(quoted("a")),\#(quoted("b"))],"counts":[[6,0],[0,6]],"gjs":1,"njs":1,"#
        + #""hellinger":0.7,"p":1e-9}],"joint":[],"#
        + #""quantity":[{"of":"records","gini":0,"effective_clients":2}]},"repair":{"moved":1}}"#
        + "\n")
  }

  /// `nll` over 100 tokens, so that losses are easy to read: 376 is 3.76.
  func writeEvaluation(_ name: String, nll: Double, targets: Int = 100) throws {
    try write(
      name,
      #"{"type":"score_summary","v":1,"records":4,"target_tokens":\#(targets),"nll":\#(nll),"#
        + #""mean_nll":\#(nll / Double(targets)),"token_accuracy":0.4,"#
        + #""model":\#(quoted("models/tiny.gguf")),"adapter":\#(quoted("a.safetensors"))}"# + "\n")
  }

  private func writeEvaluations() throws {
    try writeEvaluation("eval/base.heldout.json", nll: 376)
    for (round, loss) in [(1, 340.0), (2, 320.0)] {
      let home = "arm-federated/round-00\(round)/eval"
      try writeEvaluation("\(home)/global.heldout.json", nll: loss)
      for client in 0..<2 {
        try writeEvaluation(
          "arm-local/round-00\(round)/eval/client-00\(client).heldout.json",
          nll: loss + 10 + Double(client) * 20)
      }
    }
    for client in 0..<2 {
      // The second client's set is three times as large: means have to notice.
      let targets = client == 0 ? 100 : 300
      let scale = Double(targets) / 100
      try writeEvaluation(
        "eval/base.client-00\(client).json", nll: 370 * scale, targets: targets)
      try writeEvaluation(
        "arm-federated/round-002/eval/global.client-00\(client).json",
        nll: (310 + 20 * Double(client)) * scale, targets: targets)
      try writeEvaluation(
        "arm-local/round-002/eval/client-00\(client).client-00\(client).json",
        nll: (300 + 60 * Double(client)) * scale, targets: targets)
    }
  }

  private func writeTraining(_ arm: String, _ round: Int) throws {
    for client in 0..<2 {
      let name = "\(arm)/round-00\(round)/client-00\(client)"
      var text = #"{"type":"train_start","v":1,"client":"00\#(client)","round":\#(round)}"# + "\n"
      for step in 1...4 {
        text +=
          #"{"type":"step","v":1,"step":\#(step),"loss":\#(4.0 - Double(step) / 10),"#
          + #""target_tokens":40,"tokens":50,"learning_rate":0.001,"gradient_norm":1.5,"#
          + #""seconds":0.25}"# + "\n"
      }
      text +=
        #"{"type":"train_end","v":1,"client":"00\#(client)","round":\#(round),"steps":4,"#
        + #""tokens":200,"target_tokens":160,"loss_first":3.9,"loss_last":3.6,"seconds":1,"#
        + #""peak_memory_bytes":1048576,"adapter_bytes":2048,"adapter":"d\#(round)\#(client)"}"#
        + "\n"
      try write("\(name).events.jsonl", text)
      try write(
        "\(name).manifest.json",
        #"{"type":"manifest","v":1,"tool":"cl-train","version":"0.1.0","#
          + #""arguments":["--model",\#(quoted("m"))],"seed":18446744073709551615,"#
          + #""kernels":\#(quoted("cpu")),"#
          + #""inputs":[{"name":"runs/run/shards/client-00\#(client).train.jsonl","bytes":1,"#
          + #""sha256":"00"},{"name":\#(quoted("models/m.gguf")),"bytes":7,"sha256":"bb"}],"#
          + #""outputs":[]}"# + "\n")
    }
  }

  private func writeAggregation(_ round: Int) throws {
    let modules = (0..<3).map {
      #"{"module":"model.layers.\#($0).self_attn.q_proj","norm":0.\#($0 + 1),"drift":0.3}"#
    }
    try write(
      "arm-federated/round-00\(round)/aggregate.jsonl",
      #"{"type":"aggregate","v":1,"rule":\#(quoted("fedavg")),"weights":"records","#
        + #""round":\#(round),"clients":[{"client":"0","records":4,"tokens":80,"target_tokens":70,"#
        + #""weight":0.4},{"client":"1","records":6,"tokens":120,"target_tokens":90,"weight":0.6}],"#
        + #""refused":[\#(quoted("client-7"))],"effective_clients":1.92,"rank":4,"adapter":"g","#
        + #""bytes_in":4096,"bytes_out":2048,"drift":0.5,"modules":[\#(modules.joined(separator: ","))]}"#
        + "\n")
  }
}
