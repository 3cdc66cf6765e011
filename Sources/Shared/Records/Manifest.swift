// SPDX-License-Identifier: Apache-2.0
package import Streams

/// What a tool did, in one JSON object (Documentation/formats/manifest.md): enough to run it again
/// and to check what it read and wrote. Holds no time and no host name, so that equal runs give equal bytes.
package struct Manifest: Sendable {
  package struct File: Sendable {
    package let name: String
    package let bytes: Int
    package let sha256: String

    package init(name: String, bytes: Int, sha256: String) {
      self.name = name
      self.bytes = bytes
      self.sha256 = sha256
    }

    /// Reads a finished file and takes its digest.
    package init(hashing path: String) throws(StreamError) {
      let file = try MappedFile(path: path)
      // The bytes are gone with the file, which nothing else holds.
      let digest = withExtendedLifetime(file) { ContentDigest.hexadecimal(of: file.bytes) }
      self.init(name: path, bytes: file.bytes.count, sha256: digest)
    }
  }

  package var tool: String
  package var version: String
  package var arguments: [String]
  package var seed: UInt64
  package var inputs: [File] = []
  package var outputs: [File] = []
  /// Which kernels ran (device, BLAS core, precision); nil for tools that compute nothing.
  package var kernels: String?

  package init(tool: String, version: String, arguments: [String], seed: UInt64) {
    self.tool = tool
    self.version = version
    self.arguments = arguments
    self.seed = seed
  }

  package func write(to sink: OutputSink) throws(StreamError) {
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("type", "manifest")
      writer.field("v", 1)
      writer.field("tool", tool)
      writer.field("version", version)
      writer.field("arguments", arguments)
      writer.key("seed")
      writer.raw("\(seed)".utf8)
      writer.field("kernels", ifPresent: kernels)
      for (name, files) in [("inputs", inputs), ("outputs", outputs)] {
        writer.array(name) { writer in
          for file in files {
            writer.object { writer in
              writer.field("name", file.name)
              writer.field("bytes", file.bytes)
              writer.field("sha256", file.sha256)
            }
          }
        }
      }
    }
    writer.newline()
    try sink.write(writer.bytes)
  }
}
