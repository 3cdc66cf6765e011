// SPDX-License-Identifier: Apache-2.0
internal import Records
internal import Streams

/// Records as bytes of JSON Lines.
final class LineConverter: LineConversion {
  var tolerates: ((any Diagnosable) -> Bool)?

  private let source: any RecordSource
  private var pending: [UInt8] = []
  private var offset = 0
  private var line = 0

  /// Lines in a row from neighbouring lines of one file.
  private struct Stretch {
    let first: Int
    let place: RecordLocation
  }
  /// The last ones; memory must not grow with the number of files in an archive.
  private var stretches: [Stretch] = []
  private static let stretchLimit = 1 << 15

  init(_ source: any RecordSource) { self.source = source }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(StreamError) -> Int {
    while offset == pending.count {
      do {
        guard let line = try source.next() else { return 0 }
        hold(line)
      } catch let error as any OneRecordError where error.concernsOneRecord {
        if tolerates?(error) != true { throw Self.notConverted(error) }
      } catch let error as StreamError {
        throw error
      } catch let error as any Diagnosable {
        throw Self.notConverted(error)
      } catch {
        throw .notConverted(place: "", reason: "\(error)")
      }
    }
    let count = min(buffer.count, pending.count - offset)
    pending[offset..<offset + count].withUnsafeBytes { buffer.copyMemory(from: $0) }
    offset += count
    return count
  }

  private static func notConverted(_ error: any Diagnosable) -> StreamError {
    .notConverted(place: error.location ?? "", reason: error.message)
  }

  private func hold(_ record: RecordLine) {
    line += 1
    let isNext =
      stretches.last.map {
        $0.place.file == record.location.file
          && record.location.line - $0.place.line == line - $0.first
      } ?? false
    if !isNext {
      if stretches.count == 2 * Self.stretchLimit { stretches.removeFirst(Self.stretchLimit) }
      stretches.append(Stretch(first: line, place: record.location))
    }
    pending.removeAll(keepingCapacity: true)
    // A record of an array may hold line ends between its tokens.
    for byte in record.bytes { pending.append(byte == 0x0a || byte == 0x0d ? 0x20 : byte) }
    pending.append(0x0a)
    offset = 0
  }

  func place(ofLine number: Int) -> String? {
    guard number <= line, let first = stretches.first, number >= first.first else { return nil }
    var (low, high) = (0, stretches.count - 1)
    while low < high {
      let middle = (low + high + 1) / 2
      if stretches[middle].first <= number { low = middle } else { high = middle - 1 }
    }
    let stretch = stretches[low]
    return "\(stretch.place.file):\(stretch.place.line + number - stretch.first)"
  }
}
