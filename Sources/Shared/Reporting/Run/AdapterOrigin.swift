// SPDX-License-Identifier: Apache-2.0
internal import Adapters
internal import Streams

/// An adapter file of the run and what its metadata says of its origin.
package struct AdapterOrigin {
  package let source: String
  package let bytes: Int
  /// SHA-256 over the tensors, by which parents are named; nil for a file without configuration.
  package private(set) var digest: String?
  package private(set) var tool: String?
  package private(set) var base: String?
  package private(set) var parent: String?
  package private(set) var client: ClientID?
  package private(set) var round: Int?
  package private(set) var seed: String?
  package private(set) var records: Int?
  package private(set) var steps: Int?
  package private(set) var rank: Int?

  /// Names of the files in a run that are adapters; others, such as a server's state, are not read.
  static func isAdapter(_ path: String) -> Bool {
    let name = FileSystem.lastComponent(path)
    return name.hasSuffix(".safetensors")
      && ["client-", "global.", "pooled.", "initial."].contains { name.hasPrefix($0) }
  }

  /// - Throws: `AdapterError` for a damaged file; one of another program that lacks our metadata
  ///   is only named.
  init(path: String, role: FileRole) throws {
    source = role.source
    let file: AdapterFile
    do throws(AdapterError) {
      file = try AdapterReader.open(path: path)
    } catch {
      guard error.problem == .missingConfiguration else { throw error }
      bytes = try MappedFile(path: path).bytes.count
      return
    }
    bytes = file.byteCount
    digest = file.digest()
    rank = file.config.rank
    let origin = file.provenance
    tool = origin?.tool
    base = origin?.base
    parent = origin?.parent
    client = origin?.client.map(ClientID.init)
    round = origin?.round
    seed = origin?.seed.map { String($0) }
    records = origin?.records
    steps = origin?.steps
  }
}
