// SPDX-License-Identifier: Apache-2.0
import LanguageModels
import Streams
import Testing

/// Frequencies of `ROPE_INIT_FUNCTIONS` of transformers 5.23 for heads of 16 values.
@Suite struct RopeScalingTests {
  private func config(_ rope: String, context: Int) throws -> DecoderConfig {
    let json = """
      {"hidden_size":64,"num_attention_heads":4,"intermediate_size":8,"num_hidden_layers":1,
       "vocab_size":9,"max_position_embeddings":\(context),"rope_parameters":\(rope)}
      """
    var fields = ConfigFields(
      try #require(try JSONValue(parsing: Array(json.utf8)).object), path: "config.json")
    let config = try Llama.decoder(&fields)
    try fields.refuseUnread()
    return config
  }

  private func isClose(_ found: [Float], _ expected: [Float]) -> Bool {
    found.count == expected.count
      && zip(found, expected).allSatisfy { abs($0 - $1) <= 2e-6 * abs($1) }
  }

  @Test func yarnKeepsFastWavesAndStretchesSlowOnes() throws {
    var rope = try config(
      #"{"rope_type":"yarn","rope_theta":10000,"factor":4,"original_max_position_embeddings":32}"#,
      context: 128
    ).ropes[0]
    #expect(
      isClose(
        rope.inverseFrequencies,
        [
          1, 0.19764235615730286, 0.02500000037252903, 0.007905694656074047,
          0.0024999999441206455, 0.0007905694656074047, 0.0002500000118743628,
          7.905694656074047e-05,
        ]))
    #expect(abs(rope.attentionFactor - 1.138629436111989) <= 1e-6)
    rope = try config(
      """
      {"rope_type":"yarn","rope_theta":1000000,"factor":4,"original_max_position_embeddings":1024,
       "beta_fast":16,"beta_slow":2,"truncate":false,"mscale":0.7,"mscale_all_dim":0.3}
      """, context: 4096
    ).ropes[0]
    #expect(
      isClose(
        rope.inverseFrequencies,
        [
          1, 0.17782793939113617, 0.01870180293917656, 0.0014058533124625683,
          0.0002500000118743628, 4.4456985051510856e-05, 7.905693564680405e-06,
          1.405853367941745e-06,
        ]))
    #expect(abs(rope.attentionFactor - 1.0532376815143234) <= 1e-6)
  }

  @Test func dynamicScalingFollowsTheExamplesLength() throws {
    let rope = try config(
      #"{"rope_type":"dynamic","rope_theta":10000,"factor":3}"#, context: 32
    ).ropes[0]
    #expect(rope.inverseFrequencies(length: 32) == nil)
    #expect(
      isClose(
        try #require(rope.inverseFrequencies(length: 61)),
        [
          1, 0.2621287703514099, 0.06871150434017181, 0.018011262640357018,
          0.0047212704084813595, 0.0012375809019431472, 0.0003244055842515081,
          8.503603748977184e-05,
        ]))
  }
}
