// SPDX-License-Identifier: Apache-2.0
import Foundation
import Safetensors
import Streams
import TestSupport
import Testing

@Suite struct SafetensorsStreamTests {
  let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory() }

  private func stream(_ bytes: [UInt8]) throws -> SafetensorsStream {
    SafetensorsStream(try InputSource(path: try folder.write(UUID().uuidString, bytes)))
  }

  @Test func readsFilesBackToBack() throws {
    let large = [Float](repeating: 0.25, count: 100_000)
    let second = RawFile.bytes(
      json: #"{"x":{"dtype":"F32","shape":[100000],"data_offsets":[0,400000]}}"#,
      data: RawFile.littleEndian(large))
    let stream = try stream(RawFile.small + second + RawFile.small)
    let first = try #require(try stream.next())
    #expect(try first.tensor("b").integers() == [7, 8, 255])
    let middle = try #require(try stream.next())
    #expect(try middle.tensor("x").floats() == large)
    let last = try #require(try stream.next())
    #expect(try last.tensor("a").floats() == [1, -2, 0.5, 4])
    #expect(try stream.next() == nil)
    #expect(first.byteCount == RawFile.small.count)
  }

  @Test func emptyStreamHasNoFile() throws {
    #expect(try stream([]).next() == nil)
  }

  @Test func everyCutInsideTheSecondFileIsRefused() throws {
    let two = RawFile.small + RawFile.small
    for count in RawFile.small.count + 1..<two.count {
      let stream = try stream(Array(two[..<count]))
      _ = try stream.next()
      do {
        _ = try stream.next()
        Issue.record("cut at \(count) was accepted")
      } catch {
        guard case .truncated = error.problem else {
          Issue.record("cut at \(count): \(error)")
          continue
        }
      }
    }
  }

  /// The header claims 2^62 bytes; only what arrives may be allocated.
  @Test func claimedSizeIsNotAllocated() throws {
    let json =
      #"{"x":{"dtype":"U8","shape":[4611686018427387904],"#
      + #""data_offsets":[0,4611686018427387904]}}"#
    let stream = try stream(RawFile.bytes(json: json, data: [1, 2, 3]))
    do {
      _ = try stream.next()
      Issue.record("accepted")
    } catch {
      guard case .truncated = error.problem else {
        Issue.record("\(error)")
        return
      }
    }
  }
}
