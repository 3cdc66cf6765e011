// SPDX-License-Identifier: Apache-2.0
import Streams
import TestSupport
import Testing

@Suite struct OutputSinkTests {
  @Test func fileAppearsOnlyWhenClosed() throws {
    let folder = try TemporaryDirectory()
    let sink = try OutputSink(path: folder.file("a"))
    try sink.write("one\n")
    try sink.flush()
    #expect(try folder.files() == [])
    try sink.close()
    #expect(try folder.files() == ["a"])
    #expect(try folder.read("a") == Array("one\n".utf8))
  }

  @Test func olderFileStaysUntilTheNewOneIsWhole() throws {
    let folder = try TemporaryDirectory()
    try folder.write("a", "old")
    do {
      let dropped = try OutputSink(path: folder.file("a"))
      try dropped.write("half")
      try dropped.flush()
    }
    #expect(try folder.read("a") == Array("old".utf8))
    let sink = try OutputSink(path: folder.file("a"))
    try sink.write("new")
    try sink.close()
    #expect(try folder.read("a") == Array("new".utf8))
    #expect(try folder.files() == ["a"])
  }

  @Test func missingFolderIsNamed() throws {
    let folder = try TemporaryDirectory()
    let path = folder.file("none/a")
    #expect(throws: StreamError.cannotCreate(path: path, errno: 2)) { try OutputSink(path: path) }
  }
}
