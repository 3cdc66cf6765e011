// SPDX-License-Identifier: Apache-2.0
package import Adapters
import Compute
import Safetensors
package import Streams

/// One client's adapter in a round.
package struct Contribution: Sendable {
  package let file: AdapterFile
  /// Digest of the tensors; nil where nothing needed it.
  package let digest: String?

  package init(_ file: AdapterFile, digest: String? = nil) {
    self.file = file
    self.digest = digest
  }

  /// What the adapter says of its client; nil for one that says nothing.
  package var client: String? { file.provenance?.client }
}

/// An adapter that does not take part, and why.
package struct Refusal: Sendable {
  package let path: String
  package let client: String?
  package let error: any Diagnosable & Sendable

  package init(path: String, client: String? = nil, error: any Diagnosable & Sendable) {
    self.path = path
    self.client = client
    self.error = error
  }
}

extension Contribution {
  /// Sorts by client, then by content, so that the order of arguments changes no byte.
  ///
  /// Digests are taken only where two adapters name the same client, or if `withDigests` asks.
  static func ordered(
    _ files: [AdapterFile], withDigests: Bool, on loop: ParallelFor
  ) -> [Contribution] {
    var counts: [String: Int] = [:]
    for file in files { counts[file.provenance?.client ?? "", default: 0] += 1 }
    let keyed = loop.map(files.count) { index in
      let file = files[index]
      let client = file.provenance?.client ?? ""
      let needsDigest = withDigests || counts[client, default: 0] > 1
      let contribution = Contribution(file, digest: needsDigest ? file.digest() : nil)
      // Equal tensors may still differ in scale or in what they claim.
      let claims = file.config.json + (file.provenance?.json ?? "")
      return (contribution, [client, contribution.digest ?? "", claims])
    }
    return keyed.sorted { left, right in
      for (a, b) in zip(left.1, right.1) where a != b { return precedes(a, b) }
      return false
    }.map(\.0)
  }
}
