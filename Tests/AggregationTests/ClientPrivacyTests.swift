// SPDX-License-Identifier: Apache-2.0
import Adapters
import Aggregation
import Privacy
import Streams
import TestSupport
import Testing

/// Noise, clipping and masks: what goes in, what comes out, and what is refused.
@Suite struct ClientPrivacyTests {
  let sample: SampleRound
  init() throws { sample = try SampleRound() }

  private static let secret = Array("sixteen bytes or more of secret".utf8)

  private func parent() throws -> AdapterFile {
    try sample.file(
      SampleRound.Client(name: nil, seed: 99, parent: nil, seedA: 77), "parent.safetensors")
  }

  /// Clients with the parent's A that trained B.
  private func files(_ parent: AdapterFile, _ count: Int = 4) throws -> [AdapterFile] {
    try (0..<count).map { index in
      var client = SampleRound.Client(name: "\(index)", seed: UInt64(index + 1))
      client.seedA = 77
      client.trained = "B"
      client.parent = parent.digest()
      client.records = 10 * (index + 1)
      return try sample.file(client, "p\(index).safetensors")
    }
  }

  private func job(
    _ parent: AdapterFile, _ privacy: ClientPrivacy?, rule: String = "ffa",
    weights: WeightChoice? = nil, secure: SecureAveraging? = nil, minimum: Int? = nil
  ) throws -> AggregationJob {
    try AggregationJob(
      rule: try RuleCatalog.entry(rule), weights: weights, minimumClients: minimum, parent: parent,
      privacy: privacy, secure: secure, tool: "test")
  }

  private func norm(_ file: AdapterFile, _ parent: AdapterFile) throws -> Double {
    let (x, y) = (try file.adapter(), try parent.adapter())
    return Dense.norm(zip(x.modules, y.modules).flatMap { a, b in
      zip(a.loraB, b.loraB).map { Double($0) - Double($1) }
    })
  }

  @Test func changesAreCutTogetherAndDividedByTheFixedNumber() throws {
    let parent = try parent()
    let files = try files(parent)
    let norms = try files.map { try norm($0, parent) }
    let bound = norms.sorted()[1]
    // Next to no noise, so that the mean shows.
    let privacy = try ClientPrivacy(
      clipNorm: bound, noise: 1e-9, clients: 5, secret: Self.secret)
    let outcome = try job(parent, privacy).run(files, withDigests: false)
    let start = try parent.adapter()
    for (index, module) in outcome.adapter.modules.enumerated() {
      #expect(module.loraA == start.modules[index].loraA)
      for place in module.loraB.indices {
        let x = Double(start.modules[index].loraB[place])
        let change = try zip(files, norms).reduce(0.0) {
          $0 + (Double(try $1.0.adapter().modules[index].loraB[place]) - x) * min(1, bound / $1.1)
        }
        #expect(abs(Double(module.loraB[place]) - (x + change / 5)) < 1e-5)
      }
    }
    #expect(outcome.guarantee?.clients == 5)
  }

  @Test func noiseHasItsDeviationAndDependsOnInputsAndSecret() throws {
    let parent = try parent()
    let files = try files(parent)
    func result(_ privacy: ClientPrivacy, _ files: [AdapterFile]) throws -> Adapter {
      try job(parent, privacy).run(files, withDigests: false).adapter
    }
    let quiet = try ClientPrivacy(clipNorm: 1, noise: 1e-9, secret: Self.secret)
    let loud = try ClientPrivacy(clipNorm: 1, noise: 40, secret: Self.secret)
    let (x, y) = (try result(quiet, files), try result(loud, files))
    let noise = zip(x.modules, y.modules).flatMap { a, b in
      zip(a.loraB, b.loraB).map { Double($1) - Double($0) }
    }
    // 42 draws of deviation 40 · 1 / 4: their own deviation is within four of its errors.
    let deviation = Dense.norm(noise) / Double(noise.count).squareRoot()
    #expect(abs(deviation / 10 - 1) < 4 / Double(2 * noise.count).squareRoot())
    #expect(try result(loud, files).digest() == y.digest())
    var other = loud
    other.secret = Array("another sixteen bytes of secret".utf8)
    #expect(try result(other, files).digest() != y.digest())
    // Fewer clients: other noise, or the difference of two results would be data alone.
    let three = try result(loud, Array(files.dropLast()))
    let quietThree = try result(quiet, Array(files.dropLast()))
    let again = zip(three.modules[0].loraB, quietThree.modules[0].loraB).map { $0 - $1 }
    #expect(abs(again[0] * 3 / 4 - Float(noise[0])) > 1e-3)
  }

  @Test func weightsFromAFileSetTheSensitivity() throws {
    let parent = try parent()
    let path = try sample.folder.write("weights", "0\t10\n1\t30\n2\t20\n3\t40\n9\t100\n")
    let privacy = try ClientPrivacy(clipNorm: 2, noise: 3, secret: Self.secret)
    let outcome = try job(parent, privacy, weights: .file(path)).run(
      try files(parent), withDigests: false)
    // The share of client 3 is 40 of 200, whoever takes part.
    #expect(abs(try #require(outcome.guarantee).deviation - 3 * 2 * 0.2) < 1e-12)
  }

  @Test func guaranteeIsThatOfTheAccountantAndIsSaid() throws {
    let parent = try parent()
    let privacy = try ClientPrivacy(
      clipNorm: 1, noise: 1.5, delta: 1e-5, rate: 0.2, rounds: 50, clients: 4, secret: Self.secret)
    let job = try job(parent, privacy)
    let outcome = try job.run(try files(parent), withDigests: true)
    let guarantee = try #require(outcome.guarantee)
    #expect(abs(guarantee.epsilon - 5.826629) < 1e-6)
    let said = try #require(outcome.adapter.provenance?.privacy)
    #expect(said.hasPrefix("client-level, epsilon 5.82663 at delta 1e-05 after 50 rounds"))
    let line = try JSONValue(
      parsing: AggregationReport(outcome, of: job).line(digest: "d", bytesOut: 1))
    #expect(line["privacy"]?["epsilon"]?.number == guarantee.epsilon)
    #expect(line["privacy"]?["does_not_hold_for"]?.text?.contains("report") == true)
    let bytes = try sample.bytes(outcome.adapter)
    let secret = String(decoding: Self.secret, as: UTF8.self)
    #expect(!String(decoding: bytes, as: UTF8.self).contains(secret))
  }

  /// An aggregate of clients that each have record-level privacy has the weakest of their guarantees.
  @Test func recordLevelGuaranteesAreCarriedOver() throws {
    let texts = [
      "record-level, epsilon 1.5 at delta 1e-05 after 3 steps", "record-level, epsilon 4.25 at delta 1e-06",
      "record-level, epsilon 2 at delta 1e-05",
    ]
    func result(_ texts: [String?], _ rule: String = "median") throws -> (String?, String) {
      let files = try texts.enumerated().map { index, text in
        var adapter = SampleRound.adapter(SampleRound.clients(3)[index])
        adapter.provenance?.privacy = text
        let path = sample.folder.file("w\(index).safetensors")
        try AdapterWriter.write(adapter, to: path)
        return try AdapterReader.open(path: path)
      }
      let job = try AggregationJob(try RuleCatalog.entry(rule))
      let outcome = try job.run(files, withDigests: false)
      let line = AggregationReport(outcome, of: job).line(digest: "", bytesOut: 0)
      return (outcome.adapter.provenance?.privacy, String(decoding: line, as: UTF8.self))
    }
    let (text, line) = try result(texts)
    #expect(text == "record-level, epsilon 4.25 at delta 1e-05")
    #expect(line.contains(#""record_privacy":{"level":"record","epsilon":4.25,"delta":1e-05}"#))
    for other in [nil, "secret", "client-level, epsilon 1 at delta 1e-05"] {
      let (text, line) = try result([texts[0], other, texts[2]])
      #expect(text == nil)
      #expect(!line.contains("record_privacy"))
    }
    // Whatever is made of private adapters has it.
    let (mean, _) = try result(texts, "fedavg")
    #expect(mean == text)
  }

  @Test func normAdaptsToTheMedian() throws {
    let parent = try parent()
    let files = try files(parent, 12)
    let norms = try files.map { try norm($0, parent) }.sorted()
    var bound = 100.0
    for round in 0..<40 {
      let privacy = try ClientPrivacy(
        clipNorm: bound, noise: 0.5, adaptive: AdaptiveClip(),
        secret: Self.secret + [UInt8(round)])
      bound = try #require(
        try job(parent, privacy).run(files, withDigests: false).guarantee).nextClipNorm
    }
    #expect(bound > norms[2] && bound < norms[9])
    let few = try ClientPrivacy(
      clipNorm: 1, noise: 2, adaptive: AdaptiveClip(), secret: Self.secret)
    #expect(throws: AggregationError.self) {
      try job(parent, few).run(files, withDigests: false)
    }
  }

  @Test func illegalCombinationsAreRefused() throws {
    let parent = try parent()
    let privacy = try ClientPrivacy(clipNorm: 1, noise: 1, secret: Self.secret)
    for rule in ["svd", "stack", "krum", "median", "fedex", "geometric-median", "ties"] {
      #expect(throws: AggregationError.self) { try job(parent, privacy, rule: rule) }
      #expect(throws: AggregationError.self) {
        try job(parent, nil, rule: rule, secure: SecureAveraging())
      }
    }
    #expect(throws: AggregationError.self) { try job(parent, privacy, weights: .records) }
    #expect(throws: AggregationError.self) { try job(parent, privacy, secure: SecureAveraging()) }
    #expect(throws: AggregationError.self) {
      try AggregationJob(
        rule: try RuleCatalog.entry("ffa"), trust: TrustBounds(maximumNorm: .absolute(1)),
        secure: SecureAveraging(), tool: "test")
    }
    #expect(throws: AggregationError.missingParent(needs: "--dp-clip")) {
      try AggregationJob(rule: try RuleCatalog.entry("ffa"), privacy: privacy, tool: "test")
    }
    // Both factors trained: noise would be multiplied with noise.
    var both = SampleRound.Client(name: "0")
    both.parent = parent.digest()
    let file = try sample.file(both, "both.safetensors")
    #expect(throws: AggregationError.self) {
      try job(parent, privacy, rule: "fedavg").run([file], withDigests: false)
    }
    var allowed = privacy
    allowed.allowsBothFactors = true
    _ = try job(parent, allowed, rule: "fedavg").run([file], withDigests: false)
    for (clip, noise, delta, rate) in [
      (0.0, 1.0, 1e-5, 1.0), (1, 0, 1e-5, 1), (1, 1, 0, 1), (1, 1, 1e-5, 0), (1, 1, 1e-5, 1.1),
      (.nan, 1, 1e-5, 1),
    ] {
      #expect(throws: AggregationError.self) {
        try ClientPrivacy(
          clipNorm: clip, noise: noise, delta: delta, rate: rate, secret: Self.secret)
      }
    }
    #expect(throws: AggregationError.self) {
      try ClientPrivacy(clipNorm: 1, noise: 1, secret: [1, 2, 3])
    }
  }

  // MARK: Masks

  @Test(arguments: [[], ["1"]], ["ffa", "fedavg"])
  func maskedSumIsTheMeanOfThoseWhoStayed(lost: [String], rule: String) throws {
    let parent = try parent()
    let files = try files(parent)
    let secure = SecureAveraging(lost: lost)
    let job = try job(parent, nil, rule: rule, secure: secure)
    let outcome = try job.run(files, withDigests: false)
    let plain = try AggregationJob(try RuleCatalog.entry(rule)).adapter(
      files.filter { !lost.contains($0.provenance?.client ?? "") })
    for (x, y) in zip(outcome.adapter.modules, plain.modules) {
      for (a, b) in zip(x.loraA + x.loraB, y.loraA + y.loraB) {
        // Half a step a client, over the share of those who stayed.
        #expect(abs(a - b) < 4e-7)
      }
    }
    #expect(outcome.secure?.survivors == 4 - lost.count && outcome.secure?.cutValues == 0)
    let line = try JSONValue(
      parsing: AggregationReport(outcome, of: job).line(digest: "d", bytesOut: 1))
    #expect(line["secure_aggregation"]?["survivors"]?.int == 4 - lost.count)
    #expect(line["modules"]?.elements?.isEmpty == true)
    #expect(line["clients"]?.elements?.allSatisfy { $0["adapter"] == nil } == true)
  }

  @Test func tooManyWhoLeaveEndTheRound() throws {
    let parent = try parent()
    let secure = SecureAveraging(lost: ["0", "1"])
    #expect(throws: AggregationError.self) {
      try job(parent, nil, secure: secure).run(try files(parent), withDigests: false)
    }
    #expect(throws: AggregationError.self) {
      try job(parent, nil, secure: SecureAveraging(lost: ["nobody"])).run(
        try files(parent), withDigests: false)
    }
  }
}
