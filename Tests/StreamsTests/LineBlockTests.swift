// SPDX-License-Identifier: Apache-2.0
import Streams
import TestSupport
import Testing

@Suite struct LineBlockTests {
  private func blockLines(
    _ path: String, blockBytes: Int, limit: Int = LineReader.defaultLimit
  ) throws -> [(Int, [UInt8])] {
    let reader = LineBlockReader(
      try InputSource(path: path), blockBytes: blockBytes, limit: limit)
    var lines: [(Int, [UInt8])] = []
    while let block = try reader.next() {
      #expect(!block.bytes.isEmpty)
      block.forEachLine { line, number in lines.append((number, Array(line))) }
    }
    return lines
  }

  private func singleLines(_ path: String) throws -> [(Int, [UInt8])] {
    let reader = LineReader(try InputSource(path: path))
    var lines: [(Int, [UInt8])] = []
    while let line = try reader.next() { lines.append((reader.lineNumber, Array(line))) }
    return lines
  }

  /// Blocks hold the lines that the line reader gives, for texts around the size of a block.
  @Test func blocksHoldTheSameLines() throws {
    let folder = try TemporaryDirectory()
    var state: UInt64 = 7
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    for round in 0..<60 {
      var bytes: [UInt8] = round % 3 == 0 ? [0xef, 0xbb, 0xbf] : []
      for _ in 0..<random(40) {
        bytes += [UInt8](repeating: UInt8(0x61 + random(26)), count: random(round < 40 ? 600 : 9000))
        bytes += [[0x0a], [0x0d, 0x0a], [0x0a, 0x0a], [0x0d, 0x0d, 0x0a]][random(4)]
      }
      if random(2) == 0 { bytes.append(0x78) }
      let path = try folder.write("lines", bytes)
      let expected = try singleLines(path)
      let found = try blockLines(path, blockBytes: 4096)
      #expect(found.map(\.0) == expected.map(\.0))
      #expect(found.map(\.1) == expected.map(\.1))
    }
  }

  @Test(arguments: [2, 3, 4])
  func aByteOrderMarkIsNoPartOfTheFirstLine(count: Int) throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write("bom", Array([0xef, 0xbb, 0xbf, 0x61].prefix(count)))
    let expected: [[UInt8]] = [[[0xef, 0xbb]], [], [[0x61]]][count - 2]
    #expect(try singleLines(path).map(\.1) == expected)
    #expect(try blockLines(path, blockBytes: 4096).map(\.1) == expected)
  }

  @Test(arguments: [(0, 101), (1, 5000), (3, 9000)])
  func linesBeyondTheLimitAreRefusedWithTheirNumber(before: Int, length: Int) throws {
    let folder = try TemporaryDirectory()
    let text = String(repeating: "ab\n", count: before) + String(repeating: "x", count: length)
    for path in [try folder.write("cut", text), try folder.write("whole", text + "\nab\n")] {
      let expected = StreamError.lineTooLong(path: path, line: before + 1, limit: 100)
      #expect(throws: expected) { try blockLines(path, blockBytes: 4096, limit: 100) }
      #expect(throws: expected) {
        let reader = LineReader(try InputSource(path: path), limit: 100)
        while try reader.next() != nil {}
      }
    }
  }
}

@Suite struct OrderedPipelineTests {
  struct Stop: Error, Equatable { let piece: Int }

  @Test(arguments: [0, 1, 2, 5])
  func resultsComeInOrder(threads: Int) throws {
    var next = 0
    var results: [Int] = []
    try OrderedPipeline.run(threads: threads) {
      next += 1
      return next <= 500 ? next : nil
    } state: {
      [Int]()
    } work: { seen, piece in
      seen.append(piece)
      var value = piece
      for _ in 0..<(piece % 7 * 1000) { value = value &* 31 % 1_000_003 }
      return piece * 2 + (value < 0 ? 1 : 0)
    } consume: {
      results.append($0)
    }
    #expect(results == (1...500).map { $0 * 2 })
  }

  @Test(arguments: [1, 3])
  func theFirstErrorInOrderIsThrown(threads: Int) {
    var next = 0
    var consumed = 0
    #expect(throws: Stop(piece: 20)) {
      try OrderedPipeline.run(threads: threads) {
        next += 1
        return next <= 100 ? next : nil
      } state: {
        0
      } work: { _, piece in
        if piece >= 20 { throw Stop(piece: piece) }
        return piece
      } consume: { _ in
        consumed += 1
      }
    }
    #expect(consumed == 19)
  }

  @Test func theProducerIsNotFarAhead() throws {
    var (produced, consumed) = (0, 0)
    try OrderedPipeline.run(threads: 2) {
      produced += 1
      #expect(produced - consumed <= 2 * OrderedPipeline.piecesAhead + 1)
      return produced <= 200 ? produced : nil
    } state: {
      0
    } work: { _, piece in
      piece
    } consume: { _ in
      consumed += 1
    }
    #expect(consumed == 200)
  }
}
