// SPDX-License-Identifier: Apache-2.0
import Foundation
import Streams
import Testing

/// Mutations of valid documents: our reading and Foundation's agree on what is JSON.
@Suite struct JSONFuzzTests {
  private static let documents = [
    #"{"a":1,"b":[true,null,{"c":"d"}],"e":-1.5e3,"f":"x\n\u00e9\ud83d\ude00\"\\\/ tail of a string that is longer than one vector"}"#,
    #"[0,-0,1e5,1E-2,0.5,[[]],{},"",{"k":{"k":{"k":[1,2,3]}}}]"#,
    #"{"text":"é漢字😀 plain text, and some more of it, so that a run has more than sixty-four bytes","n":12345678901}"#,
  ]

  @Test(arguments: [UInt64(1), 2, 3, 4])
  func mutatedDocumentsAreJudgedAlike(seed: UInt64) {
    var state = seed
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    let interesting = Array("{}[]\",:\\ tfn0123456789-+.eEu/ \n\t".utf8) + [0xc3, 0xa9, 0x80, 0x1f, 0xf0]
    var (valid, invalid) = (0, 0)
    for _ in 0..<3000 {
      var bytes = Array(Self.documents[random(Self.documents.count)].utf8)
      for _ in 0...random(3) {
        let index = random(bytes.count)
        switch random(4) {
        case 0: bytes[index] = interesting[random(interesting.count)]
        case 1: bytes.remove(at: index)
        case 2: bytes.insert(interesting[random(interesting.count)], at: index)
        default: bytes = Array(bytes[..<max(1, index)])
        }
        if bytes.isEmpty { bytes = [0x20] }
      }
      let ours = (try? JSONValue(parsing: bytes)) != nil
      let theirs =
        (try? JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed])) != nil
      if ours { valid += 1 } else { invalid += 1 }
      if ours != theirs, !Self.differs(bytes) {
        Issue.record("ours \(ours), Foundation's \(theirs): \(String(decoding: bytes, as: UTF8.self))")
      }
    }
    #expect(valid > 100 && invalid > 100)
  }

  /// Where the two may differ: a key that stands twice, which we refuse; a comma before a closing
  /// bracket, which Foundation lets pass; numbers beyond a Double's range, which it refuses.
  private static func differs(_ bytes: [UInt8]) -> Bool {
    let text = String(decoding: bytes, as: UTF8.self)
    do {
      _ = try JSONValue(parsing: bytes)
      return text.contains(/[eE][+]?[0-9]{3}/)
    } catch {
      if case .duplicateKey = error.problem { return true }
      return text.contains(/,[ \n\t]*[\]}]/)
    }
  }
}
